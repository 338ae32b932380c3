"""The sweep of host/e2e/bench/sweep.py as researchers write it: PyTorch, Optuna, MLflow.

    torch_sweep.py --mlflow postgresql://... --optuna postgresql://... --seed N

This is one of several worker processes. Those of one seed share a study in Optuna's
storage and log to MLflow's store, two databases of one PostgreSQL. Everything is arranged in their favour: both stores are
reached without a server between, tables exist before the clock starts, data are
tensors from the start, metrics of an epoch are one call, each process has one
thread, gradients are set to None and Adam is fused.
"""

import argparse
import csv
import gzip
import hashlib
import json
import logging
import pathlib
import warnings

import mlflow
import numpy as np
import optuna
import torch
from optuna.study import MaxTrialsCallback
from sklearn.metrics import roc_auc_score
from torch import nn

warnings.filterwarnings("ignore")
logging.getLogger("mlflow").setLevel(logging.ERROR)
optuna.logging.set_verbosity(optuna.logging.WARNING)

RATES = [float(f"{5e-4 * 10 ** (i / 15):.3g}") for i in range(16)]
EPOCHS, BATCH, WIDTH, HIDDEN, DROPOUT = 20, 256, 32, 64, 0.25
DATA = pathlib.Path(__file__).resolve().parents[3] / "host/dataset/bundled/nafld/nafld.csv.gz"
MODALITIES = [
    ["age", "male", "hx_htn", "hx_dyslipidemia", "hx_diabetes", "hx_angisc", "hx_stroke", "hx_afib", "hx_heartfailure", "hx_MI"],
    ["weight", "height", "bmi"], ["hdl_last", "hdl_mean"], ["sbp_last", "sbp_mean"], ["fib4_last"], ["smoke_last"],
]


def load(seed):
    """Rows with a label, split as host/dataset does it, scaled by training rows."""
    with gzip.open(DATA, "rt") as f:
        rows = [r for r in csv.DictReader(f) if r["death5y"] and r["case.id"]]
    number = lambda s: float(s) if s else np.nan
    y = np.array([float(r["death5y"]) for r in rows], np.float32)
    u = np.array([int.from_bytes(hashlib.sha256(f"nafld|{seed}|{r['id']}".encode()).digest()[:8], "big") / 2**64 for r in rows])
    train, val, test = np.flatnonzero(u < .6), np.flatnonzero((u >= .6) & (u < .8)), np.flatnonzero(u >= .8)
    xs, masks = [], []
    for columns in MODALITIES:
        x = np.array([[number(r[c]) for c in columns] for r in rows])
        if columns[0] == "sbp_last":
            x[(x < 30) | (x > 300)] = np.nan
        flag = np.isin(x, [0, 1]).all(0)  # flags stay 0 and 1, as they do here
        x = (x - np.where(flag, 0, np.nanmean(x[train], 0))) / np.where(flag, 1, np.nanstd(x[train], 0))
        masks.append(torch.tensor(~np.isnan(x).all(1))[:, None].float())
        xs.append(torch.tensor(np.nan_to_num(x), dtype=torch.float32))
    as_tensor = lambda rows: torch.from_numpy(rows)
    return xs, masks, torch.from_numpy(y), as_tensor(train), as_tensor(val), as_tensor(test)


class Concat(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoders = nn.ModuleList(
            nn.Sequential(nn.Linear(len(c), HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, WIDTH)) for c in MODALITIES)
        self.fusion = nn.Sequential(nn.Linear(len(MODALITIES) * WIDTH, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, WIDTH))
        self.classifier = nn.Sequential(nn.Linear(WIDTH, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 1))

    def forward(self, xs, masks):
        return self.classifier(self.fusion(torch.cat([e(x) * m for e, x, m in zip(self.encoders, xs, masks)], 1)))[:, 0]


def train(rate, seed, data):
    xs, masks, y, rows, val, test = data
    torch.manual_seed(seed)
    model = Concat()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-4, fused=True)
    criterion = nn.BCEWithLogitsLoss()

    def score(rows):
        model.eval()
        with torch.no_grad():
            out = torch.sigmoid(model([x[rows] for x in xs], [m[rows] for m in masks]))
        model.train()
        return out

    with mlflow.start_run():
        mlflow.log_params({"lr": rate, "seed": seed, "epochs": EPOCHS, "batch_size": BATCH})
        best, kept = -1.0, None
        for epoch in range(EPOCHS):
            order, total = rows[torch.randperm(len(rows))], 0.0
            for i in range(0, len(order), BATCH):
                b = order[i:i + BATCH]
                optimizer.zero_grad(set_to_none=True)
                loss = criterion(model([x[b] for x in xs], [m[b] for m in masks]), y[b])
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1)
                optimizer.step()
                total += loss.item() * len(b)
            p = score(val).numpy()
            auroc = roc_auc_score(y[val], p)
            if auroc > best:
                best, kept = auroc, {k: v.clone() for k, v in model.state_dict().items()}
            mlflow.log_metrics({"train/loss": total / len(rows), "val/auroc": auroc,
                                "val/brier": float(((p - y[val].numpy()) ** 2).mean())}, step=epoch)
        model.load_state_dict(kept)
        mlflow.log_metrics({"test/auroc": roc_auc_score(y[test], score(test).numpy())})
    return best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mlflow", required=True)
    parser.add_argument("--optuna", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--prepare", action="store_true", help="make the tables and the study, train nothing")
    a = parser.parse_args()
    torch.set_num_threads(1)
    mlflow.set_tracking_uri(a.mlflow)
    mlflow.set_experiment("nafld")
    study = optuna.create_study(
        study_name=f"nafld-{a.seed}", storage=a.optuna, direction="maximize", load_if_exists=True,
        sampler=optuna.samplers.GridSampler({"lr": RATES}, seed=a.seed))
    if a.prepare:
        return
    data = load(a.seed)
    study.optimize(lambda trial: train(trial.suggest_categorical("lr", RATES), a.seed, data),
                   callbacks=[MaxTrialsCallback(len(RATES), states=None)])
    client = mlflow.MlflowClient()
    runs = client.search_runs([mlflow.get_experiment_by_name("nafld").experiment_id], f"params.seed = '{a.seed}'")
    print(json.dumps({"test_auroc": [r.data.metrics["test/auroc"] for r in runs if "test/auroc" in r.data.metrics]}))


if __name__ == "__main__":
    main()
