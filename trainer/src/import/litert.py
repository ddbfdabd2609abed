"""Prints every tensor that LiteRT's reference kernels compute: model path, inputs path. Run by `thumbnet verify --tflite`.

The first line is JSON, [{"name", "bytes"}, ...]; behind it the tensors' bytes in that order, for one inference after the other,
each by a fresh interpreter, so that states are empty, or all by one where a third argument is given.
"""

import json
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

model, inputs = open(sys.argv[1], "rb").read(), open(sys.argv[2], "rb").read()
out = sys.stdout.buffer
at, interpreter = 0, None
while at < len(inputs):
    if interpreter is None or len(sys.argv) < 4:
        interpreter = Interpreter(
            model_content=model,
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
        )
        interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        count = int(np.prod(detail["shape"]))
        values = np.frombuffer(inputs, detail["dtype"], count, at).reshape(detail["shape"])
        interpreter.set_tensor(detail["index"], values)
        at += values.nbytes
    first = at == sum(int(np.prod(d["shape"])) * np.dtype(d["dtype"]).itemsize for d in interpreter.get_input_details())
    interpreter.invoke()
    found = []
    for detail in interpreter.get_tensor_details():
        try:
            found.append((detail["name"], interpreter.get_tensor(detail["index"]).tobytes()))
        except ValueError:
            continue
    if first:
        out.write(json.dumps([{"name": name, "bytes": len(data)} for name, data in found]).encode() + b"\n")
    for _, data in found:
        out.write(data)
