"""Small graphs of the kinds that converters emit around the operators: computed shapes, islands of f32, uint8 at the ends,
groups. One random model per call, as in operators.py."""

import numpy as np

from operators import activation, bias, conv_output, image, like, lstm, out_size, unary, weights
from tflite_writer import Op, Tensor, constant


def log_softmax(rng, number):
    shape = [int(rng.integers(1, 4)), int(rng.integers(1, 30))]
    x = activation(rng, shape, scale=10 ** rng.uniform(-3, 0.5))
    return [x, Tensor(shape, scale=1 / 16, zero_point=127)], [Op(50, [0], [1], 36, [])], [0], [1]


def tile(rng, number):
    rank = int(rng.integers(1, 5))
    shape, counts = ([int(n) for n in rng.integers(1, 4, rank)] for _ in range(2))
    x = activation(rng, shape)
    return [x, constant(counts), like(x, np.multiply(shape, counts))], [Op(69, [0, 1], [2], 51, [])], [0], [2]


def reverse(rng, number):
    shape = image(rng, 6)
    x, axis = activation(rng, shape), int(rng.integers(0, 4))
    return [x, constant([axis]), like(x, shape)], [Op(105, [0, 1], [2], 81, [])], [0], [2]


def uint8_ends(rng, number):
    """uint8 in and out around one operator of int8."""
    shape = image(rng, 6)
    scale, zero = 10 ** rng.uniform(-2.5, -0.3), int(rng.integers(0, 256))
    x = Tensor(shape, np.uint8, scale=scale, zero_point=zero)
    # Mostly the same scale with a zero point moved by 128, as converters write it.
    inner = Tensor(shape, scale=scale, zero_point=zero - 128) if number % 3 else activation(rng, shape)
    y = Tensor(shape, scale=1 / 256, zero_point=-128)
    out = Tensor(shape, np.uint8, scale=1 / 256, zero_point=0) if number % 2 else Tensor(shape, np.uint8, scale=0.005, zero_point=9)
    return [x, inner, y, out], [Op(114, [0], [1]), Op(14, [1], [2]), Op(114, [2], [3])], [0], [3]


def computed_shapes(rng, number):
    """Flatten or Reshape behind an unknown batch, and a convolution whose shape the file does not state."""
    h, w, c = (int(n) for n in rng.integers(2, 7, 3))
    x = activation(rng, [1, h, w, c])
    first = [Op(77, [0], [1], 55, [(0, "int8", 2)]), Op(45, [1, 2, 3, 3], [4], 32, [(4, "int32", 1)])]
    start = [x, Tensor([4], np.int32), constant([0]), constant([1]), Tensor([], np.int32)]
    if number % 2:
        out = [1, h * w * c] if number % 4 == 1 else [1, w, h * c]
        dims = [constant(n) for n in out[1:]]
        packed, y = 5 + len(dims), 6 + len(dims)
        pack = Op(83, [4, *range(5, packed)], [packed], 59, [(0, "int32", 1 + len(dims)), (1, "int32", 0)])
        tensors = [*start, *dims, Tensor([len(out)], np.int32), like(x, out)]
        return tensors, [*first, pack, Op(22, [0, packed], [y], 17, [])], [0], [y]
    # The shape as two lists joined, and 1 in place of every dimension that follows from it.
    k = weights(rng, [3, 1, 1, c], 3, 0)
    b, y = bias(rng, x, k, 3, c), conv_output(rng, x, k, [1, 1, 1, 3], c)
    size = [Op(45, [1, 2, 3, 3], [5], 32, []), Op(2, [5, 6], [7], 10, [(0, "int32", 0)])]
    tensors = [*start, Tensor([1], np.int32), constant([w, h, c]), Tensor([4], np.int32), like(x, [1, 1, 1, c]), k, b, y]
    conv = Op(3, [8, 9, 10], [11], 1, [(0, "int8", number % 4 == 0), (1, "int32", 1), (2, "int32", 1), (3, "int8", 0)])
    return tensors, [*first[:1], *size, Op(22, [0, 7], [8], 17, []), conv], [0], [11]


