"""Writes reference.json: MulT, row by row, with a sequence in PyTorch.

    venv/bin/python plugins/backbone/mult/testdata/reference.py > plugins/backbone/mult/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/backbone/backbonetest/testdata"))
from reference import ROWS, Reference

D, HEADS, TOKENS, LAYERS = 4, 2, 3, 2
r = Reference(
    modalities=(("ecg", 3, 0), ("vitals", 2, 5), ("scan", 4, 0)),
    embed=D, heads=HEADS, tokens=TOKENS, layers=LAYERS, embed_dropout=0.0,
)
F = torch.nn.functional


def attention(name, x, y, merge="out"):
    d = x.shape[1]
    q, k, v = r.linear(name + ".query", x, d), r.linear(name + ".key", y, d), r.linear(name + ".value", y, d)
    q, k, v = (z.reshape(len(z), HEADS, -1).transpose(0, 1) for z in (q, k, v))
    return r.linear(f"{name}.{merge}", F.scaled_dot_product_attention(q, k, v).transpose(0, 1).reshape(x.shape), d)


def network(name, x):
    d = x.shape[1]
    return x + r.linear(name + ".narrow", F.gelu(r.linear(name + ".wide", r.norm(name + ".norm", x), 4 * d)), d)


position = torch.linspace(-1, 1, 5)[:, None]
angle = position * torch.linspace(1, 10 / 2, 2) * torch.pi
fourier = torch.cat([angle.sin(), angle.cos(), position], 1)


def tokens(i, m):
    name = "token." + r.names[m]
    if m == 1:
        steps = r.x[1][i, : r.lengths[1][i]]
        return r.linear(name, torch.cat([steps, fourier[: len(steps)]], 1), D)
    return r.linear(name, r.x[m][i], TOKENS * D).reshape(TOKENS, D)


rows = []
for i in range(ROWS):
    z = {m: tokens(i, m) for m in range(3) if r.has[m][i]}
    u = []
    for m, name in enumerate(r.names):
        if m not in z:
            u.append(torch.zeros(2 * D))
            continue
        parts = []
        for n, source in enumerate(r.names):
            if n == m:
                continue
            x = z[m]
            if n in z:
                for k in range(LAYERS):
                    layer = f"{name}.from.{source}.{k}"
                    x = x + attention(layer + ".attention", r.norm(layer + ".norm", x), r.norm("norm." + source, z[n]))
                    x = network(layer + ".network", x)
            parts.append(x)
        x = torch.cat(parts, 1)
        for k in range(LAYERS):
            layer = f"{name}.self.{k}"
            y = r.norm(layer + ".attention.norm", x)
            x = network(layer + ".network", x + attention(layer + ".attention", y, y, "merge"))
        u.append(x.mean(0))
    rows.append(torch.cat(u))
u = torch.stack(rows)
r.write(r.linear("out", u + r.linear("residual.1", torch.relu(r.linear("residual.0", u, u.shape[1])), u.shape[1]), r.width))
