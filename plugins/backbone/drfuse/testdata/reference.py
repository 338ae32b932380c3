"""Writes reference.json: DrFuse for any number of modalities in PyTorch.

    venv/bin/python plugins/backbone/drfuse/testdata/reference.py > plugins/backbone/drfuse/testdata/reference.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/backbone/backbonetest/testdata"))
from reference import ROWS, Reference

D, MARGIN = 6, 0.1
r = Reference(hidden=D)
F = torch.nn.functional


def mlp(name, x):
    return r.linear(name + ".1", torch.relu(r.linear(name + ".0", x, D)), D)


shared, distinct = [], []
for m, name in enumerate(r.names):
    e = r.e(m, D)
    shared.append(mlp("common", torch.relu(r.linear("shared." + name, e, D))))
    distinct.append(mlp("distinct." + name, e))

n = r.has_all.sum(1)
mean = sum(torch.sigmoid(s) * r.has[m][:, None] for m, s in enumerate(shared)) / n.clamp(min=1)[:, None]
rest = sum(torch.sigmoid(-s) * r.has[m][:, None] for m, s in enumerate(shared)) / n.clamp(min=1)[:, None]
pooled = torch.log(mean + 1e-12) - torch.log(rest + 1e-12)

tokens = torch.stack(distinct + [pooled], 1)
seen = torch.cat([r.has_all, torch.ones(ROWS, 1)], 1)
query = (r.linear("query", tokens, D) * seen[..., None]).sum(1) / seen.sum(1, keepdim=True)
scores = (query[:, None] * r.linear("key", tokens, D)).sum(2) / D**0.5
attention = torch.softmax(scores.masked_fill(seen == 0, float("-inf")), 1)
h = r.linear("out", (attention[..., None] * r.linear("value", tokens, D)).sum(1), r.width)

losses = [r.bce(r.linear("head." + name, distinct[m], 1)) for m, name in enumerate(r.names)]
losses.append(r.bce(r.linear("pooled.head", pooled, 1)))
branches = [("branch_" + name, losses[m][r.has[m]].mean()) for m, name in enumerate(r.names)]
branches.append(("branch", losses[3][n > 0].mean()))
orthogonal = sum(F.cosine_similarity(shared[m], distinct[m])[r.has[m]].abs().mean() for m in range(3))

several = [i for i in range(ROWS) if n[i] > 1]
divergence = 0
for i in several:
    # Pairs of outcomes, yes and no, of every column.
    p = torch.stack([torch.stack([torch.sigmoid(s[i]), torch.sigmoid(-s[i])]) for m, s in enumerate(shared) if r.has[m][i]])
    divergence += (p * (p / p.mean(0)).log()).sum(1).mean() / len(several)

hinges = []
for i in range(ROWS):
    for a in range(4):
        for b in range(a + 1, 4):
            if seen[i, a] and seen[i, b]:
                sign = torch.sign(losses[b][i] - losses[a][i]).detach()
                hinges.append(F.margin_ranking_loss(attention[i, a : a + 1], attention[i, b : b + 1], sign[None], margin=MARGIN))
r.write(h, [*branches, ("orthogonal", orthogonal), ("align", divergence), ("ranking", torch.stack(hinges).mean())])
