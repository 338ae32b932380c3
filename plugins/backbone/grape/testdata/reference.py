"""Writes reference.json: GRAPE in dense matrices, with the weights of concatenations whole in PyTorch.

    venv/bin/python plugins/backbone/grape/testdata/reference.py > plugins/backbone/grape/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/backbone/backbonetest/testdata"))
from reference import ROWS, Reference

D, COLUMNS, LAYERS = 5, 2, 3
r = Reference(modalities=(("labs", 3, -1), ("note", 2, 0), ("scan", 4, -1)), hidden=D, columns=COLUMNS, layers=LAYERS)
NODES = 3 + COLUMNS + 4

values = torch.cat([r.x[0][:, 0], r.e(1, COLUMNS), r.x[2][:, 0]], 1)
width = [3, COLUMNS, 4]
observed = torch.cat([r.has[m][:, None].expand(ROWS, width[m]) for m in range(3)], 1).double()
# Values are counted modality by modality, row by row; every third is left out.
left, count = torch.zeros(ROWS, NODES), 0
for m, first in enumerate((0, 3, 3 + COLUMNS)):
    for i in range(ROWS):
        for j in range(width[m] if r.has[m][i] else 0):
            left[i, first + j] = count % 3 == 0
            count += 1


def run(mask, frozen=None):
    """The states of rows and nodes, and the nodes after each layer."""
    rows, nodes = torch.ones(ROWS, D), r.p("nodes", NODES, D)
    edges, seen = values[..., None], []
    for i in range(LAYERS):
        name, edge = f"layer{i}.", edges.shape[2]
        message = torch.cat([r.p(name + "message.node", D, D), r.p(name + "message.edge", edge, D)])
        update = torch.cat([r.p(name + "update.message", D, D), r.p(name + "update.self", D, D)])

        def step(x, sent, mask):
            sent = torch.relu(torch.cat(sent, -1) @ message + r.p(name + "message.bias", 1, D))
            mean = (sent * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
            return torch.relu(torch.cat([mean, x], 1) @ update + r.p(name + "update.bias", 1, D))

        new_rows = step(rows, (nodes[None].expand(ROWS, NODES, D), edges), mask)
        new_nodes = step(nodes, (rows[None].expand(NODES, ROWS, D), edges.transpose(0, 1)), mask.T)
        rows, nodes = new_rows, new_nodes if frozen is None else frozen[i]
        seen.append(nodes)
        if i < LAYERS - 1:
            weight = torch.cat([r.p(name + "edge.row", D, D), r.p(name + "edge.node", D, D), r.p(name + "edge.edge", edge, D)])
            both = torch.cat([rows[:, None].expand(ROWS, NODES, D), nodes[None].expand(ROWS, NODES, D), edges], 2)
            edges = torch.relu(both @ weight + r.p(name + "edge.bias", 1, D))
    return rows, nodes, seen


rows, nodes, seen = run(observed * (1 - left))
i, j = (left * observed).nonzero(as_tuple=True)
table = (j < 3) | (j >= 3 + COLUMNS)
i, j = i[table], j[table]
guess = torch.relu(r.linear("impute.0", torch.cat([rows[i], nodes[j]], 1), D))
loss = ((r.linear("impute.1", guess, 1)[:, 0] - values[i, j]) ** 2).mean()
# The nodes of the training step are what eval mode is frozen at.
evaluated, _, _ = run(observed, [v.detach() for v in seen])
r.write(r.linear("out", rows, r.width), [("impute", loss)], r.linear("out", evaluated, r.width))
