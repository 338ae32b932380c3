"""Writes reference.json: alignment of means and covariances (CORAL, as in DomainBed).

    venv/bin/python plugins/strategy/coral/testdata/reference.py > plugins/strategy/coral/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

def distance(x, y):
    mean = (x.mean(0) - y.mean(0)).pow(2).mean()
    return mean + (torch.cov(x.T) - torch.cov(y.T)).pow(2).mean()


def objective(b):
    h = [b.h[g] for g in b.groups(2)]
    pairs = [distance(h[i], h[j]) for i in range(len(h)) for j in range(i)]
    return b.loss.mean() + 3.0 * torch.stack(pairs).mean()


cases = Cases()
cases.add("three groups", objective, weight=3.0)
cases.add("five groups", objective, groups=5, weight=3.0)
cases.write()
