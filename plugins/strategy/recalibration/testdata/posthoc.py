"""Writes posthoc.json: Platt and temperature scaling by pattern, drawn towards those
of all rows.

    venv/bin/python plugins/strategy/recalibration/testdata/posthoc.py > plugins/strategy/recalibration/testdata/posthoc.json
"""

import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from posthoc import Cases


def curve(l, y, towards, shrinkage, form):
    """Slope and intercepts, by L-BFGS; l [n, k], y [n]."""
    theta = towards.clone().requires_grad_()
    free = torch.zeros_like(towards)
    free[0] = 1
    if form == "platt":
        free[1:] = 1

    def loss():
        t = towards + free * (theta - towards)
        z = t[0] * l + t[1:]
        each = F.binary_cross_entropy_with_logits(z[:, 0], y, reduction="sum") if l.shape[1] == 1 else F.cross_entropy(z, y.long(), reduction="sum")
        return each + shrinkage / 2 * ((t - towards) ** 2).sum()

    optimiser = torch.optim.LBFGS([theta], lr=1, max_iter=2000, tolerance_grad=1e-13, tolerance_change=1e-16, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        v = loss()
        v.backward()
        return v

    optimiser.step(closure)
    with torch.no_grad():
        return towards + free * (theta - towards)


def recalibration(form="platt", min_rows=100, shrinkage=10.0):
    def fit(held, test, case):
        def logits(p):
            p = p.clamp(1e-7, 1 - 1e-7)
            return p.log() if case.kind == "multiclass" else (p / (1 - p)).log()

        def one(l, y, rows, towards):
            rows = rows & ~y.isnan()
            return curve(l[rows], y[rows], towards, shrinkage, form)

        def column(l, y, m):
            everyone = torch.ones(len(y), dtype=bool)
            pooled = one(l, y, everyone, torch.tensor([1.0] + [0.0] * l.shape[1]))
            of = {k: one(l, y, held.pattern == k, pooled) for k in held.pattern.unique().tolist() if (held.pattern == k).sum() >= min_rows}
            t = torch.stack([of.get(k, pooled) for k in test.pattern.tolist()])
            return pooled, len(of), t[:, :1] * m + t[:, 1:]

        l, m = logits(held.p), logits(test.p)
        if case.kind == "multilabel":
            columns = [column(l[:, c:c + 1], held.y[:, c], m[:, c:c + 1]) for c in range(case.outputs)]
            pooled, count = columns[0][:2]
            out = torch.cat([z for _, _, z in columns], 1).sigmoid()
        else:
            pooled, count, z = column(l, held.y, m)
            out = z.softmax(1) if case.kind == "multiclass" else z.sigmoid()
        return out, dict(slope=pooled[0].item(), patterns=float(count))

    return fit


cases = Cases()
cases.add("binary", recalibration(min_rows=20), min_rows=20)
cases.add("pooled alone", recalibration(min_rows=1000), min_rows=1000)
cases.add("temperature", recalibration("temperature", 20, 1.0), form="temperature", min_rows=20, shrinkage=1.0)
cases.add("multiclass", recalibration(min_rows=20, shrinkage=2.0), kind="multiclass", min_rows=20, shrinkage=2.0)
cases.add("multiclass temperature", recalibration("temperature", 20), kind="multiclass", form="temperature", min_rows=20)
cases.add("multilabel", recalibration(min_rows=20), kind="multilabel", min_rows=20)
cases.write()
