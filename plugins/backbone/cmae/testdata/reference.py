"""Writes reference.json: the cross-modal autoencoder, with a table, in PyTorch.

    venv/bin/python plugins/backbone/cmae/testdata/reference.py > plugins/backbone/cmae/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/backbone/backbonetest/testdata"))
from reference import ROWS, Reference

D = 4
r = Reference(modalities=(("ecg", 3, 0), ("labs", 2, -1), ("scan", 4, 0)), hidden=D)


def encoded(m):
    if r.names[m] != "labs":
        return r.e(m, D)
    y = torch.relu(r.linear("encoder.labs.hidden", r.x[m][:, 0], D))
    return r.linear("encoder.labs.out", y, D) * r.has[m][:, None]


e = torch.stack([encoded(m) for m in range(3)], 1)
# Every second row shows its first modality only.
shown = r.has_all.clone()
for i in range(0, ROWS, 2):
    shown[i, shown[i].nonzero()[1:, 0]] = 0


def code(mask):
    return torch.relu(r.linear("code", (e * mask[..., None]).flatten(1), D))


z = code(shown)
loss = 0
for m, name in enumerate(r.names):
    guess = torch.relu(r.linear(f"decoder.{name}.0", z, D))
    x = r.x[m].flatten(1)
    loss = loss + ((r.linear(f"decoder.{name}.1", guess, x.shape[1]) - x)[r.has[m]] ** 2).mean()
r.write(r.linear("out", z, r.width), [("reconstruction", loss)], r.linear("out", code(r.has_all), r.width))
