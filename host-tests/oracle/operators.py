"""One random int8 model per call, for each operator: `(rng, number) -> tensors, ops, inputs, outputs`."""

import numpy as np

from tflite_writer import Op, Tensor, constant


def activation(rng, shape, scale=None, zero_point=None):
    scale = 10 ** rng.uniform(-2.5, -0.3) if scale is None else scale
    zero_point = rng.choice([-128, 0, 127, rng.integers(-128, 128)]) if zero_point is None else zero_point
    return Tensor(shape, scale=scale, zero_point=zero_point)


def like(tensor, shape):
    return Tensor(shape, scale=tensor.scale, zero_point=tensor.zero_point[0])


def unary(code, options_type=0, options=lambda rng: (), output=activation, low=None):
    def make(rng, number):
        shape = [1] + [int(n) for n in rng.integers(1, 7, rng.integers(1, 4))]
        x = activation(rng, shape)
        if low is not None:
            x = activation(rng, shape, zero_point=low)
        y = output(rng, shape) if output is not None else like(x, shape)
        return [x, y], [Op(code, [0], [1], options_type, options(rng))], [0], [1]

    return make


def fixed(scale, zero_point):
    return lambda rng, shape: Tensor(shape, scale=scale, zero_point=zero_point)


def image(rng, most=9, channels=6):
    return [int(rng.integers(1, 3)), *(int(n) for n in rng.integers(3, most, 2)), int(rng.integers(1, channels))]


