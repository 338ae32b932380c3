"""Writes the reference values of the tests with SciPy, scikit-learn, statsmodels,
dcor, PySensemakr and DoWhy; what none of them has is written out here from its paper.

    python3 -m venv /tmp/fixtures    # Python 3.11
    /tmp/fixtures/bin/pip install numpy==2.4.6 scipy==1.15.3 scikit-learn==1.9.1 statsmodels==0.15.0 dcor==0.7 pysensemakr==0.0.8 dowhy==0.14
    /tmp/fixtures/bin/python host/diagnose/testdata/fixtures.py > host/diagnose/testdata/fixtures.json
"""

import json
import sys
from importlib import metadata

import dcor
import dowhy
import numpy as np
import scipy
import sensemakr
import sklearn
import statsmodels
import statsmodels.api as sm
from dowhy.causal_refuters.evalue_sensitivity_analyzer import EValueSensitivityAnalyzer
from scipy import integrate, optimize, stats
from scipy.special import expit, logit, polygamma, psi
from sklearn import metrics
from sklearn.feature_selection import _mutual_info
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(20261125)


def rounded(x, digits=4):
    return np.round(np.asarray(x, float), digits) + 0.0


def flat(x):
    return [None if np.isnan(v) else float(v) for v in np.ravel(np.asarray(x, float))]


def logit_fits():
    out = []
    for weighted, offset in ((False, False), (True, False), (False, True)):
        n = 150
        x = rounded(rng.normal(size=(n, 3)))
        y = (rng.uniform(size=n) < expit(x @ [0.8, -0.5, 0.2] - 0.7)).astype(float)
        o = rounded(rng.normal(size=n)) if offset else np.zeros(n)
        w = rounded(rng.gamma(2, 1, size=n), 2) if weighted else np.ones(n)
        cluster = np.arange(n) // 3
        fit = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial(), offset=o, freq_weights=w).fit(tol=1e-14, maxiter=200)
        case = dict(x=flat(x), y=flat(y), weights=flat(w), offset=flat(o), clusters=cluster.tolist(),
                    coefficients=flat(fit.params), covariance=flat(fit.cov_params()),
                    log_likelihood=float(np.sum(w * (y * (fit.params[0] + x @ fit.params[1:] + o) - np.logaddexp(0, fit.params[0] + x @ fit.params[1:] + o)))))
        if not weighted and not offset:
            robust = sm.Logit(y, sm.add_constant(x)).fit(method="newton", tol=1e-14, disp=0, cov_type="cluster",
                                                         cov_kwds=dict(groups=cluster, use_correction=False))
            case["robust"] = flat(robust.cov_params())
        ridge = LogisticRegression(C=0.5, tol=1e-12, max_iter=10000, solver="newton-cholesky")
        if not offset:
            ridge.fit(x, y, sample_weight=w)
            case["ridge"] = flat(np.r_[ridge.intercept_, ridge.coef_[0]])
        out.append(case)
    return out


def propensity():
    n = 300
    w = rounded(rng.normal(size=(n, 3)) * [1, 5, 0.3] + [0, 60, 2])
    a = (rng.uniform(size=n) < expit(1.4 * w[:, 0] + 0.1 * (w[:, 1] - 60) + 0.8)).astype(float)
    folds = rng.integers(0, 5, size=n)
    p = np.zeros(n)
    for k in range(5):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1, tol=1e-12, max_iter=10000, solver="newton-cholesky"))
        p[folds == k] = model.fit(w[folds != k], a[folds != k]).predict_proba(w[folds == k])[:, 1]
    slope = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10000, solver="newton-cholesky").fit(logit(p)[:, None], a)
    weight = np.where(a == 1, a.mean() / p, (1 - a.mean()) / (1 - p))
    kish = lambda v: v.sum() ** 2 / (v**2).sum()
    edges = np.linspace(0, 1, 51)
    f1, _ = np.histogram(p[a == 1], edges)
    f0, _ = np.histogram(p[a == 0], edges)
    twentieths = [np.histogram(p[a == kind], np.linspace(0, 1, 21))[0].tolist() for kind in (1, 0)]
    one, zero = w[a == 1], w[a == 0]
    scale = np.sqrt((one.var(axis=0, ddof=1) + zero.var(axis=0, ddof=1)) / 2)
    smd = (one.mean(axis=0) - zero.mean(axis=0)) / scale
    after = (np.average(one, axis=0, weights=weight[a == 1]) - np.average(zero, axis=0, weights=weight[a == 0])) / scale
    return dict(
        x=flat(w), available=flat(a), folds=folds.tolist(), propensity=flat(p), auroc=metrics.roc_auc_score(a, p),
        brier=metrics.brier_score_loss(a, p), slope=float(slope.coef_[0, 0]), outside=float(np.mean((p < 0.05) | (p > 0.95))),
        quantiles=flat(np.quantile(p, [0, 0.01, 0.99, 1], method="interpolated_inverted_cdf")),
        overlap=float(np.minimum(f1 / f1.sum(), f0 / f0.sum()).sum()), histogram=twentieths, weights=flat(weight),
        effective=[kish(weight), kish(weight[a == 1]), kish(weight[a == 0])], heaviest=float(weight.max() / weight.sum()),
        smd=flat(smd), weighted_smd=flat(after), variance_ratio=flat(one.var(axis=0, ddof=1) / zero.var(axis=0, ddof=1)))


