"""Writes the reference values of the availability-guided split with NumPy.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy
    /tmp/venv/bin/python host/causal/testdata/separation.py > host/causal/testdata/separation.json
"""

import json

import numpy as np

rng = np.random.default_rng(20260901)
N, D, M, ME, P = 240, 4, 4, 1, 2


def data():
    u, w = rng.normal(size=N), rng.normal(size=(N, P))
    y = (rng.normal(size=N) + u > 0.8).astype(int) + (rng.normal(size=N) > 1.2)
    x = np.outer(u, [0.9, -0.6, 0, 0.3]) + np.outer(w[:, 0], [0.5, 0, 0.4, 0]) + rng.normal(size=(N, D))
    x = np.column_stack([x, x[:, 0] - 2 * x[:, 1]])  # one column depends on others
    delta = (rng.normal(size=(N, M)) + 1.2 * u[:, None] + 0.5 * w[:, [1]] + [0.8, 9, 0.2, 9] > 0).astype(int)
    delta[:, ME] = 1
    delta[:7, 3] = 0  # too few rows lack the last modality for it to count
    return np.round(x, 3), np.round(w, 3), y, delta


def residual(v, given):
    return v - given @ np.linalg.lstsq(given, v, rcond=1e-10)[0]


def roots(s, scale):
    values, vectors = np.linalg.eigh(s)
    keep = values > 1e-6 * scale
    v, values = vectors[:, keep], values[keep]
    return (v * np.sqrt(values)) @ v.T, (v / np.sqrt(values)) @ v.T, int(keep.sum())


def separate(x, w, y, delta, mechanism):
    n = len(x)
    ones = np.ones((n, 1))
    d = delta[:, [0, 2]].astype(float)
    given = np.hstack([ones, w] + ([np.eye(3)[y]] if mechanism == "label" else []))
    a, d = residual(x, given), residual(d, given)
    d /= np.sqrt((d * d).mean(0))
    root, inverse, rank = roots(a.T @ a / n, x.var(0).max())
    u, s, _ = np.linalg.svd(inverse @ a.T @ d / n, full_matrices=False)
    threshold = max(1.6 * np.sqrt(rank), np.sqrt(rank) + np.sqrt(d.shape[1]) + 1)
    threshold /= np.sqrt(n - np.linalg.matrix_rank(given))
    k = int((s > threshold).sum())
    read, write = u[:, :k].T @ inverse, u[:, :k].T @ root
    sign = np.sign(read[np.arange(k), np.abs(read).argmax(1)])[:, None]
    read, write = sign * read, sign * write
    mean = x.mean(0)
    c = np.cov(x.T, bias=True)
    keep = np.eye(x.shape[1]) - write.T @ read
    on = np.hstack([ones, w])
    expected = on @ np.linalg.lstsq(on, x, rcond=None)[0]
    return {
        "mechanism": mechanism, "covariates": w.shape[1], "directions": k, "singular": s.tolist(), "threshold": threshold,
        "erased": 1 - np.trace(keep @ c @ keep.T) / np.trace(c),
        "offset": (read @ mean).tolist(),
        "read": read.ravel().tolist(), "write": write.ravel().tolist(),
        "biased": ((x - expected) @ read.T)[:6].ravel().tolist(),
        "causal": (x - (x - mean) @ read.T @ write)[:6].ravel().tolist(),
    }


x, w, y, delta = data()
none = w[:, :0]
print(json.dumps({
    "width": x.shape[1], "modality": ME, "modalities": M, "classes": 3,
    "values": x.ravel().tolist(), "covariates": w.ravel().tolist(), "labels": y.tolist(),
    "availability": (delta @ (1 << np.arange(M))).tolist(),
    "cases": [separate(x, c, y, delta, m) for m in ("confounder", "label") for c in (none, w)],
}))
