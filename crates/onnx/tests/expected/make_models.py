#!/usr/bin/env python3
"""Makes models.json: what onnxruntime computes with real models, in a few numbers each.

    pip install onnx onnxruntime numpy
    python crates/onnx/tests/expected/make_models.py FOLDER

FOLDER holds the ONNX files, plain or packed by gzip. Inputs, and the weights of those models whose weights are all zero, are drawn by a rule that
the tests follow too: see `fill`. A model with state runs several steps, each with the state that the step before left.
"""
import gzip
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

# Lengths that the files leave open, and inputs that are not drawn.
GIVEN = {"silero_vad_16k_op15.onnx": ({"batch": 2, "sequence": 512}, {"sr": np.array(16000, dtype=np.int64)})}
# Inputs that are an output of the step before, by the place of that output.
STATE = {"silero_vad_16k_op15.onnx": {"state": 1}}
STEPS = 4
REFUSED = {"tract_qlstm.onnx", "tract_qtdnn_i32_biases.onnx"}
MASK = (1 << 64) - 1


def fill(name, count):
    """Floats in [-1, 1): SplitMix64 (Steele et al., 2014), seeded by the FNV-1a hash of the name."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)


def weights(name, shape):
    """Vectors are near one when they scale and near zero else; tensors keep the size of what passes through them."""
    u = fill(name, int(np.prod(shape)))
    if len(shape) <= 1:
        offset = 1.0 if name.endswith(("weight", "var")) else 0.0
        return (u * np.float32(0.1) + np.float32(offset)).reshape(shape)
    fan = max(shape) if len(shape) == 2 else int(np.prod(shape[1:]))
    return (u * np.float32(np.sqrt(6.0 / fan))).reshape(shape)


def is_empty(model):
    floats = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    return not any(numpy_helper.to_array(t).any() for t in floats if len(t.dims) > 1 and np.prod(t.dims) > 16)


def summary(array):
    flat = array.astype(np.float64).flatten()
    short = lambda x: float(f"{x:.9g}")
    return {"shape": list(array.shape), "first": [short(x) for x in flat[:32]], "mean": short(flat.mean()), "norm": short(np.linalg.norm(flat))}


def run(path):
    data = path.read_bytes()
    model = onnx.load_model_from_string(gzip.decompress(data) if path.suffix == ".gz" else data)
    filled = is_empty(model)
    for tensor in model.graph.initializer:
        if filled and tensor.data_type == onnx.TensorProto.FLOAT and np.prod(tensor.dims) > 1:
            tensor.raw_data = weights(tensor.name, list(tensor.dims)).tobytes()
    lengths, given = GIVEN.get(path.name, ({}, {}))
    names = {tensor.name for tensor in model.graph.initializer}
    values = [value for value in model.graph.input if value.name not in names]
    shapes = {v.name: [lengths.get(d.dim_param, d.dim_value) for d in v.type.tensor_type.shape.dim] for v in values}

    def drawn(step):
        draw = lambda name: fill(f"{name} {step}" if step else name, int(np.prod(shapes[name]))).reshape(shapes[name])
        return {name: given[name] if name in given else draw(name) for name in shapes}

    inputs = drawn(0)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    outputs = session.run(None, inputs)
    state, later = STATE.get(path.name, {}), []
    for step in range(1, STEPS if state else 1):
        last = later[-1] if later else outputs
        later.append(session.run(None, drawn(step) | {name: last[at] for name, at in state.items()}))
    return {
        "filled": filled,
        "inputs": [{"name": n, "shape": list(v.shape), "value": int(v) if n in given else None} for n, v in inputs.items()],
        "outputs": [summary(v) for v in outputs],
        **({"state": state, "later": [[summary(v) for v in step] for step in later]} if state else {}),
    }


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    found = sorted(p for p in [*folder.glob("*.onnx"), *folder.glob("*.onnx.gz")] if p.name not in REFUSED)
    lines = ",\n".join(f"{json.dumps(path.name)}: {json.dumps(run(path))}" for path in found)
    (pathlib.Path(__file__).parent / "models.json").write_text("{\n" + lines + "\n}\n")
