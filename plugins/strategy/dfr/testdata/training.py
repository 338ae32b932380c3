"""Writes training.json: deep feature reweighting (DFR), plain training and then the
last layer anew. The validation rows are balanced as they are, so that every draw is
all of them.

    venv/bin/python plugins/strategy/dfr/testdata/training.py > plugins/strategy/dfr/testdata/training.json
"""

import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from training import Plain, Run, write


def refit(run, reg, steps=30000):
    """Proximal gradient with a fixed step, run until nothing moves."""
    with torch.no_grad():
        h = run.logits(run.held["x"])[0]
        mean, sd = h.mean(0), h.std(0, unbiased=False)
        x, y = (h - mean) / sd, run.held["labels"]
        w, b = torch.zeros(run.width, run.outputs), torch.zeros(run.outputs)
        step = 1 / (0.5 * torch.linalg.matrix_norm(torch.cat([x, torch.ones(len(x), 1)], 1), 2) ** 2 / len(x))
        target = y[:, None].double() if run.kind == "binary" else F.one_hot(y, run.outputs).double()
        for _ in range(steps):
            r = (run.probabilities(x @ w + b) - target) / len(x)
            w, b = w - step * (x.T @ r), b - step * r.sum(0)
            w = w.sign() * (w.abs() - step * reg).clamp(min=0)
        return lambda x: run.probabilities((run.logits(x)[0] - mean) / sd @ w + b)


def last_layer(reg):
    class LastLayer(Plain):
        def __init__(self, run):
            pass

        def predict(self, run):
            return refit(run, reg)(run.test["x"])

    return LastLayer


write({
    "binary": (Run(last_layer(0.1), 1), {}),
    "weak penalty": (Run(last_layer(0.005), 3), dict(regularisation=0.005, refits=2)),
    "multiclass": (Run(last_layer(0.03), 2, kind="multiclass"), dict(regularisation=0.03)),
})