def association():
    out = []
    for rows, columns in ((2, 2), (4, 2), (5, 3)):
        n = 120
        a = rng.integers(0, rows, size=n)
        b = (a + rng.integers(0, 3, size=n)) % columns
        table = np.zeros((rows, columns))
        np.add.at(table, (a, b), 1)
        chi = stats.chi2_contingency(table, correction=False)
        out.append(dict(a=a.tolist(), b=b.tolist(), information=mutual_info_score(a, b), chi_square=float(chi.statistic),
                        df=int(chi.dof), p=float(chi.pvalue), cramers_v=float(stats.contingency.association(table.astype(int), method="cramer"))))
    return out


def ratios():
    out = []
    for a, b, c, d in ((20, 80, 10, 190), (3, 40, 9, 60)):
        t = sm.stats.Table2x2(np.array([[a, b], [c, d]]))
        risk, odds = t.riskratio_confint(), t.oddsratio_confint()
        out.append(dict(cells=[a, b, c, d], risk=[t.riskratio, *map(float, risk)], odds=[t.oddsratio, *map(float, odds)]))
    return out


def adjusted():
    n = 250
    x = rounded(rng.normal(size=(n, 2)))
    t = (rng.uniform(size=n) < expit(x[:, 0])).astype(float)
    y = (rng.uniform(size=n) < expit(-0.5 + x[:, 0] - 0.4 * t)).astype(float)
    fit = sm.Logit(y, sm.add_constant(np.c_[t, x])).fit(method="newton", tol=1e-14, disp=0)
    low, high = fit.conf_int()[1]
    doubled = np.c_[x, x[:, 0] * 2 + 1]  # a column that repeats another
    return dict(exposure=flat(t), y=flat(y), x=flat(doubled), width=3, odds=[float(np.exp(v)) for v in (fit.params[1], low, high)])


def em(x, steps=200000, tolerance=1e-13):
    """Row by row, straight from Little and Rubin."""
    n, p = x.shape
    seen = ~np.isnan(x)
    mu = np.nanmean(x, axis=0)
    sigma = np.diag(np.nanvar(x, axis=0))
    for _ in range(steps):
        full, extra = np.where(seen, x, 0.0), np.zeros((p, p))
        for i in range(n):
            o, m = seen[i], ~seen[i]
            if m.any():
                b = np.linalg.solve(sigma[np.ix_(o, o)], sigma[np.ix_(o, m)])
                full[i, m] = mu[m] + (x[i, o] - mu[o]) @ b
                extra[np.ix_(m, m)] += sigma[np.ix_(m, m)] - sigma[np.ix_(m, o)] @ b
        new = full.mean(axis=0)
        cov = ((full - new).T @ (full - new) + extra) / n
        moved = max(abs(new - mu).max(), abs(cov - sigma).max())
        mu, sigma = new, cov
        if moved < tolerance:
            return mu, sigma
    raise RuntimeError("EM does not settle")


