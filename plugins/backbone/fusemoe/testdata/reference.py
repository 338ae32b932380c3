"""Writes reference.json: FuseMoE with a router for each modality in PyTorch.

    venv/bin/python plugins/backbone/fusemoe/testdata/reference.py > plugins/backbone/fusemoe/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/backbone/backbonetest/testdata"))
from reference import Reference

D, EXPERTS, TOP = 4, 5, 2
r = Reference(hidden=D, experts=EXPERTS, top=TOP, router="modality", gate="laplace")
F = torch.nn.functional


def variation(x):
    return x.var() / (x.mean() ** 2 + 1e-10)


z, loss = 0, 0
for m, name in enumerate(r.names):
    x = r.e(m, D)
    scores = -((x[:, None] - r.p(f"router.{name}.centres", EXPERTS, D)) ** 2).sum(2).add(1e-12).sqrt()
    top = scores.topk(TOP + 1, 1)
    kept = torch.zeros_like(scores).scatter(1, top.indices[:, :TOP], 1.0)
    gates = torch.softmax(scores.masked_fill(kept == 0, float("-inf")), 1)
    for k in range(EXPERTS):
        y = r.linear(f"expert.0.{k}.out", torch.relu(r.linear(f"expert.0.{k}.hidden", x, D)), D)
        z = z + gates[:, k : k + 1] * y
    scale = F.softplus(x @ r.p(f"router.{name}.noise", D, EXPERTS)) + 1e-2
    bar = torch.where(kept > 0, top.values[:, TOP:], top.values[:, TOP - 1 : TOP])
    load = torch.distributions.Normal(0.0, 1.0).cdf((scores - bar) / scale)
    loss = loss + (variation(gates.sum(0)) + variation(load.sum(0))) / 3
r.write(r.linear("out", z, r.width), [("balance", 0.01 * loss)])
