"""A whole sweep, here and with PyTorch + Optuna + MLflow, on the same PostgreSQL and cores.

    python3 host/e2e/bench/sweep.py --server postgresql://USER@HOST/postgres --python PYTHON [--rounds 3]

16 learning rates × 3 seeds of concatenation on NAFLD, 20 epochs each, scored on
validation rows after every epoch and on test rows once. PYTHON is an interpreter
with torch, optuna, mlflow, psycopg and scikit-learn; `make build` comes first.
Both get two processes of one thread. Tables exist before the clock starts; loading
programs and data is inside it, as it is for users. Each round makes new databases
and runs both, one after the other.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[3]
SEEDS = [0, 1, 2]
RATES = [float(f"{5e-4 * 10 ** (i / 15):.3g}") for i in range(16)]  # as in torch_sweep.py
SWEEP = """
version = 1
name = "bench-{seed}"
[axes]
dataset  = ["nafld"]
backbone = ["concat"]
variant  = ["erm"]
[variants.erm]
[data]
split  = {{ scheme = "holdout", by = "patient", fractions = [0.6, 0.2, 0.2], test = "per_seed" }}
[metric]
name = "val/auroc"
[search]
method = "grid"
seed   = {seed}
[parameters]
"optimizer.lr" = {{ values = {rates} }}
[run]
epochs     = 20
batch_size = 256
width      = 32
[analysis]
baseline = {{ variant = "erm" }}
"""


def database(server):
    name = "bench_" + uuid.uuid4().hex[:8]
    subprocess.run(["psql", "-q", server, "-c", f"create database {name}"], check=True)
    return server.rsplit("/", 1)[0] + "/" + name


def ours(server, scratch):
    env = dict(os.environ, DECONFOUND_HOME=str(scratch / "home"), DECONFOUND_DSN=database(server))
    program = str(ROOT / "bin/deconfound")
    subprocess.run([program, "db", "migrate"], check=True, env=env, stdout=subprocess.DEVNULL)
    files = []
    for seed in SEEDS:
        files.append(scratch / f"bench-{seed}.toml")
        files[-1].write_text(SWEEP.format(seed=seed, rates=RATES))
    start = time.perf_counter()
    for file in files:
        subprocess.run([program, "run", str(file)], check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    query = "select value from results where metric = 'auroc' and split = 'test' and grp = '' and phase = 'search'"
    out = subprocess.run([program, "sql", "--json", query], check=True, env=env, capture_output=True, text=True).stdout
    return seconds, [row[0] for row in json.loads(out)["rows"]]


def peer(server, python):
    mlflow, optuna = database(server), database(server)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    environment.update(OMP_NUM_THREADS="1", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false", GIT_PYTHON_REFRESH="quiet")
    command = [python, str(ROOT / "host/e2e/bench/torch_sweep.py"), "--mlflow", mlflow, "--optuna", optuna]
    with tempfile.TemporaryDirectory() as work:
        for seed in SEEDS:
            subprocess.run([*command, "--seed", str(seed), "--prepare"], check=True, env=environment, cwd=work, stderr=subprocess.DEVNULL)
        scores, start = [], time.perf_counter()
        for seed in SEEDS:
            workers = [subprocess.Popen([*command, "--seed", str(seed)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=work)
                       for _ in range(2)]
            out = [w.communicate()[0] for w in workers]
            if any(w.returncode for w in workers):
                raise SystemExit("the PyTorch sweep failed: run torch_sweep.py by hand")
            # The worker that ended last has seen all runs.
            scores += max((json.loads(o.strip().splitlines()[-1])["test_auroc"] for o in out), key=len)
        return time.perf_counter() - start, scores


def summary(seconds, scores):
    half = 1.96 * statistics.stdev(scores) / len(scores) ** 0.5
    return f"{seconds:.1f} s, {len(scores)} runs, test AUROC {statistics.mean(scores):.4f} ± {half:.4f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    a = parser.parse_args()
    times = {"ours": [], "peer": []}
    for _ in range(a.rounds):
        scratch = pathlib.Path(tempfile.mkdtemp())
        try:
            seconds, result = ours(a.server, scratch)
            times["ours"].append(seconds)
            print("deconfound", summary(seconds, result), flush=True)
        finally:
            shutil.rmtree(scratch)
        seconds, result = peer(a.server, a.python)
        times["peer"].append(seconds)
        print("PyTorch + Optuna + MLflow", summary(seconds, result), flush=True)
    ours_s, peer_s = (statistics.median(times[k]) for k in ("ours", "peer"))
    print(f"median: deconfound {ours_s:.1f} s, PyTorch + Optuna + MLflow {peer_s:.1f} s, ratio {peer_s / ours_s:.2f}")


if __name__ == "__main__":
    main()
