"""Writes reference.json: Flex-MoE, row by row and with dense experts in PyTorch.

    venv/bin/python plugins/backbone/flexmoe/testdata/reference.py > plugins/backbone/flexmoe/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/backbone/backbonetest/testdata"))
from reference import ROWS, Reference

D, HEADS, PATCHES, EXPERTS, TOP, LAYERS = 4, 2, 3, 4, 2, 3
r = Reference(hidden=D, heads=HEADS, patches=PATCHES, experts=EXPERTS, top=TOP, layers=LAYERS)
F = torch.nn.functional
# Combinations by size, descending; then the row without any modality.
NUMBER = {0b111: 0, 0b011: 1, 0b101: 2, 0b110: 3, 0b001: 4, 0b010: 5, 0b100: 6, 0b000: 7}
SIZE = 2  # of a patch: 4 columns and 2 of padding in 3 patches

e = [r.e(m, D) for m in range(3)]
bank = r.p("bank", 8 * 3 * PATCHES, D).reshape(8, 3, PATCHES, D)
position = r.p("position", 3 * PATCHES, D)
number = [NUMBER[sum(int(r.has[m][i]) << m for m in range(3))] for i in range(ROWS)]
x = []
for i in range(ROWS):
    for m, name in enumerate(r.names):
        if r.has[m][i]:
            x.append(r.linear("patch." + name, F.pad(e[m][i], (0, 2)).reshape(PATCHES, SIZE), D))
        else:
            x.append(bank[number[i], m])
x = torch.stack(x).reshape(ROWS, 3 * PATCHES, D) + position


def attention(name, x):
    q, k, v = (r.linear(f"{name}.{part}", x, D).reshape(ROWS, -1, HEADS, D // HEADS).transpose(1, 2) for part in ("query", "key", "value"))
    y = F.scaled_dot_product_attention(q, k, v)
    return r.linear(name + ".merge", y.transpose(1, 2).reshape(x.shape), D)


def variation(x):
    return x.var() / (x.mean() ** 2 + 1e-10)


loss = 0
for layer in range(LAYERS):
    name = f"layer{layer}"
    x = x + attention(name + ".attention", r.norm(name + ".attention.norm", x))
    if layer % 2 == 1:
        y = F.gelu(r.linear(name + ".network.wide", r.norm(name + ".network.norm", x), 2 * D))
        x = x + r.linear(name + ".network.narrow", y, D)
        continue
    z = r.norm(name + ".norm", x)
    scores = z @ r.p(name + ".scores", D, EXPERTS)
    top = scores.topk(TOP + 1, -1)
    kept = torch.zeros_like(scores).scatter(-1, top.indices[..., :TOP], 1.0)
    gates = torch.softmax(scores.masked_fill(kept == 0, float("-inf")), -1)
    outputs = []
    for k in range(EXPERTS):
        outputs.append(r.linear(f"{name}.expert.{k}.out", F.gelu(r.linear(f"{name}.expert.{k}.hidden", z, 2 * D)), D))
    x = x + sum(gates[..., k : k + 1] * outputs[k] for k in range(EXPERTS))
    # Equation 9 of Shazeer et al.: without noise the noisy scores are the scores.
    scale = F.softplus(z @ r.p(name + ".noise", D, EXPERTS)) + 1e-2
    bar = torch.where(kept > 0, top.values[..., TOP : TOP + 1], top.values[..., TOP - 1 : TOP])
    load = torch.distributions.Normal(0.0, 1.0).cdf((scores - bar) / scale)
    complete = torch.tensor([n == 0 for n in number])
    for v in (gates, load):
        loss = loss + variation(v[complete].sum((0, 1))) + variation(v[~complete].sum((0, 1))[1:])
    target = torch.tensor([1 + (n - 1) % (EXPERTS - 1) for n in number if n > 0])
    loss = loss + F.cross_entropy(scores[~complete].transpose(1, 2), target[:, None].expand(-1, 3 * PATCHES))

pooled = x.reshape(ROWS, 3, PATCHES, D).mean(2).flatten(1)
h = r.linear("out.1", torch.relu(r.linear("out.0", pooled, D)), r.width)
r.write(h, [("gate", 0.01 * loss)])
