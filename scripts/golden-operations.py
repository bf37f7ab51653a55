#!/usr/bin/env python3
"""Adds what PyTorch computes of an operation, at strides 1 and 2, to the vectors that the trainer is held to. The layers are those of a model.py that
`nasctl export` wrote. What is there already is computed anew and has to be the same.

    PYTHONPATH=$(scripts/pytorch.sh) scripts/golden-operations.py EXPORT/model.py [NAME]...
"""
import importlib.util
import json
import math
import pathlib
import sys

import torch

VECTORS = pathlib.Path(__file__).parent.parent / "trainer/tests/golden/ops.json"
CHANNELS, SIDE, BATCH = 4, 8, 2
WORD = (1 << 64) - 1


def uniform(tensor, at):
    """The number that a test fills place `at` of a tensor with: splitmix64, uniform in [-1, 1)."""
    z = ((tensor << 32 | at) + 0x9E3779B97F4A7C15) & WORD
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB & WORD
    z ^= z >> 31
    return (z >> 11) / (1 << 53) * 2 - 1


def filled(shape, value):
    return torch.tensor([value(at) for at in range(math.prod(shape))], dtype=torch.float64).reshape(shape)


def fill(place, name, shape):
    """As `fill` in trainer/tests/golden_model.rs."""
    part = name.rsplit(".")[-1]
    if len(shape) > 1:
        scale, offset = 1.5 / math.sqrt(math.prod(shape[1:])), 0.0
    else:
        scale, offset = {"running_mean": (0.1, 0.0), "running_var": (0.25, 1.0), "weight": (0.2, 1.0), "bias": (0.2, 0.0)}[part]
    return filled(shape, lambda at: offset + scale * uniform(place, at))


def case(model, name, stride):
    operation = model.operation(name, CHANNELS, stride).double()
    state = operation.state_dict()
    numbers = {name: fill(place, name, tensor.shape) for place, (name, tensor) in enumerate(state.items()) if tensor.is_floating_point()}
    operation.load_state_dict(numbers, strict=False)
    images = filled([BATCH, CHANNELS, SIDE, SIDE], lambda at: 2 * uniform(77, at))
    with torch.no_grad():
        evaluated, trained = operation.eval()(images), operation.train()(images)
    flat = trained.flatten().tolist()
    count = len(flat)
    return {
        "op": name,
        "stride": stride,
        "C": CHANNELS,
        "hw": SIDE,
        "batch": BATCH,
        "state_dict": [[name, list(tensor.shape)] for name, tensor in state.items()],
        "params": sum(parameter.numel() for parameter in operation.parameters()),
        "eval_out": evaluated.flatten().tolist(),
        "out_shape": list(evaluated.shape),
        "train_out_summary": {
            "shape": list(trained.shape),
            "sum": trained.sum().item(),
            "abs_sum": trained.abs().sum().item(),
            "min": trained.min().item(),
            "max": trained.max().item(),
            "probe": [[at, flat[at]] for at in (0, 1, 2, count // 3, count // 2, count - 1)],
        },
    }


def same(one, other):
    """Alike but for the order of sums."""
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12)
    if isinstance(one, (list, dict)):
        pairs = zip(one.items(), other.items()) if isinstance(one, dict) else zip(one, other)
        return len(one) == len(other) and all(same(*pair) for pair in pairs)
    if isinstance(one, tuple):
        return one[0] == other[0] and same(one[1], other[1])
    return one == other


spec = importlib.util.spec_from_file_location("model", sys.argv[1])
model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(model)
vectors = json.loads(VECTORS.read_text())
for known in vectors["ops"]:
    if not same(known, case(model, known["op"], known["stride"])):
        sys.exit(f"{known['op']} at stride {known['stride']} is not what {VECTORS} says: nothing was written")
print(f"{len(vectors['ops'])} vectors are as they were")
added = [case(model, name, stride) for name in sys.argv[2:] for stride in (1, 2)]
if any(new["op"] == known["op"] for new in added for known in vectors["ops"]):
    sys.exit("an operation that is there already is not added: nothing was written")
vectors["ops"] += added
VECTORS.write_text(json.dumps(vectors))
