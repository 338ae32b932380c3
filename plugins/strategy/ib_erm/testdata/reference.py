"""Writes reference.json: the variance of h within groups (IB-ERM).

    venv/bin/python plugins/strategy/ib_erm/testdata/reference.py > plugins/strategy/ib_erm/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

def objective(b):
    variance = torch.stack([b.h[g].var(0).mean() for g in b.groups(2)])
    return b.loss.mean() + (100.0 if b.step >= 5 else 0.0) * variance.mean()


cases = Cases()
cases.add("binary", objective, steps=(3, 5, 6), reset=(5,), anneal=5)
cases.write()
