"""One random int8 model per call, for each operator: `(rng, number) -> tensors, ops, inputs, outputs`, or a list of such
subgraphs."""

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


def svdf(rng, number):
    batch, inputs, units, rank, memory = (int(n) for n in rng.integers(1, [3, 12, 8, 4, 8]))
    filters = units * rank
    x = activation(rng, [batch, inputs])
    features = Tensor([filters, inputs], scale=10 ** rng.uniform(-3, -1), data=rng.integers(-127, 128, [filters, inputs]))
    state_scale = float(x.scale[0] * features.scale[0] * np.sqrt(inputs) * 10 ** rng.uniform(-1.5, 0.2))
    times = Tensor([filters, memory], np.int16, scale=10 ** rng.uniform(-5, -4), data=rng.integers(-32767, 32768, [filters, memory]) // memory)
    biases = Tensor([units], np.int32, scale=state_scale * times.scale[0], data=rng.integers(-(10**6), 10**6, units))
    state = Tensor([batch, filters * memory], np.int16, scale=state_scale, variable=True)
    reach = state_scale * float(times.scale[0]) * 5000 * 9000 * np.sqrt(rank / memory)
    y = activation(rng, [batch, units], scale=reach / 127 * 10 ** rng.uniform(-0.5, 0.5))
    with_bias = rng.random() < 0.8
    options = [(0, "int32", rank), (1, "int8", 1)]
    return [x, features, times, biases, state, y], [Op(27, [0, 1, 2, 3 if with_bias else -1, 4], [5], 6, options)], [0], [5]


def started_variables(rng, number):
    """The same with initial values other than zero."""
    return variables(rng, number, starts_anywhere=True)


def variables(rng, number, starts_anywhere=False):
    """A sliding window over frames, a sum that runs on, or two variables that change places."""
    frame = [1, int(rng.integers(1, 9))]
    x = activation(rng, frame)
    handle = lambda: Tensor([1], np.int32, resource=True)

    def starting_with_zeros(tensors, ops, output, **kept):
        """The model with a subgraph that sets its variables to zero before the first inference."""
        init, assigns = [], []
        for name, like_it in kept.items():
            zeros = like(like_it, like_it.shape)
            zeros.data = np.full(zeros.shape, zeros.zero_point[0], np.int8)
            if starts_anywhere:
                zeros.data = rng.integers(-128, 128, zeros.shape).astype(np.int8)
            init += [handle(), zeros]
            assigns += [named(name, len(init) - 2), assign(len(init) - 2, len(init) - 1)]
        call = Op(129, [], [], 103, [(0, "int32", 1)])
        return [(tensors, [call, *ops], [0], [output]), (init, assigns, [], [])]

    named = lambda name, out: Op(142, [], [out], 111, [(1, "string", name)])
    read, assign = (lambda of, out: Op(143, [of], [out], 112)), (lambda of, value: Op(144, [of, value], [], 113))
    if number % 3 == 0:
        length = int(rng.integers(2, 6))
        window, joined = like(x, [length, frame[1]]), like(x, [length + 1, frame[1]])
        tensors = [x, handle(), window, joined, constant([1, 0]), constant([length, frame[1]]), like(x, window.shape)]
        cut = Op(65, [3, 4, 5], [6], 50)
        ops = [named("window", 1), read(1, 2), Op(2, [2, 0], [3], 10, [(0, "int32", 0)]), cut, assign(1, 6)]
        return starting_with_zeros(tensors, ops, 3, window=window)
    if number % 3 == 1:
        total = activation(rng, frame)
        tensors = [x, handle(), total, like(total, frame)]
        return starting_with_zeros(tensors, [named("total", 1), read(1, 2), Op(0, [0, 2], [3], 11), assign(1, 3)], 3, total=total)
    tensors = [x, handle(), handle(), like(x, frame), like(x, frame), activation(rng, frame)]
    ops = [named("a", 1), named("b", 2), read(1, 3), read(2, 4), Op(0, [3, 4], [5], 11), assign(2, 3), assign(1, 0)]
    return starting_with_zeros(tensors, ops, 5, a=x, b=x)


def arg(code, options_type):
    def make(rng, number):
        shape = image(rng, 5)
        axis = int(rng.integers(-4, 4)) if number % 2 else 3
        out = list(shape)
        del out[axis]
        return [activation(rng, shape), constant([axis]), Tensor(out, np.int32)], [Op(code, [0, 1], [2], options_type, [(0, "int8", 2)])], [0], [2]

    return make


def transpose(rng, number):
    rank = int(rng.integers(2, 6))
    shape = [int(n) for n in rng.integers(1, 5, rank)]
    order = [int(n) for n in rng.permutation(rank)]
    x = activation(rng, shape)
    return [x, constant(order), like(x, [shape[a] for a in order])], [Op(39, [0, 1], [2], 26, [])], [0], [2]


def slice_(rng, number):
    shape = image(rng)
    begin = [int(rng.integers(0, s)) for s in shape]
    size = [int(rng.integers(1, s - b + 1)) for s, b in zip(shape, begin)]
    x, y = activation(rng, shape), None
    y = like(x, size)
    size = [-1 if b + n == s and rng.random() < 0.5 else n for b, n, s in zip(begin, size, shape)]
    return [x, constant(begin), constant(size), y], [Op(65, [0, 1, 2], [3], 48, [])], [0], [3]


def strided_slice(rng, number):
    shape = image(rng)
    while True:
        begin = [int(rng.integers(-s, s)) for s in shape]
        end = [int(rng.integers(-s - 1, s + 2)) for s in shape]
        step = [int(rng.choice([-2, -1, 1, 1, 1, 2, 3])) for _ in shape]
        begin_mask, end_mask, shrink = (int(rng.integers(0, 16)) & int(rng.integers(0, 16)) for _ in range(3))
        step = [1 if shrink >> a & 1 else n for a, n in enumerate(step)]
        begin_mask, end_mask = begin_mask & ~shrink, end_mask & ~shrink
        index = []
        for a in range(4):
            if shrink >> a & 1:
                index.append(begin[a])
            else:
                index.append(slice(None if begin_mask >> a & 1 else begin[a], None if end_mask >> a & 1 else end[a], step[a]))
        out = list(np.zeros(shape)[tuple(index)].shape)
        # What LiteRT does with an end of -1 behind a negative step differs from Python: leave the reading to it.
        end = [b + 1 if shrink >> a & 1 else e for a, (b, e) in enumerate(zip(begin, end))]
        if np.prod(out, dtype=int) > 0 and out:
            break
    x = activation(rng, shape)
    options = [(f, "int32", v) for f, v in enumerate([begin_mask, end_mask, 0, 0, shrink])]
    return ([x, constant(begin), constant(end), constant(step), like(x, out)], [Op(45, [0, 1, 2, 3], [4], 32, options)], [0], [4])


def split(rng, number):
    shape, axis, count = image(rng, 5), int(rng.integers(0, 4)), int(rng.integers(1, 4))
    x = activation(rng, [s * count if a == axis else s for a, s in enumerate(shape)])
    outs = list(range(2, 2 + count))
    return [constant(axis), x, *(like(x, shape) for _ in outs)], [Op(49, [0, 1], outs, 35, [(0, "int32", count)])], [1], outs


def split_v(rng, number):
    shape, axis, count = image(rng, 5), int(rng.integers(-4, 4)), int(rng.integers(1, 4))
    sizes = [int(n) for n in rng.integers(1, 4, count)]
    part = lambda n: [n if a == axis % 4 else s for a, s in enumerate(shape)]
    x = activation(rng, part(sum(sizes)))
    outs = list(range(3, 3 + count))
    tensors = [x, constant(sizes), constant(axis), *(like(x, part(n)) for n in sizes)]
    return tensors, [Op(102, [0, 1, 2], outs, 79, [(0, "int32", count)])], [0], outs


def pack(rng, number):
    shape, count = image(rng, 5)[: int(rng.integers(1, 5))], int(rng.integers(1, 4))
    axis = int(rng.integers(0, len(shape) + 1))
    x = activation(rng, shape)
    out = shape[:axis] + [count] + shape[axis:]
    ids = list(range(count))
    options = [(0, "int32", count), (1, "int32", axis)]
    return [*(like(x, shape) for _ in ids), like(x, out)], [Op(83, ids, [count], 59, options)], ids, [count]


def unpack(rng, number):
    shape = image(rng, 5)
    axis = int(rng.integers(0, 4))
    count = shape[axis]
    x = activation(rng, shape)
    outs = list(range(1, 1 + count))
    options = [(0, "int32", count), (1, "int32", axis)]
    return [x, *(like(x, shape[:axis] + shape[axis + 1 :]) for _ in outs)], [Op(88, [0], outs, 64, options)], [0], outs


def blocks(code, options_type, to_depth):
    def make(rng, number):
        n, h, w, c = image(rng, 5, 4)
        b = int(rng.integers(1, 4))
        wide, deep = [n, h * b, w * b, c], [n, h, w, c * b * b]
        x = activation(rng, wide if to_depth else deep)
        return [x, like(x, deep if to_depth else wide)], [Op(code, [0], [1], options_type, [(0, "int32", b)])], [0], [1]

    return make


def space_to_batch(rng, number):
    shape, block = image(rng, 6, 4), [int(n) for n in rng.integers(1, 4, 2)]
    pads = rng.integers(0, 3, (2, 2))
    for a in range(2):
        pads[a][1] += -(shape[1 + a] + pads[a].sum()) % block[a]
    size = [int((shape[1 + a] + pads[a].sum()) // block[a]) for a in range(2)]
    x = activation(rng, shape)
    y = like(x, [shape[0] * block[0] * block[1], *size, shape[3]])
    return [x, constant(block), constant(pads), y], [Op(38, [0, 1, 2], [3])], [0], [3]


def batch_to_space(rng, number):
    shape, block = image(rng, 6, 4), [int(n) for n in rng.integers(1, 4, 2)]
    crops = rng.integers(0, 2, (2, 2))
    x = activation(rng, [shape[0] * block[0] * block[1], *shape[1:]])
    y = like(x, [shape[0], *(int(shape[1 + a] * block[a] - crops[a].sum()) for a in range(2)), shape[3]])
    return [x, constant(block), constant(crops), y], [Op(37, [0, 1, 2], [3])], [0], [3]


def gather(rng, number):
    shape, axis = image(rng), int(rng.integers(0, 4))
    indices = rng.integers(0, shape[axis], int(rng.integers(1, 6)))
    x = activation(rng, shape)
    y = like(x, shape[:axis] + [len(indices)] + shape[axis + 1 :])
    return [x, constant(indices), y], [Op(36, [0, 1], [2], 23, [(0, "int32", axis)])], [0], [2]


LEAST_LEN = 3


def computed_gather(rng, number):
    shape, axis = [int(n) for n in rng.integers(LEAST_LEN, 6, 3)], int(rng.integers(0, 3))
    numbers = [int(n) for n in rng.integers(1, 4, rng.integers(1, 3))]
    x = activation(rng, shape)
    x.data = rng.integers(-128, 128, shape).astype(np.int8) if number % 2 else None
    tensors = [x, Tensor(numbers, np.int32), like(x, shape[:axis] + numbers + shape[axis + 1 :])]
    return tensors, [Op(36, [0, 1], [2], 23, [(0, "int32", axis)])], [1] if number % 2 else [0, 1], [2]


def embedding_lookup(rng, number):
    rows, width, count = LEAST_LEN + int(rng.integers(0, 9)), int(rng.integers(1, 9)), int(rng.integers(1, 9))
    table = activation(rng, [rows, width])
    table.data = rng.integers(-128, 128, table.shape).astype(np.int8)
    return [Tensor([count], np.int32), table, like(table, [count, width])], [Op(7, [0, 1], [2])], [0], [2]


def reduce(code, quantized):
    def make(rng, number):
        shape = image(rng, 7)
        axes = [1, 2] if number % 3 == 0 else sorted(int(a) for a in rng.choice(4, rng.integers(1, 4), replace=False))
        keep = bool(rng.random() < 0.5)
        out = [1 if a in axes else s for a, s in enumerate(shape) if keep or a not in axes]
        x = activation(rng, shape)
        count = np.prod([shape[a] for a in axes]) if code == 74 else 1
        other = activation(rng, out, scale=float(x.scale[0]) * rng.uniform(0.2, 2) * count)
        y = other if quantized and rng.random() < 0.7 else like(x, out)
        return [x, constant(axes), y], [Op(code, [0, 1], [2], 27, [(0, "bool", keep)])], [0], [2]

    return make


def resize(code, options_type, first):
    def make(rng, number):
        shape = image(rng)
        size = [int(n) for n in rng.integers(1, 12, 2)]
        align, half = [(False, False), (True, False), (False, True)][number % 3]
        x = activation(rng, shape)
        options = [(first, "bool", align), (first + 1, "bool", half)]
        return [x, constant(size), like(x, [shape[0], *size, shape[3]])], [Op(code, [0, 1], [2], options_type, options)], [0], [2]

    return make


def batch_matmul(rng, number):
    batch, m, k, n = (int(v) for v in rng.integers(1, [4, 6, 20, 6]))
    turn_a, turn_b = bool(rng.random() < 0.3), bool(rng.random() < 0.5)
    a = activation(rng, [batch, k, m] if turn_a else [batch, m, k])
    b = activation(rng, [batch, n, k] if turn_b else [batch, k, n])
    scale = float(a.scale[0] * b.scale[0] * 74 * 74 * np.sqrt(k) / 127)
    y = activation(rng, [batch, m, n], scale=scale)
    return [a, b, y], [Op(126, [0, 1], [2], 101, [(0, "bool", turn_a), (1, "bool", turn_b)])], [0, 1], [2]


def transpose_conv(rng, number):
    n, h, w, c = image(rng, 6)
    taps, stride = [int(v) for v in rng.integers(1, 5, 2)], [int(v) for v in rng.integers(1, 4, 2)]
    same = bool(rng.random() < 0.5)
    out = [s * d if same else (s - 1) * d + t for s, d, t in zip([h, w], stride, taps)]
    outputs = int(rng.integers(1, 6))
    x = activation(rng, [n, h, w, c])
    weight = weights(rng, [outputs, *taps, c], outputs, 0)
    fan = c * taps[0] * taps[1]
    y = conv_output(rng, x, weight, [n, *out, outputs], fan / (stride[0] * stride[1]) + 1)
    options = [(0, "int8", not same), (1, "int32", stride[1]), (2, "int32", stride[0])]
    tensors = [constant([n, *out, outputs]), weight, x, y]
    with_bias = rng.random() < 0.7
    if with_bias:
        tensors.append(bias(rng, x, weight, outputs, fan))
    return tensors, [Op(67, [0, 1, 2, 4] if with_bias else [0, 1, 2], [3], 49, options)], [2], [3]


def prelu(rng, number):
    shape = image(rng, 6)
    x = activation(rng, shape)
    alpha_shape = [[1, 1, shape[3]], [shape[3]], shape[1:], [1]][number % 4]
    alpha = activation(rng, alpha_shape)
    alpha.data = rng.integers(-128, 128, alpha_shape).astype(np.int8)
    return [x, alpha, activation(rng, shape)], [Op(54, [0, 1], [2])], [0], [2]


def squared_difference(rng, number):
    tensors, ops, inputs, outputs = binary(99, 76, fused=False)(rng, number)
    reach = float(max(tensors[0].scale[0], tensors[1].scale[0])) * 120
    tensors[2].scale = np.float32([reach * reach / 255])
    return tensors, ops, inputs, outputs


def float_network(rng, number):
    """Two branches of convolutions, added, pooled, and a dense layer, all in f32."""
    h, w, c, k, classes = (int(n) for n in rng.integers([4, 4, 1, 2, 2], [10, 10, 4, 6, 6]))

    def weight(*shape):
        return Tensor(shape, np.float32, data=rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32))

    def value(*shape):
        return Tensor(shape, np.float32)

    ph, pw = -(-h // 2), -(-w // 2)
    tensors = [
        value(1, h, w, c), weight(k, 3, 3, c), weight(k), value(1, h, w, k),
        weight(1, 3, 3, k), weight(k), value(1, h, w, k), value(1, h, w, k),
        value(1, ph, pw, k), constant([1, ph * pw * k]), value(1, ph * pw * k),
        weight(classes, ph * pw * k), weight(classes), value(1, classes), value(1, classes),
    ]
    window = [(0, "int8", 0), (1, "int32", 1), (2, "int32", 1)]
    ops = [
        Op(3, [0, 1, 2], [3], 1, [*window, (3, "int8", 1), (4, "int32", 1), (5, "int32", 1)]),
        Op(4, [3, 4, 5], [6], 2, [*window, (3, "int32", 1), (4, "int8", 0), (5, "int32", 1), (6, "int32", 1)]),
        Op(0, [3, 6], [7], 11, [(0, "int8", 3)]),
        Op(1 if number % 2 else 17, [7], [8], 5, [(0, "int8", 0), *((f, "int32", 2) for f in (1, 2, 3, 4)), (5, "int8", 0)]),
        Op(22, [8, 9], [10], 17, [(0, "ints", [1, ph * pw * k])]),
        Op(9, [10, 11, 12], [13], 8, [(0, "int8", 0)]),
        Op(25, [13], [14], 9, [(0, "float32", 1.0)]),
    ]
    return tensors, ops, [0], [14]


OPERATORS = {
    "float_network": float_network,
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
    "carried_lstm": lstm,
    "svdf": svdf,
    "variables": variables,
    "started_variables": started_variables,
    "computed_gather": computed_gather,
    "embedding_lookup": embedding_lookup,
    "arg_max": arg(56, 40),
    "padv2": pad(60),
    "expand_dims": expand_dims,
    "leaky_relu": unary(98, 75, lambda rng: [(0, "float32", rng.uniform(0, 1))]),
    "quantize": quantize,
    "hard_swish": hard_swish,
    "abs": unary(101, 78),
    "neg": unary(59, 42),
    "sqrt": unary(75, low=-128),
    "rsqrt": unary(76, low=-128),
    "sub": binary(41, 28),
    "squared_difference": squared_difference,
    "minimum": binary(57, 39, fused=False, same=True),
    "maximum": binary(55, 39, fused=False, same=True),
    "prelu": prelu,
    "transpose": transpose,
    "slice": slice_,
    "strided_slice": strided_slice,
    "split": split,
    "split_v": split_v,
    "pack": pack,
    "unpack": unpack,
    "space_to_depth": blocks(26, 19, True),
    "depth_to_space": blocks(5, 94, False),
    "space_to_batch_nd": space_to_batch,
    "batch_to_space_nd": batch_to_space,
    "gather": gather,
    "mirror_pad": pad(100),
    "resize_nearest_neighbor": resize(97, 74, 0),
    "resize_bilinear": resize(23, 15, 2),
    "mean": reduce(40, True),
    "sum": reduce(74, True),
    "reduce_max": reduce(82, False),
    "reduce_min": reduce(89, False),
    "arg_min": arg(79, 57),
    "batch_matmul": batch_matmul,
    "transpose_conv": transpose_conv,
}
