"""Writes reference.json: mixup of representations, for drawn partners and shares.

    venv/bin/python plugins/strategy/mixup/testdata/reference.py > plugins/strategy/mixup/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from mixing import add
from reference import Cases


def pair(b, g):
    share = torch.distributions.Beta(torch.tensor(0.2), torch.tensor(0.2)).sample()
    return torch.randperm(len(b.rows), generator=g), share.expand(len(b.rows))


torch.manual_seed(5)
cases = Cases()
for kind in ("binary", "multiclass", "multilabel"):
    add(cases, kind, pair, kind=kind)
cases.write()
