"""Writes reference.json: M3Care, dense, in training and with a bank outside in PyTorch.

    venv/bin/python plugins/backbone/m3care/testdata/reference.py > plugins/backbone/m3care/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/backbone/backbonetest/testdata"))
from reference import ROWS, Reference

D, HEADS = 4, 2
r = Reference(hidden=D, heads=HEADS, bank=16)


def standardised(x, reference):
    return (x - reference.mean(0)) / (reference.var(0, unbiased=False) + 1e-5).sqrt()


def kernel(x, y, reference):
    n = len(reference)
    base = (torch.cdist(reference, reference) ** 2).sum().detach() / (n * n - n)
    distance = ((x[:, None] - y[None]) ** 2).sum(2)
    return sum(torch.exp(-distance / (base * b)) for b in (0.5, 1, 2)) / 3


def attention(name, x, heads):
    """x [n, tokens, D]."""
    q, k, v = (r.linear(f"{name}.{part}", x, D).reshape(*x.shape[:2], heads, -1).transpose(1, 2) for part in ("query", "key", "value"))
    y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return r.linear(name + ".merge", y.transpose(1, 2).reshape(x.shape), D)


def model(adjacency_of, e, has):
    n = len(has)
    total, both = torch.zeros(n, n), torch.zeros(n, n)
    norms = 0
    for m, name in enumerate(r.names):
        # Means, variances and bandwidths are over the first 16 rows that have it.
        at = has[:, m].bool()
        first = at.clone()
        first[ROWS:] = False
        projected = r.linear("space." + name, e[m], D)
        mix = torch.sigmoid(r.p("mix." + name, 1, 1))
        s = 0
        for x, weight in ((torch.relu(projected), 1 - mix), (e[m], mix)):
            z = standardised(x, x[first])
            s = s + weight * kernel(z, z, z[first])
        mask = torch.outer(at.double(), at.double())
        total, both = total + s * mask, both + mask
        norms = norms + (projected.norm(dim=1) - e[m].norm(dim=1))[at].abs().mean()
    adjacency = torch.relu(total / both.clamp(min=1) - torch.sigmoid(r.p("threshold", 1, 1))) * adjacency_of
    adjacency = adjacency / (adjacency.sum(1, keepdim=True) + 1e-8)
    tokens = []
    for m, name in enumerate(r.names):
        g = torch.relu(r.linear(f"convolution.{name}.0", adjacency @ e[m], D))
        g = torch.relu(r.linear(f"convolution.{name}.1", adjacency @ g, D))
        w, v = torch.sigmoid(r.linear("gate.made." + name, g, 1)), torch.sigmoid(r.linear("gate.own." + name, e[m], 1))
        token = torch.where(has[:, m : m + 1].bool(), (w * g + v * e[m]) / (w + v), g)
        tokens.append(token + r.p("type", 3, D)[m])
    x = torch.stack(tokens, 1)
    for layer, heads in (("layer0", HEADS), ("layer1", 1)):
        x = x + attention(layer + ".attention", r.norm(layer + ".attention.norm", x), heads)
        y = torch.nn.functional.gelu(r.linear(layer + ".network.wide", r.norm(layer + ".network.norm", x), 4 * D))
        x = x + r.linear(layer + ".network.narrow", y, D)
    return r.linear("out.1", torch.relu(r.linear("out.0", x.flatten(1), 2 * D)), r.width), norms


e = [r.e(m, D) for m in range(3)]
h, norms = model(torch.ones(ROWS, ROWS), e, r.has_all)
# After the training step the bank has its 16 rows: each row is linked to them and, once
# more, to itself.
links = torch.zeros(2 * ROWS, 2 * ROWS)
links[:, :ROWS] = 1
links[ROWS:, ROWS:] = torch.eye(ROWS)
evaluated, _ = model(links, [torch.cat([x, x]) for x in e], torch.cat([r.has_all, r.has_all]))
r.write(h, [("stabiliser", 0.1 * norms)], evaluated[ROWS:])
