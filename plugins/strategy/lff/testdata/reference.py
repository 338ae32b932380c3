"""Writes reference.json: learning from failure (LfF), with the biased classifier on h.

    venv/bin/python plugins/strategy/lff/testdata/reference.py > plugins/strategy/lff/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from reference import Cases

HIDDEN, ROWS, EMA, Q = 8, 40, 0.7, 0.7
F = torch.nn.functional


class Biased:
    def __init__(self, classes):
        g = torch.Generator().manual_seed(99)
        r = lambda *shape: (0.5 * torch.randn(*shape, generator=g)).float().double().requires_grad_()
        self.p = {"biased.0.weight": r(4, HIDDEN), "biased.0.bias": r(HIDDEN), "biased.1.weight": r(HIDDEN, classes), "biased.1.bias": r(classes)}
        self.initial = {k: v.detach().clone() for k, v in self.p.items()}
        self.adam = torch.optim.Adam(self.p.values(), lr=1e-2)
        self.b, self.d = torch.zeros(ROWS), torch.zeros(ROWS)

    def logits(self, b):
        h = (b.h.detach() @ self.p["biased.0.weight"] + self.p["biased.0.bias"]).relu()
        return h @ self.p["biased.1.weight"] + self.p["biased.1.bias"]

    def objective(self, b):
        y, labels = b.y[:, 0].long(), b.training.labels[:, 0].long()
        loss = F.cross_entropy(self.logits(b), y, reduction="none").detach()
        self.b[b.rows] = EMA * self.b[b.rows] + (1 - EMA) * loss
        self.d[b.rows] = EMA * self.d[b.rows] + (1 - EMA) * b.loss.detach()
        top = lambda x: torch.stack([x[labels == c].max() for c in range(labels.max() + 1)])[y]
        biased, debiased = self.b[b.rows] / top(self.b), self.d[b.rows] / top(self.d)
        w = biased / (biased + debiased + 1e-8)
        return (w * b.loss).sum() / w.sum()

    def after(self, b):
        self.adam.zero_grad()
        p = self.logits(b).softmax(1).gather(1, b.y.long())[:, 0]
        ((1 - p**Q) / Q).mean().backward()
        self.adam.step()


cases = Cases()
for kind, classes in (("binary", 2), ("multiclass", 3)):
    biased = Biased(classes)
    cases.add(kind, biased.objective, kind=kind, rows=ROWS, steps=(0, 1, 2, 3), after=biased.after, parameters=biased.initial, hidden=HIDDEN)
cases.write()
