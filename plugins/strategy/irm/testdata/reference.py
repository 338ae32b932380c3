"""Writes reference.json: IRMv1 with the derivative by autograd, as in DomainBed.

    venv/bin/python plugins/strategy/irm/testdata/reference.py > plugins/strategy/irm/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

def slope(b, rows):
    scale = torch.ones(1, requires_grad=True)
    risk = b.row_loss(b.logits * scale)[rows].mean()
    return torch.autograd.grad(risk, scale, create_graph=True)[0].sum()


def objective(b):
    risk = torch.stack([b.loss[g].mean() for g in b.groups()])
    penalty = torch.stack([slope(b, g[0::2]) * slope(b, g[1::2]) for g in b.groups(2)])
    return risk.mean() + (100.0 if b.step >= 5 else 1.0) * penalty.mean()


cases = Cases()
for kind in ("binary", "multiclass", "multilabel"):
    cases.add(kind, objective, kind=kind, steps=(3, 5, 6), reset=(5,), anneal=5)
cases.write()
