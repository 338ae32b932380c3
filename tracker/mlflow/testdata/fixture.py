"""Writes testdata/mlruns with MLflow 3.17.2:

    MLFLOW_ALLOW_FILE_STORE=true python tracker/mlflow/testdata/fixture.py tracker/mlflow/testdata/mlruns
"""
import os
import sys

import mlflow
from mlflow.tracking import MlflowClient

place = os.path.abspath(sys.argv[1])
mlflow.set_tracking_uri("file://" + place)
mlflow.set_experiment("fusion study")
client = MlflowClient()
for seed in (0, 1, 2):
    for variant, gain in (("erm", 0.0), ("groupdro", 0.02)):
        with mlflow.start_run(run_name=f"{variant}-{seed}"):
            mlflow.log_params({"variant": variant, "backbone": "medfuse", "dataset": "mimic", "seed": seed, "lr": 1e-3})
            for step in range(3):
                mlflow.log_metrics({"val/auroc": 0.7 + 0.01 * step + gain + 0.001 * seed, "train/loss": 1.0 / (step + 1)}, step=step)
            mlflow.log_metric("test/auroc", 0.71 + gain + 0.002 * seed, step=2)
with mlflow.start_run(run_name="broken") as run:
    mlflow.log_params({"variant": "erm", "backbone": "medfuse", "dataset": "mimic", "seed": 3})
    mlflow.log_metric("train/loss", float("nan"), step=0)
    mlflow.log_metric("train/loss", float("inf"), step=1)
client.set_terminated(run.info.run_id, "FAILED")
with mlflow.start_run(run_name="deleted") as run:
    pass
client.delete_run(run.info.run_id)
mlflow.set_experiment("notes")
with mlflow.start_run(run_name="no seed"):
    mlflow.log_param("text", "line 1\nMüller: \"x\"")
    mlflow.log_metric("loss", 0.25)
    mlflow.log_metric("loss", 0.125)
client.delete_experiment(client.create_experiment("gone"))

# What the machine that wrote it is called is nobody's business.
for root, _, files in os.walk(place):
    for name in files:
        path = os.path.join(root, name)
        text = open(path).read()
        if name == "mlflow.user":
            text = "analyst"
        text = text.replace("file://" + place, "file:///mlruns").replace("user_id: root", "user_id: analyst")
        open(path, "w").write(text)
