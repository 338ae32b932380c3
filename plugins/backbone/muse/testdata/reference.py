"""Writes reference.json: MUSE in PyTorch, from the equations of the paper, with the
weights of concatenations whole.

    venv/bin/python plugins/backbone/muse/testdata/reference.py > plugins/backbone/muse/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/backbone/backbonetest/testdata"))
from reference import ROWS, Reference

D, TEMPERATURE = 6, 0.5
r = Reference(hidden=D, layers=3, temperature=TEMPERATURE)
F = torch.nn.functional


def layer(i, rows, nodes, edges, mask, last):
    """edges [rows, modalities, D], dense; mask [rows, modalities]."""
    n, m, _ = edges.shape
    name = f"layer{i}."
    message = torch.cat([r.p(name + "message.node", D, D), r.p(name + "message.edge", D, D)])
    update = torch.cat([r.p(name + "update.message", D, D), r.p(name + "update.self", D, D)])

    def step(x, sent, mask):
        agg = (torch.relu(sent @ message + r.p(name + "message.bias", 1, D)) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return torch.relu(torch.cat([agg, x], -1) @ update + r.p(name + "update.bias", 1, D))

    from_nodes = torch.cat([nodes[None].expand(n, m, D), edges], -1)
    from_rows = torch.cat([rows[:, None].expand(n, m, D), edges], -1)
    new_rows = step(rows, from_nodes, mask)
    if last:
        return new_rows, None, None
    new_nodes = step(nodes, from_rows.transpose(0, 1), mask.T)
    edge = torch.cat([r.p(name + part, D, D) for part in ("edge.row", "edge.node", "edge.edge")])
    both = torch.cat([new_rows[:, None].expand(n, m, D), new_nodes[None].expand(n, m, D), edges], -1)
    return new_rows, new_nodes, torch.relu(both @ edge + r.p(name + "edge.bias", 1, D))


def graph(mask):
    rows, nodes = torch.ones(ROWS, D), r.p("nodes", 3, D)
    edges = torch.stack([r.e(m, D) for m in range(3)], 1)
    for i in range(3):
        rows, nodes, edges = layer(i, rows, nodes, edges, mask, i == 2)
    return rows


# The second view of the test: every second row keeps its first modality only.
view = r.has_all.clone()
for i in range(0, ROWS, 2):
    observed = view[i].nonzero()[:, 0]
    view[i, observed[1:]] = 0

z, other = graph(r.has_all), graph(view)
u, v = (F.normalize(torch.tanh(r.linear("project", x, D)), dim=1) for x in (z, other))
s = u @ v.T / TEMPERATURE
same = (r.labels[:, None] == r.labels[None]).double()
own = torch.arange(ROWS)
bce = F.binary_cross_entropy_with_logits
r.write(
    r.linear("out", z, r.width),
    [
        ("contrast", 0.5 * 0.5 * (F.cross_entropy(s, own) + F.cross_entropy(s.T, own))),
        ("supervised", 0.5 * 0.25 * (2 * bce(u @ u.T / TEMPERATURE, same) + bce(s, same) + bce(s.T, same))),
    ],
)
