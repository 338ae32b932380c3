"""What the posthoc.py of a strategy builds on: validation and test rows with
predictions, and what is made of the latter, in float64.

    cases = Cases()
    cases.add("binary", fit, kind="binary", min_rows=20)
    cases.write()

fit(held, test, case) answers the adjusted predictions of test and terms by name.
"""

import json
import sys

import torch

torch.set_default_dtype(torch.float64)


class Rows:
    """p [n, outputs], y [n] or [n, outputs] with NaN, pattern [n]."""

    def __init__(self, case, n, g, patterns):
        self.pattern = patterns[torch.randint(0, len(patterns), (n,), generator=g)]
        r = torch.randn(n, case.outputs, generator=g)
        z = 2.5 * r + 0.8 * (self.pattern % 3 - 1)[:, None] * torch.linspace(1, 2, case.outputs)
        self.p = (z.softmax(1) if case.kind == "multiclass" else z.sigmoid()).float().double()
        truth = 0.6 * z + 0.4
        if case.kind == "multiclass":
            self.y = torch.multinomial(truth.softmax(1), 1, generator=g)[:, 0].double()
        else:
            self.y = (torch.rand(n, case.outputs, generator=g) < truth.sigmoid()).double()
            if case.kind == "multilabel":
                self.y[torch.rand(n, case.outputs, generator=g) < 0.2] = float("nan")
            else:
                self.y = self.y[:, 0]

    def out(self):
        return dict(predictions=self.p.flatten().tolist(), labels=[None if v != v else v for v in self.y.flatten().tolist()],
                    groups=[0] * len(self.p), availability=self.pattern.tolist())


class Cases:
    def __init__(self):
        self.cases = []

    def add(self, name, fit, kind="binary", classes=3, held=150, test=40, **hyperparameters):
        g = torch.Generator().manual_seed(len(self.cases) + 11)
        self.kind, self.classes = kind, 0 if kind == "binary" else classes
        self.outputs = 1 if kind == "binary" else classes
        # The last pattern is not among the validation rows, the first is frequent.
        rows = Rows(self, held, g, torch.tensor([1, 1, 1, 2, 2, 3, 5]))
        others = Rows(self, test, g, torch.tensor([1, 2, 3, 5, 7]))
        want, terms = fit(rows, others, self)
        self.cases.append(dict(name=name, hyperparameters=hyperparameters, task=kind, classes=self.classes, width=4,
                               held=rows.out(), test=others.out(), want=want.flatten().tolist(), terms=terms))

    def write(self):
        json.dump(self.cases, sys.stdout)
        print()
