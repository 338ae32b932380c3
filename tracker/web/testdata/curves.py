"""Writes ROC and precision-recall curves of weighted scores with ties by scikit-learn.

    python3 -m venv /tmp/fixtures
    /tmp/fixtures/bin/pip install numpy==2.4.6 scikit-learn==1.9.1
    /tmp/fixtures/bin/python tracker/web/testdata/curves.py > tracker/web/testdata/curves.json
"""

import json
import sys

import numpy as np
from sklearn import metrics

rng = np.random.default_rng(20261126)
cases = []
for n, digits, weighted in ((40, 1, False), (60, 2, True), (25, 4, True)):
    y = (rng.uniform(size=n) < 0.35).astype(int)
    score = np.clip(np.round(0.3 * y + 0.7 * rng.uniform(size=n), digits), 0, 1)
    w = np.round(rng.gamma(2, 1, size=n) + 0.1, 2) if weighted else np.ones(n)
    fpr, tpr, _ = metrics.roc_curve(y, score, sample_weight=w, drop_intermediate=False)
    precision, recall, _ = metrics.precision_recall_curve(y, score, sample_weight=w)
    cases.append(dict(
        score=score.tolist(), label=y.tolist(), weight=w.tolist(), fpr=fpr.tolist(), tpr=tpr.tolist(),
        # From the highest threshold; the last point of scikit-learn, recall 0, is no threshold.
        precision=precision[:-1][::-1].tolist(), recall=recall[:-1][::-1].tolist()))
json.dump(cases, sys.stdout)
sys.stdout.write("\n")