def out_size(size, taps, stride, dilation, same):
    reach = (taps - 1) * dilation + 1
    return -(-size // stride) if same else (size - reach) // stride + 1


def weights(rng, shape, outputs, axis):
    per_channel = rng.random() < 0.7
    scale = 10 ** rng.uniform(-3, -1, outputs if per_channel else 1)
    return Tensor(shape, scale=scale, data=rng.integers(-127, 128, shape), axis=axis)


def bias(rng, x, w, outputs, fan):
    scale = x.scale[0] * w.scale
    return Tensor([outputs], np.int32, scale=scale, data=rng.integers(-127 * fan, 127 * fan + 1, outputs))


def conv_output(rng, x, w, shape, fan):
    # A range that most accumulators fit, and some leave.
    scale = float(x.scale[0] * np.mean(w.scale) * 70 * 90 * np.sqrt(fan) / 127 * 10 ** rng.uniform(-0.5, 0.3))
    return activation(rng, shape, scale=scale)


def window(rng, size):
    while True:
        taps = [int(n) for n in rng.integers(1, 5, 2)]
        stride = [int(n) for n in rng.integers(1, 4, 2)]
        dilation = [int(n) for n in rng.integers(1, 3, 2)] if stride == [1, 1] else [1, 1]
        same = bool(rng.random() < 0.5)
        out = [out_size(size[i], taps[i], stride[i], dilation[i], same) for i in range(2)]
        if min(out) > 0:
            return taps, stride, dilation, same, out


def conv_2d(rng, number):
    shape = image(rng)
    taps, stride, dilation, same, out = window(rng, shape[1:3])
    x, outputs = activation(rng, shape), int(rng.integers(1, 9))
    w = weights(rng, [outputs, *taps, shape[3]], outputs, 0)
    fan = taps[0] * taps[1] * shape[3]
    y = conv_output(rng, x, w, [shape[0], *out, outputs], fan)
    options = [(0, "int8", not same), (1, "int32", stride[1]), (2, "int32", stride[0]), (3, "int8", rng.integers(0, 4)),
               (4, "int32", dilation[1]), (5, "int32", dilation[0])]
    return [x, w, bias(rng, x, w, outputs, fan), y], [Op(3, [0, 1, 2], [3], 1, options)], [0], [3]


def depthwise_conv_2d(rng, number):
    shape = image(rng)
    taps, stride, dilation, same, out = window(rng, shape[1:3])
    multiplier = int(rng.choice([1, 1, 2, 3]))
    x, outputs = activation(rng, shape), shape[3] * multiplier
    w = weights(rng, [1, *taps, outputs], outputs, 3)
    fan = taps[0] * taps[1]
    y = conv_output(rng, x, w, [shape[0], *out, outputs], fan)
    options = [(0, "int8", not same), (1, "int32", stride[1]), (2, "int32", stride[0]), (3, "int32", multiplier),
               (4, "int8", rng.integers(0, 4)), (5, "int32", dilation[1]), (6, "int32", dilation[0])]
    return [x, w, bias(rng, x, w, outputs, fan), y], [Op(4, [0, 1, 2], [3], 2, options)], [0], [3]


def fully_connected(rng, number):
    rows, inputs, outputs = (int(n) for n in rng.integers(1, [4, 60, 12]))
    x = activation(rng, [rows, inputs])
    w = weights(rng, [outputs, inputs], outputs, 0)
    y = conv_output(rng, x, w, [rows, outputs], inputs)
    with_bias = rng.random() < 0.8
    tensors = [x, w, y] + ([bias(rng, x, w, outputs, inputs)] if with_bias else [])
    return tensors, [Op(9, [0, 1, 3 if with_bias else -1], [2], 8, [(0, "int8", rng.integers(0, 4))])], [0], [2]


def pool(code):
    def make(rng, number):
        shape = image(rng)
        while True:
            taps, stride, dilation, same, out = window(rng, shape[1:3])
            if dilation == [1, 1] and all(t <= s for t, s in zip(taps, shape[1:3])):
                break
        x = activation(rng, shape)
        options = [(0, "int8", not same), (1, "int32", stride[1]), (2, "int32", stride[0]), (3, "int32", taps[1]),
                   (4, "int32", taps[0]), (5, "int8", rng.integers(0, 4))]
        return [x, like(x, [shape[0], *out, shape[3]])], [Op(code, [0], [1], 5, options)], [0], [1]

    return make


def binary(code, options_type, fused=True, same=False, constants=True):
    def make(rng, number):
        shape = [int(n) for n in rng.integers(1, 5, 4)]
        other = list(shape)
        if rng.random() < 0.5:
            for axis in range(4):
                if rng.random() < 0.5:
                    other[axis] = 1
            if rng.random() < 0.3:
                other = other[int(rng.integers(0, 4)):]
        a = activation(rng, shape)
        b = activation(rng, other) if not same else like(a, other)
        y = activation(rng, shape) if not same else like(a, shape)
        if constants and rng.random() < 0.3:
            b.data = rng.integers(-128, 128, other).astype(np.int8)
        inputs, order = [0] if b.data is not None else [0, 1], [0, 1] if rng.random() < 0.7 else [1, 0]
        options = [(0, "int8", rng.integers(0, 4))] if fused else []
        return [a, b, y], [Op(code, order, [2], options_type, options)], inputs, [2]

    return make


def concatenation(rng, number):
    shape, count = image(rng, 5), int(rng.integers(1, 5))
    axis = int(rng.integers(0, 4))
    first = activation(rng, shape)
    parts, total = [], 0
    for _ in range(count):
        own = list(shape)
        own[axis] = int(rng.integers(1, 5))
        total += own[axis]
        parts.append(like(first, own))
    out = list(shape)
    out[axis] = total
    options = [(0, "int32", axis - 4 if rng.random() < 0.3 else axis)]
    ids = list(range(count))
    return [*parts, like(first, out)], [Op(2, ids, [count], 10, options)], ids, [count]


def pad(code):
    def make(rng, number):
        shape = image(rng, 6)
        x = activation(rng, shape)
        paddings = rng.integers(0, 3, (4, 2))
        if code == 100:
            mode = int(rng.integers(0, 2))
            paddings = np.minimum(paddings, np.array(shape)[:, None] - (1 - mode))
        y = like(x, [int(s + p.sum()) for s, p in zip(shape, paddings)])
        if code == 60:
            value = Tensor([1], scale=x.scale, zero_point=x.zero_point[0], data=rng.integers(-128, 128, 1))
            return [x, constant(paddings), y, value], [Op(60, [0, 1, 3], [2], 0)], [0], [2]
        if code == 100:
            return [x, constant(paddings), y], [Op(100, [0, 1], [2], 77, [(0, "int8", mode)])], [0], [2]
        return [x, constant(paddings), y], [Op(34, [0, 1], [2], 22, [])], [0], [2]

    return make


def reshape(rng, number):
    a, b, c = (int(n) for n in rng.integers(1, 6, 3))
    x = activation(rng, [1, a, b, c])
    shape = [[1, a * b * c], [1, a, b * c], [a * b, c], [1, 1, a * b, c]][number % 4]
    return [x, constant(shape), like(x, shape)], [Op(22, [0, 1], [2], 17, [(0, "ints", shape)])], [0], [2]


def squeeze(rng, number):
    a, c = (int(n) for n in rng.integers(2, 6, 2))
    x = activation(rng, [1, a, 1, c])
    shape, dims = [([1, a, c], [2]), ([a, c], [0, 2]), ([a, 1, c], [0])][number % 3]
    return [x, like(x, shape)], [Op(43, [0], [1], 30, [(0, "ints", dims)])], [0], [1]


def expand_dims(rng, number):
    a, c = (int(n) for n in rng.integers(1, 6, 2))
    x, axis = activation(rng, [1, a, c]), int(rng.integers(-4, 4))
    shape = [1, a, c]
    shape.insert(axis + 4 if axis < 0 else axis, 1)
    return [x, constant([axis]), like(x, shape)], [Op(70, [0, 1], [2], 52, [])], [0], [2]


def softmax(rng, number):
    shape = [int(rng.integers(1, 4)), int(rng.integers(1, 30))]
    x = activation(rng, shape, scale=10 ** rng.uniform(-3, 0))
    y = Tensor(shape, scale=1 / 256, zero_point=-128)
    beta = 1.0 if rng.random() < 0.7 else rng.uniform(0.3, 2)
    return [x, y], [Op(25, [0], [1], 9, [(0, "float32", beta)])], [0], [1]


def quantize(rng, number):
    shape = image(rng, 5)
    x = activation(rng, shape) if number % 3 else Tensor(shape, np.float32)
    return [x, activation(rng, shape)], [Op(114, [0], [1])], [0], [1]


def dequantize(rng, number):
    shape = image(rng, 5)
    return [activation(rng, shape), Tensor(shape, np.float32)], [Op(6, [0], [1])], [0], [1]


def hard_swish(rng, number):
    shape = image(rng, 6)
    x = activation(rng, shape, scale=10 ** rng.uniform(-2.2, -1))
    return [x, activation(rng, shape, scale=float(x.scale[0]) * rng.uniform(0.6, 1.4))], [Op(117, [0], [1])], [0], [1]


def lstm(rng, number):
    time, inputs, cells = (int(n) for n in rng.integers(1, [6, 12, 12]))
    time_major = bool(rng.random() < 0.5)
    x = activation(rng, [time, 1, inputs] if time_major else [1, time, inputs])
    zero = int(rng.integers(-20, 20)) if number % 2 else 0
    hidden = (float(1 / 128 * rng.uniform(0.7, 1)), zero)
    tensors, ids = [x], [0]

    def add(t):
        tensors.append(t)
        return len(tensors) - 1

    for width, reach in ((inputs, float(x.scale[0]) * 100), (cells, 0.7)):
        for _ in range(4):
            scale = 4 / (70 * reach * np.sqrt(width)) * rng.uniform(0.3, 1.2)
            ids.append(add(Tensor([cells, width], scale=scale, data=rng.integers(-127, 128, [cells, width]))))
    ids += [-1, -1, -1]
    for gate in range(4):
        scale = x.scale[0] * tensors[ids[1 + gate]].scale[0]
        ids.append(add(Tensor([cells], np.int32, scale=scale, data=rng.normal(0, 1 / scale, cells).astype(np.int32))))
    ids += [-1, -1]
    ids.append(add(Tensor([1, cells], scale=hidden[0], zero_point=hidden[1], variable=True)))
    fraction = int(rng.integers(9, 16))
    ids.append(add(Tensor([1, cells], np.int16, scale=2.0**-fraction, variable=True)))
    ids += [-1] * 4
    intermediates = [add(Tensor([0], np.float32)) for _ in range(4)] + [add(Tensor([0], scale=hidden[0], zero_point=hidden[1]))]
    out = add(Tensor([time, 1, cells] if time_major else [1, time, cells], scale=hidden[0], zero_point=hidden[1]))
    clip = 0.0 if rng.random() < 0.7 else rng.uniform(0.2, 2)
    options = [(0, "int8", 4), (1, "float32", clip), (2, "float32", 0.0), (3, "bool", time_major)]
    return tensors, [Op(44, ids, [out], 71, options, intermediates)], [0], [out]


def arg(code, options_type):
    def make(rng, number):
        shape = image(rng, 5)
        axis = int(rng.integers(-4, 4)) if number % 2 else 3
        out = list(shape)
        del out[axis]
        return [activation(rng, shape), constant([axis]), Tensor(out, np.int32)], [Op(code, [0, 1], [2], options_type, [(0, "int8", 2)])], [0], [2]

    return make


OPERATORS = {
    "add": binary(0, 11),
    "average_pool_2d": pool(1),
    "concatenation": concatenation,
    "conv_2d": conv_2d,
    "depthwise_conv_2d": depthwise_conv_2d,
    "dequantize": dequantize,
    "fully_connected": fully_connected,
    "logistic": unary(14, output=fixed(1 / 256, -128)),
    "max_pool_2d": pool(17),
    "mul": binary(18, 21),
    "relu": unary(19),
    "relu_n1_to_1": unary(20),
    "relu6": unary(21),
    "reshape": reshape,
    "softmax": softmax,
    "tanh": unary(28, output=fixed(1 / 128, 0)),
    "pad": pad(34),
    "squeeze": squeeze,
    "unidirectional_sequence_lstm": lstm,
    "arg_max": arg(56, 40),
    "padv2": pad(60),
    "expand_dims": expand_dims,
    "leaky_relu": unary(98, 75, lambda rng: [(0, "float32", rng.uniform(0, 1))]),
    "quantize": quantize,
    "hard_swish": hard_swish,
}
