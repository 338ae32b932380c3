"""Writes the reference values of the tests with scikit-learn, SciPy and
statsmodels, and with NumPy from the papers where these have nothing.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install scikit-learn scipy statsmodels
    /tmp/venv/bin/python host/stats/testdata/fixtures.py > host/stats/testdata/fixtures.json
"""

import itertools
import json
import sys

import numpy as np
import scipy
import sklearn
import statsmodels
from scipy import integrate, optimize, stats
from scipy.special import expit, logit
from sklearn import metrics
from sklearn.linear_model import LogisticRegression
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

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


def brier_parts(y, p, w, bins):
    """Stephenson et al. 2008, eqs. 2 and 9 to 11, term by term."""
    rate, b = np.average(y, weights=w), np.clip((p * bins).astype(int), 0, bins - 1)
    parts = dict.fromkeys(("reliability", "resolution", "within_variance", "within_covariance"), 0.0)
    for k in np.unique(b):
        i = b == k
        share, f, o = w[i].sum() / w.sum(), np.average(p[i], weights=w[i]), np.average(y[i], weights=w[i])
        parts["reliability"] += share * (f - o) ** 2
        parts["resolution"] += share * (o - rate) ** 2
        parts["within_variance"] += share * np.average((p[i] - f) ** 2, weights=w[i])
        parts["within_covariance"] += share * 2 * np.average((p[i] - f) * (y[i] - o), weights=w[i])
    parts["uncertainty"] = rate * (1 - rate)
    total = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + parts["within_variance"] - parts["within_covariance"]
    assert abs(total - metrics.brier_score_loss(y, p, sample_weight=w)) < 1e-12
    return parts


def net_benefit(y, p, w, t):
    tn, fp, fn, tp = metrics.confusion_matrix(y, p >= t, sample_weight=w).ravel()
    everybody = np.average(y, weights=w) - (1 - np.average(y, weights=w)) * t / (1 - t)
    return {"threshold": t, "model": (tp - fp * t / (1 - t)) / w.sum(), "all": everybody}


def decision(case):
    y, p = np.array(case["labels"]), np.array(case["scores"])
    w = np.ones(len(y)) if case["weights"] is None else np.array(case["weights"])
    return {"brier_parts": brier_parts(y, p, w, 15), "net_benefit": [net_benefit(y, p, w, t) for t in (0.05, 0.1, 0.3, 0.5)]}


def friedman(values, exact):
    """values are [block][treatment], large ones are better."""
    values = np.array(values)
    n, k = values.shape
    ranks = np.array([stats.rankdata(-row) for row in values])
    statistic = float(stats.friedmanchisquare(*values.T).statistic)
    if exact:
        spread = lambda sums: ((sums - n * (k + 1) / 2) ** 2).sum()
        observed, hits, ways = spread(ranks.sum(0)), 0, 0
        for blocks in itertools.product(*[list(itertools.permutations(row)) for row in ranks]):
            hits, ways = hits + (spread(np.sum(blocks, 0)) >= observed - 1e-9), ways + 1
        p = hits / ways
    else:
        p = float(stats.f.sf((n - 1) * statistic / (n * (k - 1) - statistic), k - 1, (k - 1) * (n - 1)))
    se = np.sqrt(k * (k + 1) / (6 * n))
    means = ranks.mean(0)
    nemenyi = stats.studentized_range.sf(np.abs(means[:, None] - means[None, :]) / se * np.sqrt(2), k, np.inf)
    np.fill_diagonal(nemenyi, 1)
    return {
        "values": values.tolist(),
        "exact": exact,
        "mean_ranks": means.tolist(),
        "statistic": statistic,
        "p": p,
        "critical_difference": float(stats.studentized_range.ppf(0.95, k, np.inf) / np.sqrt(2) * se),
        "nemenyi_p": nemenyi.tolist(),
    }


def corrected_t(d, ratio):
    """Nadeau and Bengio 2003, eq. 12."""
    d = np.array(d)
    n, mean = len(d), np.mean(d)
    se = np.sqrt((1 / n + ratio) * np.var(d, ddof=1))
    p = stats.ttest_1samp(d, 0).pvalue if ratio == 0 else 2 * stats.t.sf(abs(mean) / se, n - 1)
    half = stats.t.ppf(0.975, n - 1) * se
    return {"differences": d.tolist(), "ratio": ratio, "low": mean - half, "high": mean + half, "p": float(p)}


def iqm(values):
    return {"values": values, "iqm": float(stats.trim_mean(values, 0.25))}


