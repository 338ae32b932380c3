"""Writes the reference values of the tests with scikit-learn and SciPy.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install scikit-learn scipy
    /tmp/venv/bin/python host/stats/testdata/fixtures.py > host/stats/testdata/fixtures.json
"""

import json
import sys

import numpy as np
import scipy
import sklearn
from scipy import stats
from scipy.special import expit, logit
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(20260801)


def rounded(x, digits):
    return [round(float(v), digits) for v in np.ravel(x)]


def ece(y, p, w, bins):
    b = np.clip((p * bins).astype(int), 0, bins - 1)
    return sum(abs(np.sum((w * (y - p))[b == k])) for k in range(bins)) / w.sum()


def ece_mass(y, p, bins):
    """Equal counts, for scores without ties and a number of rows divisible by bins."""
    parts = np.array_split(np.argsort(p), bins)
    return sum(abs(np.sum(y[i] - p[i])) for i in parts) / len(p)


def calibration(y, p, w):
    eps = 2.0**-23
    x = logit(np.clip(p, eps, 1 - eps)).reshape(-1, 1)
    m = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10000, solver="newton-cholesky").fit(x, y, sample_weight=w)
    return float(m.coef_[0, 0]), float(m.intercept_[0])


def delong(y, p):
    """Structural components by definition, O(events x non-events)."""
    pos, neg = p[y == 1], p[y == 0]
    psi = (pos[:, None] > neg[None, :]) + 0.5 * (pos[:, None] == neg[None, :])
    return psi.mean(1), psi.mean(0)


def binary(n, digits, weighted, degenerate=False):
    z = rng.normal(size=n)
    y = (rng.uniform(size=n) < expit(1.5 * z - 1)).astype(float)
    p = np.array(rounded(expit(z - 0.7 + 0.8 * rng.normal(size=n)), digits))
    q = np.array(rounded(expit(1.2 * z - 0.7 + 0.8 * rng.normal(size=n)), digits))
    if degenerate:
        p[:3] = [0.0, 1.0, 1.0]
    w = np.array(rounded(rng.gamma(2, 1, size=n), 3)) if weighted else np.ones(n)
    slope, intercept = calibration(y, p, w)
    a10, a01 = delong(y, p)
    b10, b01 = delong(y, q)
    variance = lambda u, v: np.var(u, ddof=1) / len(u) + np.var(v, ddof=1) / len(v)
    d = np.mean(b10) - np.mean(a10)
    var = variance(b10 - a10, b01 - a01)
    return {
        "scores": p.tolist(),
        "other": q.tolist(),
        "labels": y.tolist(),
        "weights": w.tolist() if weighted else None,
        "auroc": metrics.roc_auc_score(y, p, sample_weight=w),
        "auprc": metrics.average_precision_score(y, p, sample_weight=w),
        "brier": metrics.brier_score_loss(y, p, sample_weight=w),
        "log_loss": metrics.log_loss(y, np.clip(p, 2.0**-23, 1 - 2.0**-23), sample_weight=w),
        "ece": ece(y, p, w, 15),
        "ece_mass": ece_mass(y, p, 10) if not weighted and len(set(p)) == n else None,
        "accuracy": metrics.accuracy_score(y, p >= 0.5, sample_weight=w),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, p >= 0.5, sample_weight=w),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "delong_variance": variance(a10, a01),
        "delong_difference": d,
        "delong_difference_variance": var,
        "delong_p": 2 * stats.norm.sf(abs(d) / np.sqrt(var)),
    }