def island_of_f32(rng, number):
    """f32 between DEQUANTIZE and QUANTIZE, where int8 has no such operator."""
    shape = image(rng, 5)
    x, y = activation(rng, shape, scale=10 ** rng.uniform(-2.2, -1)), activation(rng, shape, scale=10 ** rng.uniform(-2.2, -1))
    real = lambda own: Tensor(own, np.float32)
    kind = number % 6
    if kind == 0:
        parts = [like(y, [*shape[:3], 1]) for _ in range(shape[3])]
        n = shape[3]
        tensors = [x, real(shape), constant(3), *(real(p.shape) for p in parts), *parts]
        ends = [Op(114, [3 + k], [3 + n + k]) for k in range(n)]
        split = Op(49, [2, 1], list(range(3, 3 + n)), 35, [(0, "int32", n)])
        return tensors, [Op(6, [0], [1]), split, *ends], [0], list(range(3 + n, 3 + 2 * n))
    if kind == 1:
        k = constant(rng.normal(0, 1), np.float32)
        code, options = [(0, 11), (18, 21), (41, 28)][number // 6 % 3]
        order = [1, 2] if number % 4 == 1 else [2, 1]
        op = Op(code, order, [3], options, [(0, "int8", rng.integers(0, 2) * 3)])
        return [x, real(shape), k, real(shape), y], [Op(6, [0], [1]), op, Op(114, [3], [4])], [0], [4]
    code = [14, 66, 59, 92][kind - 2]
    turned = [shape[0], shape[2], shape[1], shape[3]]
    tensors = [x, real(shape), real(shape), constant([0, 2, 1, 3]), real(turned), like(y, turned)]
    ops = [Op(6, [0], [1]), Op(code, [1], [2]), Op(39, [2, 3], [4], 26, []), Op(114, [4], [5])]
    return tensors, ops, [0], [5]


def group_conv(rng, number):
    groups, each, filters = (int(n) for n in rng.integers(2, 5, 3))
    _, h, w, _ = image(rng, 6)
    x = activation(rng, [1, h, w, groups * each])
    same, taps = bool(rng.random() < 0.5), int(rng.integers(1, 4))
    out = [out_size(size, taps, 1, 1, same) for size in (h, w)]
    k = weights(rng, [groups * filters, taps, taps, each], groups * filters, 0)
    fan = taps * taps * each
    y = conv_output(rng, x, k, [1, *out, groups * filters], fan)
    options = [(0, "int8", not same), (1, "int32", 1), (2, "int32", 1), (3, "int8", rng.integers(0, 4))]
    return [x, k, bias(rng, x, k, groups * filters, fan), y], [Op(3, [0, 1, 2], [3], 1, options)], [0], [3]


def batches_of_sequences(rng, number):
    """A dilated convolution over time: SPACE_TO_BATCH_ND and back with one spatial dimension."""
    block, steps, channels = (int(n) for n in rng.integers(2, 5, 3))
    pad = int(rng.integers(0, 3))
    behind = -(steps + pad) % block
    rows = (steps + pad + behind) // block
    x = activation(rng, [1, steps, channels])
    cut = int(rng.integers(0, 2))
    tensors = [x, constant([block]), constant([[pad, behind]]), like(x, [block, rows, channels]), constant([[pad, cut]]),
               like(x, [1, rows * block - pad - cut, channels])]
    return tensors, [Op(38, [0, 1, 2], [3]), Op(37, [3, 1, 4], [5])], [0], [5]


def lstm_of_other_scale(rng, number):
    """An LSTM whose output has another scale than its hidden state, as in bidirectional layers."""
    tensors, ops, inputs, [y] = lstm(rng, number)
    tensors[y] = Tensor(tensors[y].shape, scale=tensors[y].scale * rng.uniform(1, 2), zero_point=int(rng.integers(-20, 20)))
    return tensors, ops, inputs, [y]


def float_lstm(rng, number):
    """An LSTM layer in f32."""
    time, inputs, cells = (int(n) for n in rng.integers(1, [6, 6, 6]))
    real = lambda *shape: Tensor(shape, np.float32, data=rng.normal(0, 0.5, shape))
    tensors = [Tensor([1, time, inputs], np.float32)]
    tensors += [real(cells, width) for width in (inputs, cells) for _ in range(4)] + [real(cells) for _ in range(4)]
    tensors += [Tensor([1, cells], np.float32, variable=True) for _ in range(2)] + [Tensor([1, time, cells], np.float32)]
    ids = [*range(9), -1, -1, -1, *range(9, 13), -1, -1, 13, 14, -1, -1, -1, -1]
    options = [(0, "int8", 4), (1, "float32", 0.0), (2, "float32", 0.0), (3, "bool", False)]
    return tensors, [Op(44, ids, [15], 71, options)], [0], [15]


def refused(rng):
    """Models that are not taken, each with a part of what the error has to say."""
    x, real = activation(rng, [1, 4, 4, 2]), lambda *shape: Tensor(shape, np.float32)
    halves = Tensor([1, 8], np.int16, scale=0.01)
    w = Tensor([3, 8], scale=0.01, data=rng.integers(-127, 128, [3, 8]))
    dense = lambda ins, out: Op(9, ins, [out], 8, [(0, "int8", 0)])
    return [
        (([x, like(x, x.shape)], [Op(32, [0], [1], custom="TFLite_Detection")], [0], [1]), "operator 0 (custom TFLite_Detection"),
        (([x, like(x, x.shape)], [Op(51, [0], [1])], [0], [1]), "operator 0 (DELEGATE"),
        (([x, like(x, x.shape)], [Op(119, [0], [1])], [0], [1]), "operator 0 (WHILE"),
        (([x, like(x, x.shape)], [Op(128, [0], [1])], [0], [1]), "operator 0 (CUMSUM"),
        (([halves, w, Tensor([1, 3], np.int16, scale=0.1)], [dense([0, 1, -1], 2)], [0], [2]), "int16"),
        (([x, like(x, x.shape), real(1, 4, 4, 2), real(1, 4, 4, 2)], [Op(6, [0], [2]), Op(128, [2], [3]), Op(114, [3], [1])], [0], [1]),
         "operator 1 (CUMSUM"),
        (([Tensor([1, 4, 4, 2], scale=0.1, signature=[1, -1, -1, 2]), like(x, x.shape)], [Op(19, [0], [1])], [0], [1]), "any size"),
        (([x, like(x, x.shape), real(1, 4, 4, 2)], [Op(6, [0], [2]), Op(66, [2], [1])], [0], [1]), "quantize the model in full"),
        (([Tensor([1, 8], scale=0.1), Tensor([3, 8], scale=0.01, data=rng.integers(-127, 128, [3, 8]), sparse=True), Tensor([1, 3], scale=0.1)],
          [dense([0, 1, -1], 2)], [0], [2]), "sparse"),
    ]


GRAPHS = {
    "elu": unary(111),
    "exp": unary(47),
    "log": unary(73, low=-128),
    "gelu": unary(150, 116, lambda rng: [(0, "bool", rng.random() < 0.5)]),
    "log_softmax": log_softmax,
    "tile": tile,
    "reverse_v2": reverse,
    "uint8_ends": uint8_ends,
    "computed_shapes": computed_shapes,
    "island_of_f32": island_of_f32,
    "group_conv": group_conv,
    "batches_of_sequences": batches_of_sequences,
    "lstm_of_other_scale": lstm_of_other_scale,
    "float_lstm": float_lstm,
}