def improvement(strata):
    """strata are [stratum][seed][baseline, variant]; large is better."""
    share = lambda s: stats.mannwhitneyu(np.array(s)[:, 1], np.array(s)[:, 0]).statistic / len(s) ** 2
    p, k, z = float(np.mean([share(s) for s in strata])), len(strata), stats.norm.ppf(0.975)
    # Newcombe 2006, method 5, the variances of the strata added.
    ways = lambda t, n: t * (1 - t) * (1 + (n - 1) * ((1 - t) / (2 - t) + t / (1 + t))) / n**2
    square = lambda t: (t - p) ** 2 - z**2 * sum(ways(t, len(s)) for s in strata) / k**2
    return {
        "strata": strata,
        "probability": p,
        "low": float(optimize.brentq(square, 1e-12, p, xtol=1e-14)),
        "high": float(optimize.brentq(square, p, 1 - 1e-12, xtol=1e-14)),
    }


def power(n, effect, alpha):
    """The root to many digits by quadrature: scipy.stats.nct has holes far out."""
    critical, nu = stats.t.isf(alpha / 2, n - 1), n - 1

    def lacking(d):
        shift, limit = d * np.sqrt(n), [0, 1 + 12 / np.sqrt(nu)]
        f = lambda s: (stats.norm.sf(critical * s - shift) + stats.norm.cdf(-critical * s - shift)) * stats.chi.pdf(s * np.sqrt(nu), nu) * np.sqrt(nu)
        return integrate.quad(f, *limit, epsabs=1e-13, epsrel=1e-13, limit=500, points=[0.1, 0.5, 1])[0] - 0.8

    near = TTestPower().solve_power(None, n, alpha, 0.8)
    root = optimize.brentq(lacking, 0.9 * near, 1.1 * near, xtol=1e-13)
    assert abs(root / near - 1) < 1e-5
    return {
        "n": n,
        "effect": effect,
        "alpha": alpha,
        "power": float(TTestPower().power(effect, n, alpha)),
        "detectable": root,
    }


def noncentral(t, freedom, shift):
    return {"t": t, "freedom": freedom, "shift": shift, "cdf": float(stats.nct.cdf(t, freedom, shift))}


def hanley_mcneil(auroc, events, others):
    """Hanley and McNeil 1982, eq. 2 with Q1 and Q2 of the exponential model."""
    q1, q2 = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
    v = auroc * (1 - auroc) + (events - 1) * (q1 - auroc**2) + (others - 1) * (q2 - auroc**2)
    return {"auroc": auroc, "events": events, "non_events": others, "variance": v / (events * others)}


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
    assert np.allclose(holm, multipletests(p, method="holm")[1])
    assert np.allclose(stats.false_discovery_control(p), multipletests(p, method="fdr_bh")[1])
    return {"p": p.tolist(), "holm": holm.tolist(), "benjamini_hochberg": stats.false_discovery_control(p).tolist()}


normal = lambda n: rounded(rng.normal(0.3, 1, size=n), 4)
table = lambda n, k, digits=3: [rounded(0.8 + 0.02 * rng.normal(size=k) + 0.01 * np.arange(k), digits) for _ in range(n)]
cases = [
    binary(60, 6, False),
    binary(80, 1, False),
    binary(80, 1, True),
    binary(100, 3, True),
    binary(120, 4, False, degenerate=True),
]
json.dump(
    {
        "versions": {
            "scikit-learn": sklearn.__version__,
            "scipy": scipy.__version__,
            "numpy": np.__version__,
            "statsmodels": statsmodels.__version__,
        },
        "binary": cases,
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
        "decision": [decision(c) for c in cases],
        "friedman": [
            friedman(table(3, 3), True),
            friedman(table(4, 3, 2), True),
            friedman(table(3, 4), True),
            friedman([[0.1, 0.2, 0.3]] * 4, True),
            friedman(table(10, 4), False),
            friedman(table(12, 5, 2), False),
        ],
        "corrected_t": [corrected_t(normal(k), r) for k, r in [(5, 1 / 3), (10, 0.25), (3, 1.0), (2, 0.1), (5, 0)]],
        "iqm": [iqm(normal(k)) for k in (1, 3, 4, 10, 15)],
        "improvement": [
            improvement([[normal(2) for _ in range(5)] for _ in range(3)]),
            improvement([[rounded(normal(2), 0) for _ in range(4)], [normal(2)]]),
        ],
        "power": [power(*a) for a in [(2, 1.5, 0.05), (3, 1.0, 0.05), (5, 1.2, 0.05), (5, 1.2, 0.05 / 9), (10, 0.5, 0.01), (200, 0.2, 0.05)]],
        "noncentral": [noncentral(*a) for a in [(2.776, 4, 1.0), (-2.776, 4, 1.0), (12.7, 1, 3.0), (0.5, 2.4, -1.0), (3.1, 37.6, 2.2), (2.0, 2e4, 2.8)]],
        "hanley_mcneil": [hanley_mcneil(*a) for a in [(0.7, 30, 170), (0.86, 151, 1979), (0.5, 10, 10)]],
    },
    sys.stdout,
    separators=(",", ":"),
)
