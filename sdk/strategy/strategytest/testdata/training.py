"""What the training.py of a strategy builds on: whole runs of a small model,
h = tanh(x W + a) and logits = h V + b, on fixed batches with Adam, in float64.

A strategy is a class with any of: stages(epochs) -> {epoch: restart}; begin(run, probabilities of
all training rows); objective(run, batch); after(run, batch); predict(run, test).
"""

import json
import sys

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


class Plain:
    parameters = {}

    def stages(self, epochs):
        return {}

    def begin(self, run, p):
        pass

    def objective(self, run, b):
        return b.loss.mean()

    def after(self, run, b):
        pass

    def predict(self, run):
        return run.probabilities(run.logits(run.test["x"])[1])


class Batch:
    def __init__(self, run, rows):
        self.rows, self.y, self.training = rows, run.y[rows], run
        self.h, self.logits = run.logits(run.x[rows])
        self.loss = run.row_loss(self.logits, self.y)


class Run:
    def __init__(self, strategy, seed, kind="binary", classes=3, inputs=5, width=6, rows=96, epochs=6, batch=32, lr=2e-2, held=60, test=25):
        self.kind, self.inputs, self.width, self.lr, self.epochs = kind, inputs, width, lr, epochs
        self.classes = 0 if kind == "binary" else classes
        self.outputs = 1 if kind == "binary" else classes
        g = torch.Generator().manual_seed(seed)
        labels = max(self.classes, 2)
        r = lambda *shape: torch.randn(*shape, generator=g).float().double()

        def draw(n, groups=None):
            group = torch.randint(0, 3, (n,), generator=g) if groups is None else groups
            y = torch.randint(0, labels, (n,), generator=g)
            x = r(n, inputs)
            x[:, 0] += 1.2 * y
            x[:, 1] += 1.5 * (group == y % 3)
            return dict(x=x.float().double(), labels=y, groups=group, availability=1 + group)

        train = draw(rows)
        self.x, self.y, self.group = train["x"], train["labels"], train["groups"]
        self.held = draw(held, torch.arange(held) % 3)
        self.test = draw(test)
        shapes = [(inputs, width), (width,), (width, self.outputs), (self.outputs,)]
        self.initial = [0.5 * r(*shape) for shape in shapes]
        self.batches = [[x.tolist() for x in torch.randperm(rows, generator=g).split(batch)] for _ in range(epochs)]
        self.strategy = strategy(self)
        self.restart()
        self.train()
        out = lambda d: dict(x=d["x"].flatten().tolist(), labels=d["labels"].tolist(), groups=d["groups"].tolist(), availability=d["availability"].tolist())
        self.out = dict(out(train), task=kind, classes=self.classes, inputs=inputs, width=width,
                        initial=[v for p in self.initial for v in p.flatten().tolist()], learningRate=lr, batches=self.batches,
                        parameters={k: v.flatten().tolist() for k, v in self.strategy.parameters.items()} or None,
                        held=out(self.held), test=out(self.test), losses=self.losses,
                        final=[v for p in self.p for v in p.detach().flatten().tolist()],
                        want=self.strategy.predict(self).flatten().tolist())

    def restart(self):
        self.p = [p.clone().requires_grad_() for p in self.initial]
        self.adam = torch.optim.Adam(self.p, lr=self.lr)

    def logits(self, x):
        h = (x @ self.p[0] + self.p[1]).tanh()
        return h, h @ self.p[2] + self.p[3]

    def row_loss(self, logits, y):
        if self.kind == "binary":
            return F.binary_cross_entropy_with_logits(logits[:, 0], y.double(), reduction="none")
        return F.cross_entropy(logits, y, reduction="none")

    def probabilities(self, logits):
        return (logits.sigmoid() if self.kind == "binary" else logits.softmax(1)).detach()

    def train(self):
        stages, self.losses = self.strategy.stages(self.epochs), []
        for epoch in range(self.epochs):
            if epoch in stages:
                self.strategy.begin(self, self.probabilities(self.logits(self.x)[1]))
                if stages[epoch]:
                    self.restart()
            for rows in self.batches[epoch]:
                b = Batch(self, torch.tensor(rows))
                loss = self.strategy.objective(self, b)
                self.losses.append(loss.item())
                self.adam.zero_grad()
                loss.backward()
                self.adam.step()
                self.strategy.after(self, b)


def write(cases):
    """Writes {name: (Run, hyperparameters)}."""
    json.dump([dict(run.out, name=name, hyperparameters=settings) for name, (run, settings) in cases.items()], sys.stdout)
    print()
