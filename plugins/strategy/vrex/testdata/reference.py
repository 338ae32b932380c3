"""Writes reference.json: the mean and the variance of group risks (V-REx).

    venv/bin/python plugins/strategy/vrex/testdata/reference.py > plugins/strategy/vrex/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

def objective(b):
    risk = torch.stack([b.loss[g].mean() for g in b.groups()])
    return risk.mean() + (10.0 if b.step >= 5 else 1.0) * ((risk - risk.mean()) ** 2).mean()


cases = Cases()
for kind in ("binary", "multiclass", "multilabel"):
    cases.add(kind, objective, kind=kind, steps=(3, 5, 6), reset=(5,), anneal=5)
cases.write()
