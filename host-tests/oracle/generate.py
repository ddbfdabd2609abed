#!/usr/bin/env python3
"""Golden vectors of int8 operators, computed by LiteRT's reference kernels.

    pip install ai-edge-litert==2.3.0 flatbuffers==25.12.19 numpy
    python3 generate.py [--out vectors] [--cases 24] [OPERATOR ...]

Each file holds the cases of one operator, gzipped: per case the lengths of model, inputs and outputs (three little-endian
u32), then those bytes. Inputs and outputs are RUNS inferences of a fresh interpreter each, back to back; of one interpreter
where the operator has states. The seed of a case
is its operator's name and its number.
"""

import argparse
import gzip
import pathlib
import struct
import zlib

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from operators import LEAST_LEN, OPERATORS
from tflite_writer import write

RUNS = 3

# The reference kernel of int8 SUM writes -1 or nothing (ai-edge-litert 2.3.0); the default one computes it.
DEFAULT_KERNELS = {"sum"}

# These go on from where the last inference left them.
STATEFUL = {"carried_lstm", "svdf", "variables"}


def case(name, number):
    """One model with inputs and LiteRT's outputs; None where LiteRT refuses it."""
    rng = np.random.default_rng(zlib.crc32(name.encode()) + number)
    made = OPERATORS[name](rng, number)
    model = write(*made) if isinstance(made, list) else write(made)
    fed, got = b"", b""
    reference, default = OpResolverType.BUILTIN_REF, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    resolver = default if name in DEFAULT_KERNELS else reference
    for run in range(RUNS):
        if run == 0 or name not in STATEFUL:
            interpreter = Interpreter(model_content=model, experimental_op_resolver_type=resolver)
            interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            shape, dtype = detail["shape"], detail["dtype"]
            if dtype == np.int8:
                values = rng.integers(-128, 128, shape).astype(np.int8)
                values[rng.random(shape) < 0.1] = rng.choice([-128, 127])
            elif dtype == np.int32:
                # Numbers of elements along an axis of LEAST_LEN at least.
                values = rng.integers(0, LEAST_LEN, shape).astype(dtype)
            else:
                values = rng.normal(0, 2, shape).astype(dtype)
            interpreter.set_tensor(detail["index"], values)
            fed += values.tobytes()
        interpreter.invoke()
        got += b"".join(interpreter.get_tensor(d["index"]).tobytes() for d in interpreter.get_output_details())
    return model, fed, got


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "vectors")
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("operators", nargs="*")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.operators or OPERATORS:
        blob, refused = b"", 0
        for number in range(args.cases):
            try:
                parts = case(name, number)
            except (RuntimeError, ValueError) as error:
                refused += 1
                last = error
                continue
            blob += struct.pack("<3I", *map(len, parts)) + b"".join(parts)
        path = args.out / ("float" if name.startswith("float") else "") / f"{name}.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(blob, 9, mtime=0))
        print(f"{name}: {args.cases - refused} cases, {path.stat().st_size} bytes", f"({refused} refused: {last})" if refused else "")


if __name__ == "__main__":
    main()