def multiclass(n, classes, weighted):
    s = rng.normal(size=(n, classes))
    y = np.array([rng.choice(classes, p=np.exp(r) / np.exp(r).sum()) for r in 1.2 * s])
    p = np.exp(s + 0.5 * rng.normal(size=s.shape))
    p = np.round(p / p.sum(1, keepdims=True), 6)
    p[:, -1] = np.round(1 - p[:, :-1].sum(1), 6)
    w = np.array(rounded(rng.gamma(2, 1, size=n), 3)) if weighted else np.ones(n)
    top = p.max(1)
    right = (p.argmax(1) == y).astype(float)
    macro_ap = np.mean([metrics.average_precision_score(y == c, p[:, c], sample_weight=w) for c in range(classes)])
    macro_auc = np.mean([metrics.roc_auc_score(y == c, p[:, c], sample_weight=w) for c in range(classes)])
    if not weighted:
        assert abs(macro_auc - metrics.roc_auc_score(y, p, multi_class="ovr", average="macro")) < 1e-12
    onehot = np.eye(classes)[y]
    return {
        "classes": classes,
        "scores": p.ravel().tolist(),
        "labels": y.astype(float).tolist(),
        "weights": w.tolist() if weighted else None,
        "auroc": macro_auc,
        "auprc": macro_ap,
        "brier": float(np.average(((p - onehot) ** 2).sum(1), weights=w)),
        "log_loss": metrics.log_loss(y, p, sample_weight=w),
        "ece": ece(right, top, w, 15),
        "accuracy": metrics.accuracy_score(y, p.argmax(1), sample_weight=w),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, p.argmax(1), sample_weight=w),
    }


def wilcoxon(d, method):
    r = stats.wilcoxon(d, zero_method="wilcox", correction=False, method=method)
    return {"differences": np.ravel(d).tolist(), "statistic": float(r.statistic), "p": float(r.pvalue)}


def t_interval(values, confidence):
    values = np.array(values)
    low, high = stats.t.interval(confidence, len(values) - 1, values.mean(), stats.sem(values))
    return {"values": values.tolist(), "confidence": confidence, "mean": values.mean(), "low": low, "high": high}


def sign_flip(d):
    d = np.array(d)
    r = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided")
    return {"differences": d.tolist(), "p": float(r.pvalue)}


def adjusted(p):
    p = np.array(p)
    m, order = len(p), np.argsort(p)
    holm = np.empty(m)
    holm[order] = np.minimum(1, np.maximum.accumulate((m - np.arange(m)) * p[order]))
    return {"p": p.tolist(), "holm": holm.tolist(), "benjamini_hochberg": stats.false_discovery_control(p).tolist()}


normal = lambda n: rounded(rng.normal(0.3, 1, size=n), 4)
json.dump(
    {
        "versions": {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__},
        "binary": [
            binary(60, 6, False),
            binary(80, 1, False),
            binary(80, 1, True),
            binary(100, 3, True),
            binary(120, 4, False, degenerate=True),
        ],
        "multiclass": [multiclass(120, 3, False), multiclass(150, 4, True)],
        "wilcoxon": [
            wilcoxon(normal(3), "exact"),
            wilcoxon(normal(5), "exact"),
            wilcoxon([-0.1, -0.2, -0.3, -0.4, -0.5], "exact"),
            wilcoxon(normal(12), "exact"),
            wilcoxon(normal(25), "exact"),
            wilcoxon(normal(26), "approx"),
            wilcoxon(normal(60), "approx"),
            wilcoxon(rounded(rng.normal(0.2, 1, size=30), 0), "approx"),
            wilcoxon(rounded(rng.normal(0.2, 1, size=12), 0), "approx"),
            wilcoxon([0.0, 1.0, 2.5, -0.5, 3.0, 1.5], "approx"),
        ],
        "t_interval": [t_interval(normal(k), c) for k, c in [(2, 0.95), (3, 0.95), (5, 0.95), (10, 0.9)]],
        "sign_flip": [sign_flip(normal(5)), sign_flip([1, 2, -1, 3, 2, 2]), sign_flip(normal(11))],
        "correction": [
            adjusted([0.01, 0.04, 0.03, 0.005]),
            adjusted([0.5, 0.9, 0.02, 0.02, 1.0, 0.0001]),
            adjusted(rounded(rng.uniform(size=15) ** 3, 5)),
        ],
    },
    sys.stdout,
    separators=(",", ":"),
)
