"""Writes reference.json: low-rank tensor fusion through the whole tensor in PyTorch.

    venv/bin/python plugins/backbone/lrtf/testdata/reference.py > plugins/backbone/lrtf/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/backbone/backbonetest/testdata"))
from reference import ROWS, Reference

D, RANK = 3, 2
r = Reference(hidden=D, rank=RANK)
ones = torch.ones(ROWS, 1)
a, b, c = (torch.cat([r.e(m, D), ones], 1) for m in range(3))
# The tensor of weights [D+1, D+1, D+1, width] that the factors make.
weights = 0
factors = []
for name in r.names:
    w = torch.cat([r.p(f"factor.{name}.weight", D, RANK * r.width), r.p(f"factor.{name}.bias", 1, RANK * r.width)])
    factors.append(w.reshape(D + 1, RANK, r.width))
weights = torch.einsum("irw,jrw,krw->ijkw", *factors)
r.write(torch.einsum("bi,bj,bk,ijkw->bw", a, b, c, weights))
