"""Writes small TensorFlow Lite models from plain Python values, by the field numbers of schema.fbs."""

import flatbuffers
import numpy as np

TYPES = {np.dtype(np.float32): 0, np.dtype(np.int32): 2, np.dtype(np.uint8): 3, np.dtype(np.int64): 4, np.dtype(np.int16): 7, np.dtype(np.int8): 9}

RESOURCE = 13


class Tensor:
    def __init__(self, shape, dtype=np.int8, scale=None, zero_point=None, data=None, axis=0, variable=False, resource=False,
                 signature=None, sparse=False):
        self.dtype = np.dtype(dtype)
        self.shape = list(shape)
        self.scale = None if scale is None else np.atleast_1d(np.float32(scale))
        self.zero_point = None if scale is None else np.broadcast_to(np.int64(0 if zero_point is None else zero_point), self.scale.shape)
        self.data = None if data is None else np.ascontiguousarray(data, self.dtype)
        self.axis, self.variable, self.resource = axis, variable, resource
        self.signature, self.sparse = signature, sparse


def constant(values, dtype=np.int32):
    values = np.asarray(values, dtype)
    return Tensor(values.shape, dtype, data=values)


class Op:
    """`options` are (field, kind, value) with kind one of int8, int32, float32, bool, ints, string."""

    def __init__(self, code, inputs, outputs, options_type=0, options=(), intermediates=(), custom=""):
        self.code, self.inputs, self.outputs, self.custom = code, inputs, outputs, custom
        self.options_type, self.options, self.intermediates = options_type, options, intermediates


def write(*subgraphs):
    """Each subgraph is (tensors, ops, inputs, outputs); the first one is the main one."""
    b = flatbuffers.Builder(4096)

    def vector(values, size, prepend):
        b.StartVector(size, len(values), size)
        for value in reversed(values):
            prepend(value)
        return b.EndVector()

    def ints(values):
        return vector([int(v) for v in values], 4, b.PrependInt32)

    def offsets(values):
        return vector(values, 4, b.PrependUOffsetTRelative)

    def table(fields):
        b.StartObject(max((f for f, *_ in fields), default=-1) + 1)
        for field, kind, value in fields:
            if kind == "offset":
                b.PrependUOffsetTRelativeSlot(field, value, 0)
            elif kind == "int8":
                b.PrependInt8Slot(field, int(value), None)
            elif kind == "bool":
                b.PrependBoolSlot(field, bool(value), None)
            elif kind == "int32":
                b.PrependInt32Slot(field, int(value), None)
            elif kind == "float32":
                b.PrependFloat32Slot(field, float(value), None)
            else:
                raise ValueError(kind)
        return b.EndObject()

    buffers = [table([])]
    code_vector = None
    graphs = []
    for tensors, ops, inputs, outputs in subgraphs:
        made = []
        for number, t in enumerate(tensors):
            buffer = 0
            if t.data is not None:
                data = t.data.tobytes()
                b.StartVector(1, len(data), 16)
                b.head -= len(data)
                b.Bytes[b.head : b.head + len(data)] = data
                data = b.EndVector()
                buffers.append(table([(0, "offset", data)]))
                buffer = len(buffers) - 1
            name = b.CreateString(f"t{number}")
            shape = ints(t.shape)
            fields = [(0, "offset", shape), (1, "int8", RESOURCE if t.resource else TYPES[t.dtype]), (2, "int32", buffer), (3, "offset", name)]
            if t.scale is not None:
                scale = vector([float(s) for s in t.scale], 4, b.PrependFloat32)
                zero = vector([int(z) for z in t.zero_point], 8, b.PrependInt64)
                fields.append((4, "offset", table([(2, "offset", scale), (3, "offset", zero), (6, "int32", t.axis)])))
            if t.variable:
                fields.append((5, "bool", True))
            if t.sparse:
                fields.append((6, "offset", table([])))
            if t.signature is not None:
                fields.append((7, "offset", ints(t.signature)))
            made.append(table(fields))
        tensor_vector = offsets(made)
        if code_vector is None:
            codes = sorted({(op.code, op.custom) for _, ops, _, _ in subgraphs for op in ops})
            customs = [[(1, "offset", b.CreateString(name))] if name else [] for _, name in codes]
            code = lambda c, custom: table([(0, "int8", min(c, 127)), *custom, (2, "int32", 1), (3, "int32", c)])
            code_vector = offsets([code(c, custom) for (c, _), custom in zip(codes, customs)])
        made = []
        for op in ops:
            ins, outs = ints(op.inputs), ints(op.outputs)
            fields = [(0, "int32", codes.index((op.code, op.custom))), (1, "offset", ins), (2, "offset", outs)]
            if op.options_type:
                made_apart = {"ints": ints, "string": b.CreateString}
                prepared = [(f, "offset", made_apart[k](v)) if k in made_apart else (f, k, v) for f, k, v in op.options]
                fields += [(3, "int8", op.options_type), (4, "offset", table(prepared))]
            if op.intermediates:
                fields.append((8, "offset", ints(op.intermediates)))
            made.append(table(fields))
        op_vector = offsets(made)
        ins, outs = ints(inputs), ints(outputs)
        graphs.append(table([(0, "offset", tensor_vector), (1, "offset", ins), (2, "offset", outs), (3, "offset", op_vector)]))
    graphs, buffer_vector = offsets(graphs), offsets(buffers)
    model = table([(0, "int32", 3), (1, "offset", code_vector), (2, "offset", graphs), (4, "offset", buffer_vector)])
    b.Finish(model, file_identifier=b"TFL3")
    return bytes(b.Output())
