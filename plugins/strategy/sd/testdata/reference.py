"""Writes reference.json: spectral decoupling.

    venv/bin/python plugins/strategy/sd/testdata/reference.py > plugins/strategy/sd/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

cases = Cases()
for kind in ("binary", "multiclass", "multilabel"):
    cases.add(kind, lambda b: b.loss.mean() + 0.05 * b.logits.pow(2).sum(1).mean(), kind=kind)
cases.write()
