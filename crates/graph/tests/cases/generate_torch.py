"""Writes torch.jsonl: what generate.py does, for what PyTorch has and onnxruntime does not.

    pip install torch numpy && python generate_torch.py
"""
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

torch.manual_seed(7)
TYPES = {torch.float32: "f32", torch.int64: "i64", torch.bool: "bool"}
cases = []


def tensor(a):
    data = [float(f"{v:.7g}") for v in a.detach().double().ravel().tolist()]
    return {"dtype": TYPES[a.dtype], "shape": list(a.shape), "data": data}


def record(name, op, inputs, outputs):
    cases.append({"name": name, "op": op, "inputs": [tensor(a) for a in inputs], "outputs": [tensor(a) for a in outputs]})


def pools():
    for shape, to in [((1, 2, 7), [3]), ((2, 1, 5, 4), [3, 2]), ((1, 1, 2, 3), [3, 5]), ((1, 1, 3, 4, 5), [2, 3, 1])]:
        x, rank = torch.randn(shape), len(to)
        average = [F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d][rank - 1]
        largest = [F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d][rank - 1]
        record("adaptive average", {"op": "adaptive_pool", "max": False, "to": to}, [x], [average(x, to)])
        record("adaptive max", {"op": "adaptive_pool", "max": True, "to": to}, [x], [largest(x, to)])


def losses():
    for shape in [(4, 3), (2, 3, 5)]:
        x, classes = torch.randn(shape) * 3, torch.randint(shape[-1], shape[:-1])
        record("cross_entropy", {"op": "cross_entropy"}, [x, classes], [F.cross_entropy(x.reshape(-1, shape[-1]), classes.ravel())])
        target = torch.randn(shape)
        record("mse_loss", {"op": "mean_square"}, [x, target], [F.mse_loss(x, target)])


def steps(make, op, state):
    """Three steps of an optimizer; `state` reads what it remembers."""
    weight = torch.nn.Parameter(torch.randn(2, 3))
    optimizer = make([weight])
    for step in range(1, 4):
        before = [weight.detach().clone(), torch.randn(2, 3), *state(optimizer, weight)]
        weight.grad = before[1]
        optimizer.step()
        settings = [torch.tensor(0.1)] + ([torch.tensor(float(step))] if op["op"] == "adam" else [])
        record(op["op"], op, before + settings, [weight.detach().clone(), *state(optimizer, weight)])


def optimizers():
    remembered = lambda *names: lambda optimizer, weight: [
        optimizer.state[weight].get(name, torch.zeros(2, 3)).clone() for name in names
    ]
    for momentum, decay, nesterov in [(0.9, 0.0, False), (0.9, 0.1, True), (0.5, 0.1, False)]:
        make = lambda p: torch.optim.SGD(p, lr=0.1, momentum=momentum, weight_decay=decay, nesterov=nesterov)
        op = {"op": "sgd", "momentum": momentum, "decay": decay, "nesterov": nesterov}
        steps(make, op, remembered("momentum_buffer"))
    for kind, decoupled in [(torch.optim.Adam, False), (torch.optim.AdamW, True)]:
        make = lambda p: kind(p, lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.2)
        op = {"op": "adam", "betas": [0.8, 0.95], "epsilon": 1e-3, "decay": 0.2, "decoupled": decoupled}
        steps(make, op, remembered("exp_avg", "exp_avg_sq"))


for part in [pools, losses, optimizers]:
    part()
lines = [json.dumps(one, separators=(",", ":")) for one in cases]
Path(__file__).with_name("torch.jsonl").write_text("\n".join(lines) + "\n")
print(len(lines), "cases")