def little():
    out = []
    for kind in ("mcar", "mar"):
        n, p = 120, 3
        x = rng.normal(size=(n, p)) @ np.array([[1, 0.5, 0.3], [0, 1, 0.4], [0, 0, 1]]) * [1, 10, 0.1] + [0, 100, 1]
        x = rounded(x)
        hide = rng.uniform(size=(n, p)) < 0.2
        hide[:, 0] = False
        if kind == "mar":
            hide[:, 1] = x[:, 0] > 0.8
        x[hide] = np.nan
        mu, sigma = em(x)
        seen = ~np.isnan(x)
        d2, df = 0.0, -p
        patterns = np.unique(seen, axis=0)
        for o in patterns:
            rows = (seen == o).all(axis=1)
            d = x[rows][:, o].mean(axis=0) - mu[o]
            d2 += rows.sum() * d @ np.linalg.solve(sigma[np.ix_(o, o)], d)
            df += o.sum()
        out.append(dict(x=flat(x), width=p, statistic=float(d2), df=int(df), p=float(stats.chi2.sf(d2, df)), patterns=len(patterns),
                        mean=flat(mu), covariance=flat(sigma)))
    return out


def gaussian(x):
    d = ((x[:, None] - x[None]) ** 2).sum(-1)
    return np.exp(-d / np.median(d[np.triu_indices(len(x), 1)]))


def dependence():
    out = []
    for n, wx, wy, strength in ((40, 2, 3, 1.0), (41, 1, 1, 0.5), (30, 4, 2, 0.0)):
        x = rounded(rng.normal(size=(n, wx)))
        y = rounded(strength * (x[:, :1] ** 2 + x[:, -1:]) + rng.normal(size=(n, wy)))
        h = np.eye(n) - 1 / n
        k, l = gaussian(x), gaussian(y)
        hsic = lambda a, b: np.trace(a @ h @ b @ h)
        cka = lambda a, b: hsic(a, b) / np.sqrt(hsic(a, a) * hsic(b, b))
        dx = np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))
        dy = np.sqrt(((y[:, None] - y[None]) ** 2).sum(-1))
        joint = np.maximum(dx, dy) + np.diag([np.inf] * n)
        radius = np.sort(joint, axis=1)[:, 2]
        nx, ny = (dx < radius[:, None]).sum(1) - 1, (dy < radius[:, None]).sum(1) - 1
        ksg = psi(3) + psi(n) - np.mean(psi(nx + 1) + psi(ny + 1))
        case = dict(x=flat(x), wx=wx, y=flat(y), wy=wy, hsic=float(hsic(k, l) / n**2), kernel_cka=float(cka(k, l)),
                    linear_cka=float(cka(x @ x.T, y @ y.T)), distance_correlation=float(dcor.distance_correlation(x, y)), information=float(ksg))
        if wx == wy == 1:  # scikit-learn has the estimator for single columns, cut off at 0
            theirs = _mutual_info._compute_mi_cc(x[:, 0], y[:, 0], 3)
            assert ksg < 0 or abs(theirs - ksg) < 1e-12, (theirs, ksg)
        out.append(case)
    return out


def probe():
    n = 200
    h = rounded(rng.normal(size=(n, 4)))
    y = (rng.uniform(size=n) < expit(h[:, 0] * 1.2)).astype(float)
    held = np.arange(n) % 10 >= 7
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1, tol=1e-12, max_iter=10000, solver="newton-cholesky"))
    model.fit(h[~held], y[~held])
    return dict(h=flat(h), width=4, target=flat(y), held=held.tolist(), auroc=metrics.roc_auc_score(y[held], model.predict_proba(h[held])[:, 1]))


