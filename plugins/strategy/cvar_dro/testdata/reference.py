"""Writes reference.json: the conditional value at risk (CVaR-DRO) by its variational form.

    venv/bin/python plugins/strategy/cvar_dro/testdata/reference.py > plugins/strategy/cvar_dro/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

def objective(b, alpha):
    forms = [e + (b.loss - e).relu().mean() / alpha for e in b.loss]
    return min(forms, key=lambda f: f.item())


cases = Cases()
for kind in ("binary", "multiclass", "multilabel"):
    cases.add(kind, lambda b: objective(b, 0.35), kind=kind, alpha=0.35)
cases.write()
