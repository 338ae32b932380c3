"""Writes reference.json: SMIL without meta-learning in PyTorch.

    venv/bin/python plugins/backbone/smil/testdata/reference.py > plugins/backbone/smil/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/backbone/backbonetest/testdata"))
from reference import ROWS, Reference

D, CLUSTERS = 4, 3
r = Reference(hidden=D, clusters=CLUSTERS)
F = torch.nn.functional
e = [r.e(m, D) for m in range(3)]


def model(centres, noise):
    have = torch.cat(e, 1)
    filled = []
    for m, name in enumerate(r.names):
        weights = torch.softmax(r.linear(f"mixture.{name}.1", torch.relu(r.linear(f"mixture.{name}.0", have, D)), CLUSTERS), 1)
        filled.append(torch.where(r.has[m][:, None], e[m], weights @ centres[m]))
    u = torch.relu(r.linear("fusion", torch.cat(filled, 1), D))
    gain = r.linear("noise.mean", u, D) + noise * F.softplus(r.linear("noise.scale", u, D))
    return r.linear("out", u * F.softplus(gain), r.width)


def kmeans(x):
    """One step from the first rows."""
    nearest = torch.cdist(x, x[:CLUSTERS]).argmin(1)
    return torch.stack([x[nearest == k].mean(0) for k in range(CLUSTERS)])


h = model([torch.zeros(CLUSTERS, D)] * 3, 0.5)
r.write(h, (), model([kmeans(e[m][r.has[m]].detach()) for m in range(3)], 0))
