"""What the reference.py of a strategy that mixes rows builds on: mixup's objective
for given partners and shares and a linear head, differentiated by autograd in float64.

    cases = Cases()
    add(cases, "binary", kind="binary", share=lambda b, g: torch.rand((), generator=g))
"""

import torch
import torch.nn.functional as F


def row_loss(kind, logits, y):
    if kind == "multiclass":
        return F.cross_entropy(logits, y[:, 0].long(), reduction="none")
    known = ~y.isnan()
    each = F.binary_cross_entropy_with_logits(logits, y.nan_to_num(), reduction="none")
    return (each * known).sum(1) / known.sum(1).clamp(min=1)


def add(cases, name, pair, **settings):
    """pair(b, generator) answers partner [n] and share [n] of a batch."""
    g = torch.Generator().manual_seed(len(cases.cases) + 77)
    drawn = []

    def objective(b):
        outputs = b.logits.shape[1]
        weights = torch.randn(b.h.shape[1], outputs, generator=g).float().double()
        partner, share = pair(b, g)
        share = share.float().double()
        drawn.append(dict(partner=partner.tolist(), share=share.tolist(), weights=weights.flatten().tolist()))
        s = share[:, None]
        mixed = (s * b.h + (1 - s) * b.h[partner]) @ weights
        both = share * row_loss(b.kind, mixed, b.y) + (1 - share) * row_loss(b.kind, mixed, b.y[partner])
        return both.mean()

    cases.add(name, objective, steps=(0, 1), **settings)
    for step, extra in zip(cases.cases[-1]["steps"], drawn, strict=True):
        step.update(extra)
