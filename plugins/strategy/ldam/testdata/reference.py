"""Writes reference.json: label-distribution-aware margins (LDAM).

    venv/bin/python plugins/strategy/ldam/testdata/reference.py > plugins/strategy/ldam/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

def objective(b, scale):
    y = b.y[:, 0].long()
    n = b.training.labels.long().flatten().bincount().double()
    margin = n**-0.25
    margin = 0.5 * margin / margin.max()
    logits = b.logits if b.kind == "multiclass" else torch.cat([torch.zeros_like(b.logits), b.logits], 1)
    moved = logits - margin[y][:, None] * torch.nn.functional.one_hot(y, logits.shape[1])
    return torch.nn.functional.cross_entropy(scale * moved, y)


cases = Cases()
for kind in ("binary", "multiclass"):
    cases.add(kind, lambda b: objective(b, 30.0), kind=kind)
    cases.add(kind + " 2", lambda b: objective(b, 2.0), kind=kind, scale=2.0)
cases.write()
