"""Writes reference.json: ShaSpec on vectors in PyTorch.

    venv/bin/python plugins/backbone/shaspec/testdata/reference.py > plugins/backbone/shaspec/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/backbone/backbonetest/testdata"))
from reference import ROWS, Reference

D = 6
r = Reference(hidden=D)


def mlp(name, x, out=D):
    return r.linear(name + ".1", torch.relu(r.linear(name + ".0", x, D)), out)


h, gaps, domains = [], [], []
shared = [mlp("shared", r.e(m, D)) for m in range(3)]
specific = [mlp("specific." + name, r.e(m, D)) for m, name in enumerate(r.names)]
for i in range(ROWS):
    observed = [m for m in range(3) if r.has[m][i]]
    fill = sum(shared[m][i] for m in observed) / len(observed) if observed else torch.zeros(D)
    parts = []
    for m in range(3):
        if m in observed:
            c = r.linear("compose", torch.cat([shared[m][i], specific[m][i]]), D)[0] + shared[m][i]
            domains.append(-torch.log_softmax(r.linear("domain", specific[m][i], 3)[0], 0)[m])
            gaps += [(shared[m][i] - shared[n][i]).abs().mean() for n in observed if n < m]
        else:
            c = fill
        parts.append(c)
    h.append(torch.cat(parts))
terms = [("distribution", 0.1 * torch.stack(gaps).mean()), ("domain", 0.02 * torch.stack(domains).mean())]
r.write(mlp("fusion", torch.stack(h), r.width), terms)
