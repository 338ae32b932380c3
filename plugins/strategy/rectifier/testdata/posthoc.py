"""Writes posthoc.json: the rectifier of prediction-powered inference by pattern.

    venv/bin/python plugins/strategy/rectifier/testdata/posthoc.py > plugins/strategy/rectifier/testdata/posthoc.json
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "sdk/strategy/strategytest/testdata"))
from posthoc import Cases


def rectifier(min_rows=30, clip=0.3):
    def fit(held, test, case):
        y = torch.nn.functional.one_hot(held.y.long(), case.outputs).double() if case.kind == "multiclass" else held.y.reshape(len(held.p), -1)
        gap = held.p - y

        def of(rows):
            known = ~gap[rows].isnan()
            n = known.sum(0)
            d = gap[rows].nan_to_num() * known
            mean = d.sum(0) / n.clamp(min=1)
            square = (((d - mean) * known) ** 2).sum(0)
            return mean, torch.where(n > 1, square / n.clamp(min=1) / (n - 1).clamp(min=1), 0.0), n

        everyone, spread, _ = of(torch.ones(len(gap), dtype=bool))
        delta, variance = {}, {}
        for k in held.pattern.unique().tolist():
            own, own_spread, n = of(held.pattern == k)
            share = (n / min_rows).clamp(max=1)
            delta[k] = (share * own + (1 - share) * everyone).clamp(-clip, clip)
            variance[k] = share**2 * own_spread + (1 - share) ** 2 * spread
        everyone = everyone.clamp(-clip, clip)
        out = torch.stack([(p - delta.get(k, everyone)).clamp(0, 1) for p, k in zip(test.p, test.pattern.tolist(), strict=True)])
        if case.kind == "multiclass":
            out = out / out.sum(1, keepdim=True)
        terms = dict(offset=everyone[0].item(), offset_se=spread[0].sqrt().item())
        for k in (1, 3, 7):
            f = test.p[test.pattern == k, 0]
            d, v = delta.get(k, everyone), variance.get(k, spread)
            if k in delta:
                terms[f"offset_pattern_{k}"] = d[0].item()
            terms[f"mean_pattern_{k}"] = (f.mean() - d[0]).item()
            terms[f"mean_se_pattern_{k}"] = (v[0] + f.var() / len(f)).sqrt().item()
        return out, terms

    return fit


cases = Cases()
cases.add("binary", rectifier())
cases.add("multiclass", rectifier(), kind="multiclass")
cases.add("multilabel", rectifier(), kind="multilabel")
cases.add("clipped", rectifier(5, 0.05), min_rows=5, clip=0.05)
cases.write()
