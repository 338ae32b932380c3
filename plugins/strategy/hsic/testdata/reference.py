"""Writes reference.json: independence of h and the group (HSIC, and normalised).

    venv/bin/python plugins/strategy/hsic/testdata/reference.py > plugins/strategy/hsic/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

past = []


def objective(b, normalised):
    n = len(b.rows)
    distance = (b.h[:, None] - b.h[None]).pow(2).sum(-1)
    lower = distance.detach()[tuple(torch.tril_indices(n, n, -1))].sort().values
    past.append((lower[(len(lower) - 1) // 2] + lower[len(lower) // 2]) / 2)
    if len(past) == 1:
        return b.loss.mean()
    k = torch.exp(-distance / past[-2])
    l = (b.group[:, None] == b.group[None]).double()
    centre = torch.eye(n) - 1 / n
    hsic = lambda x, y: torch.trace(x @ centre @ y @ centre) / (n - 1) ** 2
    value = hsic(k, l)
    return b.loss.mean() + 2.0 * (value / (hsic(k, k) * hsic(l, l)).sqrt() if normalised else value)


cases = Cases()
cases.add("normalised", lambda b: objective(b, True), steps=(1, 2, 3), weight=2.0)
past.clear()
cases.add("plain", lambda b: objective(b, False), steps=(1, 2, 3), weight=2.0, normalised=False)
cases.write()
