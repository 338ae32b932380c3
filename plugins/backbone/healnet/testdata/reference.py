"""Writes reference.json: HEALNet, row by row, with a sequence in PyTorch.

    venv/bin/python plugins/backbone/healnet/testdata/reference.py > plugins/backbone/healnet/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/backbone/backbonetest/testdata"))
from reference import ROWS, Reference

D, LATENTS, LAYERS, HEADS = 4, 3, 2, 2
r = Reference(modalities=(("ecg", 3, 0), ("vitals", 2, 5), ("scan", 4, 0)), hidden=D, latents=LATENTS, layers=LAYERS, heads=HEADS)


def attention(name, x, context):
    if len(context) == 1 and "vitals" not in name:  # the softmax over one key is 1
        return r.linear(name + ".merge", r.linear(name + ".value", context, D), D)
    q, k, v = r.linear(name + ".query", x, D), r.linear(name + ".key", context, D), r.linear(name + ".value", context, D)
    q, k, v = (y.reshape(len(y), HEADS, -1).transpose(0, 1) for y in (q, k, v))
    y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return r.linear(name + ".merge", y.transpose(0, 1).reshape(len(x), D), D)


def network(name, x):
    return x + r.linear(name + ".narrow", torch.nn.functional.gelu(r.linear(name + ".wide", r.norm(name + ".norm", x), 4 * D)), D)


position = torch.linspace(-1, 1, 5)[:, None]
angle = position * torch.linspace(1, 10 / 2, 2) * torch.pi
fourier = torch.cat([angle.sin(), angle.cos(), position], 1)

means = []
for i in range(ROWS):
    x = r.p("latents", LATENTS, D)
    for layer in range(LAYERS):
        for m, name in enumerate(r.names):
            if r.has[m][i]:
                name = f"layer{layer}.{name}"
                tokens = r.x[m][i, : r.lengths[m][i]]
                if m == 1:
                    tokens = torch.cat([tokens, fourier[: len(tokens)]], 1)
                y = r.norm(name + ".norm", x) if m == 1 else None
                x = network(name + ".network", x + attention(name, y, tokens))
        name = f"layer{layer}.self"
        y = r.norm(name + ".attention.norm", x)
        x = network(name + ".network", x + attention(name + ".attention", y, y))
    means.append(x.mean(0))
r.write(r.linear("out", r.norm("norm", torch.stack(means)), r.width))
