"""Writes reference.json: maximum mean discrepancy (MMD, kernels as in DomainBed, unbiased).

    venv/bin/python plugins/strategy/mmd/testdata/reference.py > plugins/strategy/mmd/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

def kernel(x, y):
    distance = (x[:, None] - y[None]).pow(2).sum(-1)
    k = sum(torch.exp(-g * distance) for g in (0.001, 0.01, 0.1, 1, 10, 100, 1000))
    return k[~torch.eye(len(x)).bool()].mean() if x is y else k.mean()


def objective(b):
    h = [b.h[g] for g in b.groups(2)]
    pairs = [kernel(x, x) + kernel(y, y) - 2 * kernel(x, y) for i, x in enumerate(h) for y in h[:i]]
    return b.loss.mean() + 3.0 * torch.stack(pairs).mean()


cases = Cases()
cases.add("three groups", objective, weight=3.0)
cases.add("five groups", objective, groups=5, weight=3.0)
cases.write()