def residual():
    n = 400
    level = rng.choice(["a", "b", "c", "d"], size=n, p=[0.5, 0.3, 0.18, 0.02])
    p = rounded(np.clip(expit(rng.normal(size=n) - 0.5), 0.01, 0.99))
    y = (rng.uniform(size=n) < expit(logit(p) + np.where(level == "b", 1.2, 0))).astype(float)
    merged = np.where(level == "d", "pooled", level)
    dummies = np.stack([merged == k for k in ("a", "b", "c", "pooled")], axis=1).astype(float)
    glm = lambda x: sm.GLM(y, x, family=sm.families.Binomial(), offset=logit(p)).fit(tol=1e-14, maxiter=200)
    null, full = glm(np.ones((n, 1))), glm(dummies)
    lr = float(null.deviance - full.deviance)
    # The score test of the dummies with the sandwich variance of groups of rows: the information removes the common
    # shift from the scores.
    cluster = np.arange(n) // 2
    fitted = null.fittedvalues
    x = np.c_[np.ones(n), dummies[:, 1:]]
    score = x * (y - fitted)[:, None]
    info = (x * (fitted * (1 - fitted))[:, None]).T @ x
    project = np.c_[-(info[1:, :1] / info[0, 0]), np.eye(3)]
    grouped = np.stack([score[cluster == k].sum(axis=0) for k in np.unique(cluster)])
    u = project @ score.sum(axis=0)
    robust = float(u @ np.linalg.solve(project @ grouped.T @ grouped @ project.T, u))
    return dict(scores=flat(p), labels=flat(y), levels=level.tolist(), statistic=lr, df=3, p=float(stats.chi2.sf(lr, 3)),
                clusters=cluster.tolist(), score=robust, clustered=float(stats.chi2.sf(robust, 3)),
                common=float(null.params[0]), shifts=flat(full.params))


def calibration():
    n = 300
    p = rounded(expit(rng.normal(size=n)), 3)
    y = (rng.uniform(size=n) < expit(0.3 + 0.7 * logit(p))).astype(float)
    fit = sm.Logit(y, sm.add_constant(logit(p))).fit(method="newton", tol=1e-14, disp=0)
    b = np.clip((p * 15).astype(int), 0, 14)
    rel = sum(np.mean(b == k) * (p[b == k].mean() - y[b == k].mean()) ** 2 for k in np.unique(b))
    res = sum(np.mean(b == k) * (y[b == k].mean() - y.mean()) ** 2 for k in np.unique(b))
    ci = fit.conf_int()
    return dict(scores=flat(p), labels=flat(y), intercept=[float(fit.params[0]), *map(float, ci[0])], slope=[float(fit.params[1]), *map(float, ci[1])],
                large=float(y.mean() - p.mean()), reliability=float(rel), resolution=float(res), uncertainty=float(y.mean() * (1 - y.mean())))


def factual():
    p, q = rounded(rng.uniform(0.02, 0.98, size=30)), rounded(rng.uniform(0.02, 0.98, size=30))
    a, b = rng.dirichlet([1, 1, 1], size=20), rng.dirichlet([1, 1, 1], size=20)
    two = lambda v: np.stack([v, 1 - v], 1)
    return [dict(p=flat(p), q=flat(q), outputs=1, mean=float(np.mean(abs(p - q))), kl=float(np.mean([stats.entropy(u, v) for u, v in zip(two(p), two(q))]))),
            dict(p=flat(a), q=flat(b), outputs=3, mean=float(np.mean(abs(a - b))), kl=float(np.mean([stats.entropy(u, v) for u, v in zip(a, b)])))]


def stress():
    n = 50
    p, y = rounded(rng.uniform(0.02, 0.98, size=n)), rng.integers(0, 2, size=n).astype(float)
    loss = np.sort(-(y * np.log(p) + (1 - y) * np.log(1 - p)))[::-1]
    # 12.5 rows: conditional value at risk as the minimum over eta (Rockafellar and Uryasev)
    cvar = optimize.minimize_scalar(lambda eta: eta + np.maximum(loss - eta, 0).mean() / 0.25, bounds=(0, 5), method="bounded", options=dict(xatol=1e-12))
    t, f, g = np.linspace(0, 1, 6), rounded(np.linspace(0.9, 0.6, 6) + rng.normal(size=6) * 0.01), rounded(np.linspace(0.85, 0.5, 6))
    level = rng.choice(["a", "b"], size=n, p=[0.7, 0.3])
    alphas = [0, 0.5, 1]
    target = dict(a=0.2, b=0.8)
    values = []
    for alpha in alphas:
        share = {k: np.mean(level == k) for k in target}
        w = np.array([((1 - alpha) * share[k] + alpha * target[k]) / share[k] for k in level])
        values.append(float(np.average((p - y) ** 2, weights=w)))
    return dict(scores=flat(p), labels=flat(y), share=0.25, worst=float(cvar.fun), noise=flat(t), metric=flat(f), reference=flat(g),
                relative=float(integrate.trapezoid(f, t) / (t[-1] - t[0])), effective=float(np.sum(f - (g + f[0] - g[0]))),
                levels=level.tolist(), target=target, alphas=alphas, values=values, slope=float(stats.linregress(alphas, values).slope))


