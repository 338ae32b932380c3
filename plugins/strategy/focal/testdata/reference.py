"""Writes reference.json: the focal loss.

    venv/bin/python plugins/strategy/focal/testdata/reference.py > plugins/strategy/focal/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

def objective(b, gamma):
    return ((1 - torch.exp(-b.loss)) ** gamma * b.loss).mean()


cases = Cases()
for kind in ("binary", "multiclass"):
    cases.add(kind, lambda b: objective(b, 1.0), kind=kind)
    cases.add(kind + " 2.5", lambda b: objective(b, 2.5), kind=kind, gamma=2.5)
cases.write()
