"""Writes recipes.json: the objectives of DisC, CAL and CaBiR on one batch, before and
after swapping begins, with their gradients.

    venv/bin/python host/causal/testdata/recipes.py > host/causal/testdata/recipes.json
"""

import json
import sys

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
WIDTH, HIDDEN, ROWS, Q = 5, 7, 8, 0.7
SWAP = [7, 4, 5, 0, 1, 2, 6, 3]  # of seed 11 and step 9; the test compares
g = torch.Generator().manual_seed(3)


class Batch:
    def __init__(self, kind, names):
        self.kind, self.outputs = kind, {"binary": 1, "multiclass": 3, "multilabel": 3}[kind]
        r = lambda *shape: torch.randn(*shape, generator=g).float().double()
        self.h = r(ROWS, WIDTH).requires_grad_()
        if kind == "multiclass":
            self.y = torch.randint(0, 3, (ROWS, 1), generator=g).double()
        else:
            self.y = torch.randint(0, 2, (ROWS, self.outputs), generator=g).double()
        if kind == "multilabel":
            self.y[0, 0] = self.y[5, 2] = float("nan")
        self.share = torch.rand(ROWS, generator=g).float().double()
        self.weights = self.share.tolist()
        self.share = self.share / self.share.sum()
        self.p = {}
        for name, (a, b) in names(self.outputs).items():
            self.p[name + ".weight"], self.p[name + ".bias"] = (0.6 * r(a, b)).float().double(), (0.3 * r(b)).float().double()
        for p in self.p.values():
            p.requires_grad_()

    def linear(self, name, x):
        return x @ self.p[name + ".weight"] + self.p[name + ".bias"]

    def two(self, name, *x):
        return self.linear(name + ".2", self.linear(name + ".1", torch.cat(x, 1)).relu())

    def outcomes(self, logits, y):
        """-log p of the label, NaN where it is unknown."""
        if self.kind == "multiclass":
            return F.cross_entropy(logits, y[:, 0].long(), reduction="none")[:, None]
        each = F.binary_cross_entropy_with_logits(logits, y.nan_to_num(), reduction="none")
        return torch.where(y.isnan(), torch.nan, each)

    def rows(self, each):
        known = ~each.isnan()
        return torch.where(known, each.nan_to_num(), 0.0).sum(1) / known.sum(1).clamp(min=1)

    def ce(self, logits, y):
        return self.rows(self.outcomes(logits, y))

    def gce(self, logits, y):
        return self.rows((1 - (-Q * self.outcomes(logits, y).nan_to_num()).exp()) / Q + 0 * self.outcomes(logits, y))

    def mean(self, rows, share=None):
        return ((self.share if share is None else share) * rows).sum()


def heads(prefix, inputs, *names):
    out = lambda outputs: {f"{prefix}/{n}.{layer}": shape for n in names for layer, shape in ((1, (inputs, HIDDEN)), (2, (HIDDEN, outputs)))}
    return out


def disc_names(outputs):
    return heads("branches", 2 * WIDTH, "causal.classifier", "biased.classifier")(outputs) | {
        f"branches/{b}.{layer}": (WIDTH, WIDTH) for b in ("causal", "biased") for layer in (1, 2)}


def disc(b, swap):
    c, z = b.two("branches/causal", b.h), b.two("branches/biased", b.h)
    on = lambda c, z: (b.two("branches/causal.classifier", c, z.detach()), b.two("branches/biased.classifier", c.detach(), z))
    lc, lb = on(c, z)
    ce, bias = b.ce(lc, b.y), b.ce(lb, b.y)
    w = (bias / (ce + bias + 1e-8)).detach()
    loss = b.mean(w * ce) + b.mean(b.gce(lb, b.y))
    if swap:
        lc, lb = on(c, z[SWAP])
        loss = loss + 10 * (b.mean(w * b.ce(lc, b.y)) + b.mean(b.gce(lb, b.y[SWAP]), b.share[SWAP]))
    return loss


def cal_names(outputs):
    return heads("attention", WIDTH, "causal.classifier", "biased.classifier", "mixed.classifier")(outputs) | {"attention/gate": (WIDTH, WIDTH)}


def cal(b, swap):
    a = b.linear("attention/gate", b.h).sigmoid()
    c, z = a * b.h, (1 - a) * b.h
    trivial = b.two("attention/biased.classifier", z)
    if b.kind == "multiclass":
        kl = (torch.tensor(1 / 3).log() - trivial.log_softmax(1)).mean(1)
    else:
        p = trivial.sigmoid()
        kl = ((0.5 / p).log() / 2 + (0.5 / (1 - p)).log() / 2).mean(1)
    return (b.mean(b.ce(b.two("attention/causal.classifier", c), b.y)) + 0.5 * b.mean(kl)
            + 0.5 * b.mean(b.ce(b.two("attention/mixed.classifier", c + z[SWAP]), b.y)))


def cabir_names(outputs):
    return heads("subtraction", WIDTH, "causal.classifier", "biased.classifier", "final.classifier")(outputs) | {"subtraction/bias": (WIDTH, WIDTH)}


def cabir(b, swap):
    z = F.leaky_relu(b.linear("subtraction/bias", b.h), 0.01)
    c = b.h - z.detach()

    def both(x, y):
        return 0.5 * b.mean(b.ce(b.two("subtraction/causal.classifier", x), b.y)) + 0.5 * b.mean(b.gce(b.two("subtraction/biased.classifier", x), y))

    loss = both(b.h, b.y) + b.mean(b.ce(b.two("subtraction/final.classifier", c), b.y))
    return loss + both(c + z[SWAP], b.y[SWAP]) if swap else loss


cases = []
for recipe, objective, names in (("disc", disc, disc_names), ("cal", cal, cal_names), ("cabir", cabir, cabir_names)):
    for kind in ("binary", "multiclass", "multilabel"):
        for epoch in (0, 5):
            b = Batch(kind, names)
            loss = objective(b, epoch == 5)
            loss.backward()
            cases.append(dict(
                recipe=recipe, task=kind, classes=0 if kind == "binary" else 3, epoch=epoch, step=9, swap=SWAP,
                h=b.h.flatten().tolist(), labels=[None if v != v else v for v in b.y.flatten().tolist()], weights=b.weights,
                parameters={k: v.flatten().tolist() for k, v in b.p.items()}, loss=loss.item(), dh=b.h.grad.flatten().tolist(),
                gradients={k: v.grad.flatten().tolist() for k, v in b.p.items() if v.grad is not None}))
json.dump(cases, sys.stdout)
print()
