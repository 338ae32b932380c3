"""Writes training.json: just train twice (JTT), a whole run of both models.

    venv/bin/python plugins/strategy/jtt/testdata/training.py > plugins/strategy/jtt/testdata/training.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from training import Plain, Run, write


def twice(first, upweight):
    class Twice(Plain):
        def __init__(self, run):
            self.weight = torch.ones(len(run.y))

        def stages(self, epochs):
            return {round(first * epochs): True}

        def begin(self, run, p):
            said = (p[:, 0] >= 0.5).long() if run.kind == "binary" else p.argmax(1)
            self.weight = torch.where(said == run.y, 1.0, upweight)

        def objective(self, run, b):
            w = self.weight[b.rows]
            return (w * b.loss).sum() / w.sum()

    return Twice


write({
    "binary": (Run(twice(0.5, 10.0), 1), {}),
    "multiclass": (Run(twice(0.3, 4.0), 2, kind="multiclass"), dict(first=0.3, upweight=4.0)),
})