def hanley():
    """The variance of the Mann-Whitney statistic of exponential scores, rates 1 and r, by integration."""
    r, m, n = 0.15, 21, 34
    upper = lambda k: integrate.quad(lambda v: np.exp(-v) * np.exp(-r * v) ** k, 0, np.inf)[0]  # k events above one non-event
    both = integrate.quad(lambda v: r * np.exp(-r * v) * (1 - np.exp(-v)) ** 2, 0, np.inf)[0]  # one event above two
    theta = upper(1)
    return dict(auroc=theta, events=m, non_events=n,
                variance=(theta * (1 - theta) + (m - 1) * (upper(2) - theta**2) + (n - 1) * (both - theta**2)) / (m * n))


def cinelli():
    out = []
    for n, effect in ((80, 0.8), (60, 0.1), (12, 60.0)):
        x = rng.normal(size=(n, 2))
        d = x[:, 0] * 0.4 + rng.normal(size=n)
        y = effect * d + x @ [0.4, 0.5] + rng.normal(size=n)
        full = sm.OLS(y, sm.add_constant(np.c_[d, x])).fit()
        exposure = sm.OLS(d, sm.add_constant(x)).fit()
        r2 = lambda fit, j: float(fit.tvalues[j] ** 2 / (fit.tvalues[j] ** 2 + fit.df_resid))
        est, se, df = float(full.params[1]), float(full.bse[1]), int(full.df_resid)
        t = est / se
        case = dict(estimate=est, se=se, df=df, partial_r2=float(sensemakr.partial_r2(t_statistic=t, dof=df)),
                    robustness=[np.ravel(sensemakr.robustness_value(t_statistic=t, dof=df, q=q, alpha=1.0)).item() for q in (1, 0.5)],
                    interval=np.ravel(sensemakr.robustness_value(t_statistic=t, dof=df, q=1, alpha=0.05)).item(), outcome=0.1, exposure=0.2,
                    bias=float(sensemakr.bias(r2dz_x=0.2, r2yz_dx=0.1, se=se, dof=df)),
                    adjusted=float(sensemakr.adjusted_estimate(r2dz_x=0.2, r2yz_dx=0.1, estimate=est, se=se, dof=df)),
                    adjusted_se=float(sensemakr.adjusted_se(r2dz_x=0.2, r2yz_dx=0.1, se=se, dof=df)),
                    covariate=[r2(exposure, 1), r2(full, 2)])
        if effect < 1:
            bound = sensemakr.ovb_partial_r2_bound(r2dxj_x=[case["covariate"][0]], r2yxj_dx=[case["covariate"][1]], benchmark_covariates=["x1"], kd=1, ky=1)
            case["bound"] = [float(bound["r2yz_dx"].iloc[0]), float(bound["r2dz_x"].iloc[0])]
        out.append(case)
    return out


def austen():
    n, bias = 40, 0.3
    g = rounded(rng.uniform(0.1, 0.9, size=n))
    t = (rng.uniform(size=n) < g).astype(float)
    q = rng.normal(size=n)
    y = q + rng.normal(size=n)
    q, y = rounded(q), rounded(y)
    points = []
    for alpha in (0.05, 0.2, 0.5):
        k = 1 / alpha - 1
        # Moments of the logit of the propensity given t, by integration of its Beta law.
        def moment(a, b, order):
            log = lambda u: a * u - (a + b) * np.logaddexp(0, u)  # density of u = logit, not normalised
            # Analytic in a strip and gone at both ends: the sum over equal steps is exact but for exp(-2π²/step).
            grid = np.linspace(-600, 600, 12001)
            v = np.exp(log(grid) - log(grid).max())
            return np.sum(v * grid**order) / np.sum(v)
        gap, variance = [], []
        for gi, ti in zip(g, t):
            gap.append(moment(gi * k + 1, (1 - gi) * k, 1) - moment(gi * k, (1 - gi) * k + 1, 1))
            a, b = gi * k + ti, (1 - gi) * k + 1 - ti
            variance.append(moment(a, b, 2) - moment(a, b, 1) ** 2)
        delta = bias / np.mean(gap)
        points.append(dict(alpha=alpha, r2=float(delta**2 * np.mean(variance) / np.mean((y - q) ** 2))))
    return dict(propensity=flat(g), exposure=flat(t), outcome=flat(y), model=flat(q), bias=bias, points=points)


