"""What the reference.py of a strategy builds on: cases with random batches, and
the objective that the strategy writes, differentiated by autograd in float64.

    cases = Cases()
    cases.add("binary", lambda b: b.loss.mean(), kind="binary", weight=1.0)
    cases.write()
"""

import json
import sys

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


class Batch:
    """h [n, width], logits [n, outputs], y, group [n], rows [n], loss [n]."""

    def __init__(self, c, step, rows, generator):
        self.step, self.rows, self.kind, self.classes = step, rows, c.kind, c.classes
        r = lambda *shape: torch.randn(*shape, generator=generator).float().double()
        self.h = r(len(rows), c.width).requires_grad_()
        self.logits = r(len(rows), c.outputs).requires_grad_()
        self.y, self.group = c.labels[rows], c.group[rows]
        self.loss = self.row_loss(self.logits)

    def row_loss(self, logits):
        if self.kind == "multiclass":
            return F.cross_entropy(logits, self.y[:, 0].long(), reduction="none")
        known = ~self.y.isnan()
        each = F.binary_cross_entropy_with_logits(logits, self.y.nan_to_num(), reduction="none")
        return (each * known).sum(1) / known.sum(1).clamp(min=1)

    def groups(self, least=1):
        """Places in the batch, a list for each group that is there."""
        lists = [(self.group == g).nonzero()[:, 0] for g in self.group.unique()]
        return [g for g in lists if len(g) >= least]


class Cases:
    def __init__(self):
        self.cases = []

    def add(self, name, objective, kind="binary", classes=3, width=4, n=24, rows=40, groups=3, steps=(7,),
            reset=(), parameters=None, before=None, after=None, **hyperparameters):
        generator = torch.Generator().manual_seed(len(self.cases) + 1)
        self.kind, self.width = kind, width
        self.classes = 0 if kind == "binary" else classes
        self.outputs = 1 if kind == "binary" else classes
        if kind == "multilabel":
            self.labels = torch.randint(0, 2, (rows, classes), generator=generator).double()
            self.labels[torch.rand(rows, classes, generator=generator) < 0.2] = float("nan")
            self.labels[:, 0] = self.labels[:, 0].nan_to_num()
        else:
            self.labels = torch.randint(0, max(self.classes, 2), (rows, 1), generator=generator).double()
        self.group = torch.randint(0, groups, (rows,), generator=generator)
        availability = torch.randint(1, 8, (rows,), generator=generator)
        out = dict(name=name, hyperparameters=hyperparameters, task=kind, classes=self.classes, width=width,
                   labels=[None if v != v else v for v in self.labels.flatten().tolist()],
                   groups=self.group.tolist(), availability=availability.tolist(),
                   parameters={k: v.detach().flatten().tolist() for k, v in (parameters or {}).items()}, steps=[])
        self.availability = availability
        for step in steps:
            b = Batch(self, step, torch.randperm(rows, generator=generator)[:n], generator)
            b.training = self
            loss = objective(b)
            dh, dlogits = torch.autograd.grad(loss, [b.h, b.logits], allow_unused=True)
            zero = lambda g, x: (torch.zeros_like(x) if g is None else g).flatten().tolist()
            out["steps"].append(dict(step=step, rows=b.rows.tolist(), h=b.h.flatten().tolist(),
                                     logits=b.logits.flatten().tolist(), loss=loss.item(), reset=step in reset,
                                     dh=zero(dh, b.h), dlogits=zero(dlogits, b.logits)))
            if after:
                after(b)
        self.cases.append(out)

    def write(self):
        json.dump(self.cases, sys.stdout)
        print()
