"""Writes reference.json: a quantile of group risks (EQRM), solved by bisection and differentiated by one step of Newton.

    venv/bin/python plugins/strategy/eqrm/testdata/reference.py > plugins/strategy/eqrm/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

def objective(b):
    risk = torch.stack([b.loss[g].mean() for g in b.groups()])
    if b.step < 5:
        return risk.mean()
    scale = 1.06 * risk.std() * len(risk) ** -0.2
    share = lambda t: torch.distributions.Normal(risk, scale).cdf(t).mean()
    low, high = risk.min().detach() - 10, risk.max().detach() + 10
    for _ in range(200):
        t = (low + high) / 2
        low, high = (t, high) if share(t) < 0.75 else (low, t)
    density = torch.exp(torch.distributions.Normal(risk, scale).log_prob(t)).mean().detach()
    return t + (0.75 - share(t)) / density


cases = Cases()
for kind in ("binary", "multiclass", "multilabel"):
    cases.add(kind, objective, kind=kind, steps=(3, 5, 6), reset=(5,), anneal=5, groups=4)
cases.write()
