"""Writes reference.json: the variances of gradients (Fishr, as in DomainBed), of a linear classifier by autograd.

    venv/bin/python plugins/strategy/fishr/testdata/reference.py > plugins/strategy/fishr/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

EMA = 0.95
past = {}


def slopes(b, g):
    """Per-row gradients with respect to the weights and biases of the classifier."""
    known = (~b.y[g].isnan()).double()
    if b.kind == "multiclass":
        residual = b.logits[g].softmax(1) - torch.nn.functional.one_hot(b.y[g, 0].long(), b.classes)
    else:
        residual = known * (b.logits[g].sigmoid() - b.y[g].nan_to_num()) / known.sum(1, keepdim=True).clamp(min=1)
    h = torch.cat([b.h[g], torch.ones(len(g), 1)], 1)
    return (residual[:, :, None] * h[:, None, :]).flatten(1)


def objective(b):
    smooth = []
    for g in b.groups(2):
        variance = slopes(b, g).var(0, unbiased=False)
        e = b.group[g[0]].item()
        joined = EMA * past.get(e, torch.zeros_like(variance)) + (1 - EMA) * variance
        past[e] = joined.detach()
        smooth.append(joined / (1 - EMA))
    smooth = torch.stack(smooth)
    return b.loss.mean() + (1000.0 if b.step >= 5 else 0.0) * (smooth - smooth.mean(0)).pow(2).mean()


cases = Cases()
for kind in ("binary", "multiclass", "multilabel"):
    past.clear()
    cases.add(kind, objective, kind=kind, steps=(3, 5, 6), reset=(5,), anneal=5)
cases.write()
