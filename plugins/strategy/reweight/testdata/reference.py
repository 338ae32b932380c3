"""Writes reference.json: weights of 1/n over the training rows of a group.

    venv/bin/python plugins/strategy/reweight/testdata/reference.py > plugins/strategy/reweight/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

def objective(b):
    n = b.training.group.bincount().double()
    w = 1 / n[b.group]
    return (w * b.loss).sum() / w.sum()


cases = Cases()
for kind in ("binary", "multiclass", "multilabel"):
    cases.add(kind, objective, kind=kind, groups=4)
cases.write()
