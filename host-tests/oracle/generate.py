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

from graphs import GRAPHS, refused
from operators import LEAST_LEN, OPERATORS
from tflite_writer import write

RUNS = 3

MODELS = OPERATORS | GRAPHS

# The reference kernel of int8 SUM writes -1 or nothing, and there is none of ELU (ai-edge-litert 2.3.0); the default ones
# compute them.
DEFAULT_KERNELS = {"sum", "elu"}

# These go on from where the last inference left them.
STATEFUL = {"carried_lstm", "svdf", "variables", "started_variables"}


def case(name, number):
    """One model with inputs and LiteRT's outputs; an error where LiteRT refuses it."""
    rng = np.random.default_rng(zlib.crc32(name.encode()) + number)
    made = MODELS[name](rng, number)
    model = write(*made) if isinstance(made, list) else write(made)
    return model, *infer(model, rng, name in STATEFUL, name in DEFAULT_KERNELS)


def infer(model, rng, is_stateful=False, by_default_kernels=False):
    """Random inputs of RUNS inferences, and what LiteRT makes of them."""
    fed, got = b"", b""
    reference, default = OpResolverType.BUILTIN_REF, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    resolver = default if by_default_kernels else reference
    for run in range(RUNS):
        if run == 0 or not is_stateful:
            interpreter = Interpreter(model_content=model, experimental_op_resolver_type=resolver)
            interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            shape, dtype = detail["shape"], detail["dtype"]
            if dtype in (np.int8, np.uint8):
                ends = [np.iinfo(dtype).min, np.iinfo(dtype).max]
                values = rng.integers(ends[0], ends[1] + 1, shape).astype(dtype)
                values[rng.random(shape) < 0.1] = rng.choice(ends)
            elif dtype == np.int32:
                # Numbers of elements along an axis of LEAST_LEN at least.
                values = rng.integers(0, LEAST_LEN, shape).astype(dtype)
            else:
                values = rng.normal(0, 2, shape).astype(dtype)
            interpreter.set_tensor(detail["index"], values)
            fed += values.tobytes()
        interpreter.invoke()
        got += b"".join(interpreter.get_tensor(d["index"]).tobytes() for d in interpreter.get_output_details())
    return fed, got


def store(path, cases):
    blob = b"".join(struct.pack("<3I", *map(len, parts)) + b"".join(parts) for parts in cases)
    path.write_bytes(gzip.compress(blob, 9, mtime=0))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "vectors")
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("operators", nargs="*")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "refused").mkdir(exist_ok=True)
    parts = [(write(made), reason.encode(), b"") for made, reason in refused(np.random.default_rng(0))]
    store(args.out / "refused" / "refused.gz", parts)
    for name in args.operators or MODELS:
        found, failures = [], 0
        for number in range(args.cases):
            try:
                found.append(case(name, number))
            except (RuntimeError, ValueError) as error:
                failures += 1
                last = error
        path = args.out / ("float" if name.startswith("float") else "") / f"{name}.gz"
        path.parent.mkdir(exist_ok=True)
        store(path, found)
        print(f"{name}: {len(found)} cases, {path.stat().st_size} bytes", f"({failures} refused: {last})" if failures else "")


if __name__ == "__main__":
    main()
