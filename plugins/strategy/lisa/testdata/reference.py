"""Writes reference.json: selective augmentation (LISA) of representations, batches
mixed within labels and within groups in turn.

    venv/bin/python plugins/strategy/lisa/testdata/reference.py > plugins/strategy/lisa/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from mixing import add
from reference import Cases


def pair(b, g):
    n, y = len(b.rows), b.y[:, 0]
    label, group = y[:, None] == y, b.group[:, None] == b.group
    fit = label & ~group if b.step == 0 else ~label & group
    share = torch.distributions.Beta(torch.tensor(2.0), torch.tensor(2.0)).sample().expand(n).clone()
    partner = torch.arange(n)
    for i in range(n):
        rows = fit[i].nonzero()[:, 0]
        if len(rows) == 0:
            share[i] = 1
        else:
            partner[i] = rows[torch.randint(len(rows), (), generator=g)]
    return partner, share


torch.manual_seed(6)
cases = Cases()
for kind in ("binary", "multiclass"):
    add(cases, kind, pair, kind=kind)
cases.write()
