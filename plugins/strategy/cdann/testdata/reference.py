"""Writes reference.json: conditional domain-adversarial training (CDANN, as in DomainBed).

    venv/bin/python plugins/strategy/cdann/testdata/reference.py > plugins/strategy/cdann/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

D, HIDDEN, LR = 4, 8, 1e-2


class Adversary:
    def __init__(self, conditional):
        g = torch.Generator().manual_seed(99)
        r = lambda *shape: (0.5 * torch.randn(*shape, generator=g)).float().double().requires_grad_()
        self.p = {"adversary.0.weight": r(D, HIDDEN), "adversary.0.bias": r(HIDDEN), "adversary.1.weight": r(HIDDEN, HIDDEN),
                  "adversary.1.bias": r(HIDDEN), "adversary.2.weight": r(HIDDEN, 3), "adversary.2.bias": r(3)}
        if conditional:
            self.p["labels.table"] = r(3, D)
        self.initial = {k: v.detach().clone() for k, v in self.p.items()}
        self.conditional = conditional
        self.adam = torch.optim.Adam(self.p.values(), lr=LR, betas=(0.5, 0.999))

    def loss(self, b, h):
        y = b.y[:, 0].long()
        if self.conditional:
            h = h + self.p["labels.table"][y]
        for layer in range(3):
            h = h @ self.p[f"adversary.{layer}.weight"] + self.p[f"adversary.{layer}.bias"]
            h = h.relu() if layer < 2 else h
        each = torch.nn.functional.cross_entropy(h, b.group, reduction="none")
        if not self.conditional:
            return each.mean()
        n = y.bincount().double()
        return (each / (n[y] * (n > 0).sum())).sum()

    def after(self, b):
        self.adam.zero_grad()
        self.loss(b, b.h.detach()).backward()
        self.adam.step()


cases = Cases()
d = Adversary(True)
cases.add("multiclass", lambda b: b.loss.mean() - 2.0 * d.loss(b, b.h), kind="multiclass", steps=(0, 1, 2), after=d.after,
          parameters=d.initial, weight=2.0, hidden=HIDDEN)
cases.write()
