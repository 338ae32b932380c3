"""Writes reference.json: ratios of pattern shares.

    venv/bin/python plugins/strategy/importance/testdata/reference.py > plugins/strategy/importance/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

def objective(b, target):
    train = b.training.availability
    w = []
    for i in b.rows:
        k = train[i].item()
        w.append(min(target(k, train) / (train == k).double().mean().item(), 10.0))
    w = torch.tensor(w)
    return (w * b.loss).sum() / w.sum()


def independent(k, train):
    share = 1.0
    for m in range(3):
        p = (train >> m & 1).double().mean().item()
        share *= p if k >> m & 1 else 1 - p
    return share


cases = Cases()
cases.add("independent", lambda b: objective(b, independent))
cases.add("uniform", lambda b: objective(b, lambda k, train: 1 / len(train.unique())), kind="multiclass", target="uniform")
cases.add("listed", lambda b: objective(b, lambda k, train: {0b011: 0.25, 0b111: 0.75}.get(k, 0.0)), shares="110=0.1 111=0.3")
cases.write()
