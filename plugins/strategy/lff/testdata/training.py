"""Writes training.json: learning from failure (LfF), a whole run of both classifiers.

    venv/bin/python plugins/strategy/lff/testdata/training.py > plugins/strategy/lff/testdata/training.json
"""

import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from training import Plain, Run, write

HIDDEN, EMA, Q = 8, 0.7, 0.7


class Failure(Plain):
    def __init__(self, run):
        g = torch.Generator().manual_seed(98)
        r = lambda *shape: (0.5 * torch.randn(*shape, generator=g)).float().double().requires_grad_()
        classes = max(run.classes, 2)
        self.p = {"biased.0.weight": r(run.width, HIDDEN), "biased.0.bias": r(HIDDEN), "biased.1.weight": r(HIDDEN, classes), "biased.1.bias": r(classes)}
        self.parameters = {k: v.detach().clone() for k, v in self.p.items()}
        self.adam = torch.optim.Adam(self.p.values(), lr=run.lr)
        self.b, self.d = torch.zeros(len(run.y)), torch.zeros(len(run.y))

    def biased(self, b):
        h = (b.h.detach() @ self.p["biased.0.weight"] + self.p["biased.0.bias"]).relu()
        return h @ self.p["biased.1.weight"] + self.p["biased.1.bias"]

    def objective(self, run, b):
        loss = F.cross_entropy(self.biased(b), b.y, reduction="none").detach()
        self.b[b.rows] = EMA * self.b[b.rows] + (1 - EMA) * loss
        self.d[b.rows] = EMA * self.d[b.rows] + (1 - EMA) * b.loss.detach()
        top = lambda x: torch.stack([x[run.y == c].max() for c in range(run.y.max() + 1)])[b.y]
        biased, debiased = self.b[b.rows] / top(self.b), self.d[b.rows] / top(self.d)
        w = biased / (biased + debiased + 1e-8)
        return (w * b.loss).sum() / w.sum()

    def after(self, run, b):
        self.adam.zero_grad()
        p = self.biased(b).softmax(1).gather(1, b.y[:, None])[:, 0]
        ((1 - p**Q) / Q).mean().backward()
        self.adam.step()


write({
    "binary": (Run(Failure, 1), dict(hidden=HIDDEN)),
    "multiclass": (Run(Failure, 2, kind="multiclass"), dict(hidden=HIDDEN)),
})
