"""Writes the odds ratios of death when a block is missing, with statsmodels, from
the table of the bundled dataset: crude, and given its covariates.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install statsmodels
    /tmp/venv/bin/python host/cmd/deconfound/testdata/odds.py > host/cmd/deconfound/testdata/odds.json
"""

import csv
import gzip
import json
import sys
from pathlib import Path

import numpy as np
import statsmodels.api as sm

table = Path(__file__).parents[3] / "dataset" / "bundled" / "nafld" / "nafld.csv.gz"
rows = [r for r in csv.DictReader(gzip.open(table, "rt")) if r["death5y"] and r["case.id"]]
covariates = ["age", "male", "nafld_case", "hx_htn", "hx_dyslipidemia", "hx_diabetes"]
blocks = dict(anthro=["weight", "height", "bmi"], lipid=["hdl_last", "hdl_mean"], fibrosis=["fib4_last"], smoking=["smoke_last"])

y = np.array([float(r["death5y"]) for r in rows])
w = np.array([[float(r[c]) for c in covariates] for r in rows])
out = {}
for name, columns in blocks.items():
    missing = np.array([all(r[c] == "" for c in columns) for r in rows], float)
    out[name] = {}
    for what, x in (("crude", missing[:, None]), ("adjusted", np.c_[missing, w])):
        fit = sm.Logit(y, sm.add_constant(x)).fit(method="newton", tol=1e-14, disp=0)
        out[name][what] = [float(np.exp(v)) for v in (fit.params[1], *fit.conf_int()[1])]
json.dump(out, sys.stdout, indent=1)