def rosenbaum():
    out = []
    for n, shift, digits in ((40, 0.6, 4), (30, 0.8, 1), (20, 0.0, 4)):
        d = rounded(rng.normal(size=n) + shift, digits)
        nonzero = d[d != 0]
        r = stats.rankdata(abs(nonzero))

        def bound(gamma):
            p = gamma / (1 + gamma)
            return stats.norm.sf((r[nonzero > 0].sum() - p * r.sum()) / np.sqrt(p * (1 - p) * (r**2).sum()))

        gamma = optimize.brentq(lambda v: bound(v) - 0.05, 1, 1e6, xtol=1e-13) if bound(1) < 0.05 else 1.0
        # At 1 the bound is the ordinary test; scipy's tie correction is the same sum of squared ranks.
        plain = stats.wilcoxon(nonzero, alternative="greater", method="approx", correction=False)
        assert abs(plain.pvalue - bound(1)) < 1e-12
        out.append(dict(differences=flat(d), p=[float(bound(v)) for v in (1, 1.5, 3)], gamma=float(gamma)))
    return out


def welch():
    rng = np.random.default_rng(20261126)
    n = 80
    x = np.c_[rounded(rng.normal(size=n)), rounded(rng.gamma(2, 3, size=n)), rng.integers(0, 2, size=n)]
    a = (rng.uniform(size=n) < expit(x[:, 0])).astype(float)
    t = stats.ttest_ind(x[a == 1], x[a == 0], equal_var=False)
    return dict(x=flat(x), width=3, available=flat(a), t=flat(t.statistic), df=flat(t.df), p=flat(t.pvalue))


def vclub():
    """CLUB with a normal q whose mean is linear, fitted by scikit-learn on the even rows."""
    rng = np.random.default_rng(20261127)
    out = []
    for strength in (0.0, 1.0):
        n, wx, wy = 60, 3, 2
        x = rounded(rng.normal(size=(n, wx)))
        y = rounded(strength * x[:, :2] + rng.normal(size=(n, wy)))
        even, odd = np.arange(0, n, 2), np.arange(1, n, 2)
        scaler = StandardScaler().fit(x[even])
        a, b = scaler.transform(x[even]), scaler.transform(x[odd])
        model = Ridge(alpha=1e-3 * len(even), solver="cholesky").fit(a, y[even])
        sd = np.sqrt(((y[even] - model.predict(a)) ** 2).mean(axis=0))
        q = stats.norm.logpdf(y[odd][None], model.predict(b)[:, None], sd).sum(-1)  # q[i, j] = log q(y_j | x_i)
        out.append(dict(x=flat(x), wx=wx, y=flat(y), wy=wy, bound=float(np.diag(q).mean() - q.mean())))
    return out


def paired():
    rng = np.random.default_rng(20261128)
    out = []
    for shift in (0.4, -0.3, 0.0):
        d = rounded(rng.normal(size=60) + shift)
        smd = d.mean() / d.std(ddof=1)
        e = EValueSensitivityAnalyzer._evalue_MD(DOWHY, abs(smd), np.sqrt(1 / 60 + smd**2 / 120))
        p = stats.wilcoxon(d, method="approx", correction=False).pvalue
        out.append(dict(differences=flat(d), e_value=float(e["evalue_estimate"]), limit=float(e["evalue_lower_ci"]), p=float(p)))
    return out


DOWHY = object.__new__(EValueSensitivityAnalyzer)


