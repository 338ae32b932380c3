"""Writes reference.json: the masked transformer with pattern prompts, row by row in PyTorch.

    venv/bin/python plugins/backbone/prompts/testdata/reference.py > plugins/backbone/prompts/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/backbone/backbonetest/testdata"))
from reference import ROWS, Reference

D, HEADS, LAYERS = 4, 2, 2
r = Reference(hidden=D, heads=HEADS, layers=LAYERS, length=2)


def attention(name, x):
    q, k, v = (r.linear(f"{name}.{part}", x, D).reshape(len(x), HEADS, -1).transpose(0, 1) for part in ("query", "key", "value"))
    y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return r.linear(name + ".merge", y.transpose(0, 1).reshape(x.shape), D)


e = [r.e(m, D) for m in range(3)]
position = r.p("position", 4, D)
out = []
for i in range(ROWS):
    pattern = sum(int(r.has[m][i]) << m for m in range(3))
    x = [position[:1]] + [r.p(f"prompt.{k}.table", 8, D)[pattern : pattern + 1] for k in range(2)]
    for m, name in enumerate(r.names):
        if r.has[m][i]:
            x.append(r.linear("token." + name, e[m][i : i + 1], D) + position[m + 1])
    x = torch.cat(x)
    for layer in range(LAYERS):
        name = f"layer{layer}"
        x = x + attention(name + ".attention", r.norm(name + ".attention.norm", x))
        y = torch.nn.functional.gelu(r.linear(name + ".network.wide", r.norm(name + ".network.norm", x), 4 * D))
        x = x + r.linear(name + ".network.narrow", y, D)
    out.append(r.norm("norm", x)[0])
r.write(r.linear("out", torch.stack(out), r.width))
