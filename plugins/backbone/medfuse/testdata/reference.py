"""Writes reference.json: MedFuse, row by row in PyTorch.

    venv/bin/python plugins/backbone/medfuse/testdata/reference.py > plugins/backbone/medfuse/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/backbone/backbonetest/testdata"))
from reference import ROWS, Reference

D = 6
r = Reference(hidden=D)
steps = [r.linear("project." + name, r.e(m, D), D) for m, name in enumerate(r.names)]
# PyTorch has weights transposed and two biases, of which the second is zero here.
lstm = [r.p("lstm.in", D, 4 * D).T, r.p("lstm.state", D, 4 * D).T, r.p("lstm.bias", 1, 4 * D)[0], torch.zeros(4 * D)]
last = []
for i in range(ROWS):
    sequence = [steps[m][i] for m in range(3) if r.has[m][i]]
    state = torch.zeros(1, 1, D)
    if sequence:
        _, state, _ = torch.lstm(torch.stack(sequence)[None], (state, state), lstm, True, 1, 0.0, True, False, True)
    last.append(state[0, 0])
r.write(r.linear("out", torch.stack(last), r.width))