def sensitivity():
    rng = np.random.default_rng(20261129)
    n = 400
    x = rounded(rng.normal(size=(n, 2)) * [1, 3])
    u = rng.normal(size=n)
    t = (rng.uniform(size=n) < expit(0.8 * x[:, 0] - 0.1 * x[:, 1] + u)).astype(float)
    y = (rng.uniform(size=n) < expit(-0.5 + 0.5 * x[:, 0] + u)).astype(float)

    def odds(columns):
        fit = sm.Logit(y, sm.add_constant(np.c_[t, columns])).fit(method="newton", tol=1e-14, disp=0)
        return [float(np.exp(v)) for v in (fit.params[1], *fit.conf_int()[1])]

    full = odds(x)
    e = EValueSensitivityAnalyzer._evalue_OR(DOWHY, *full, rare=False)
    observed = []
    for j in range(2):
        fewer = EValueSensitivityAnalyzer._evalue_OR(DOWHY, *odds(np.delete(x, j, axis=1)), rare=False)
        observed.append(float(EValueSensitivityAnalyzer._observed_covariate_e_value(DOWHY, e["converted_lower_ci"], fewer["converted_lower_ci"])))
    outcome, exposure = sm.OLS(y, sm.add_constant(np.c_[t, x])).fit(), sm.OLS(t, sm.add_constant(x)).fit()
    r2 = lambda fit, j: float(fit.tvalues[j] ** 2 / (fit.tvalues[j] ** 2 + fit.df_resid))
    rv = lambda alpha: np.ravel(sensemakr.robustness_value(t_statistic=float(outcome.tvalues[1]), dof=int(outcome.df_resid), q=1, alpha=alpha)).item()
    j = int(np.argmax([r2(exposure, 1), r2(exposure, 2)]))

    def scores(columns):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1, tol=1e-12, max_iter=10000, solver="newton-cholesky"))
        return model.fit(columns, t).predict_proba(columns)[:, 1]

    g, fewer = scores(x), scores(np.delete(x, j, axis=1))
    alpha = max(0.01, 1 - np.mean(g * (1 - g)) / np.mean(fewer * (1 - fewer)))
    k = 1 / alpha - 1
    delta = abs(outcome.params[1]) * k / np.mean(1 / g + 1 / (1 - g))
    r2_needed = delta**2 * np.mean(polygamma(1, g * k + t) + polygamma(1, (1 - g) * k + 1 - t)) / np.mean((y - outcome.fittedvalues) ** 2)

    # Greedy matching in the order of the propensity, as a walk over both queues.
    z = logit(g)
    caliper = 0.2 * z.std()
    one, zero = (sorted(np.flatnonzero(t == v), key=lambda i: (z[i], i)) for v in (1, 0))
    pairs = []
    for i in one:
        while zero and z[zero[0]] < z[i] - caliper:
            zero.pop(0)
        if zero and z[zero[0]] <= z[i] + caliper:
            pairs.append((i, zero.pop(0)))
    d = np.array([y[i] - y[c] for i, c in pairs])
    plus, minus = max((d > 0).sum(), (d < 0).sum()), min((d > 0).sum(), (d < 0).sum())
    # With outcomes 0 and 1 all ranks are equal: the signed-rank bound is McNemar's with p = Γ/(1+Γ).
    m = plus + minus
    bound = lambda gamma: stats.norm.sf((plus - m * gamma / (1 + gamma)) / np.sqrt(m * gamma / (1 + gamma) ** 2))
    gamma = optimize.brentq(lambda v: bound(v) - 0.025, 1, 1e6, xtol=1e-13)
    return dict(exposure=flat(t), outcome=flat(y), x=flat(x), width=2, e_value=float(e["evalue_estimate"]), limit=float(e["evalue_lower_ci"]),
                observed=max(observed), robustness=rv(1.0), robustness_limit=rv(0.05), austen=float(r2_needed), gamma=float(gamma), pairs=len(pairs))


json.dump(
    dict(versions=dict(numpy=np.__version__, scipy=scipy.__version__, sklearn=sklearn.__version__, statsmodels=statsmodels.__version__,
                       dcor=dcor.__version__, sensemakr=metadata.version("pysensemakr"), dowhy=dowhy.__version__),
         logit=logit_fits(), propensity=propensity(), association=association(), ratios=ratios(), adjusted=adjusted(), little=little(),
         dependence=dependence(), probe=probe(), residual=residual(), calibration=calibration(), factual=factual(), stress=stress(),
         hanley=hanley(), cinelli=cinelli(), austen=austen(), rosenbaum=rosenbaum(), welch=welch(), vclub=vclub(), paired=paired(), sensitivity=sensitivity()),
    sys.stdout, indent=1)
