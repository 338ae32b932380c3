"""Writes reference.json: class-balanced weights.

    venv/bin/python plugins/strategy/class_balanced/testdata/reference.py > plugins/strategy/class_balanced/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

def objective(b):
    n = b.training.labels.long().flatten().bincount().double()
    w = ((1 - 0.9999) / (1 - 0.9999**n))[b.y[:, 0].long()]
    return (w * b.loss).sum() / w.sum()


cases = Cases()
for kind in ("binary", "multiclass"):
    cases.add(kind, objective, kind=kind)
cases.write()
