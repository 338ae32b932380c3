"""The tracker against MLflow and Optuna on the same PostgreSQL, in the same run.

    python3 host/e2e/bench/tracker.py --server postgresql://USER@HOST/postgres --python PYTHON

PYTHON is an interpreter with mlflow, optuna and psycopg. The server must be on this
machine, and USER may make databases, which are dropped at the end. What is measured
of ours are the tests TestMeasure of ./tracker and ./sweeps; beside them:

- points stored by MLflow's log_batch, 1,000 metrics a call (its limit, and its
  fastest), the same values as ours; straight into its store, without a server between;
- the space of these points, indexes and the table of latest values included;
- listing 30,000 runs sorted by a metric: MLflow's search_runs in pages of 5,000
  (its fastest), and SQL on ours; both with parameters and all metrics of each run;
- the next suggestion of Optuna's multivariate TPE sampler with 10,000 finished
  trials of 6 parameters in its storage: of a process that has just begun, and of one
  that has them in its cache. Ours is asked the same way: the search is brought up to
  date, proposes, and the trial is stored.

Of ours, also sweeps of a model that hardly computes, trained as users do: the mean
backbone in its process, 240 rows, 3 epochs, two workers; 100 and 2,000 runs.
"""

import argparse
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[3]


class Databases:
    """Databases that are dropped at the end."""

    def __init__(self, server):
        self.server, self.names = server, []

    def new(self):
        name = "bench_" + uuid.uuid4().hex[:8]
        subprocess.run(["psql", "-q", self.server, "-c", f"create database {name}"], check=True)
        self.names.append(name)
        return self.server.rsplit("/", 1)[0] + "/" + name

    def drop(self):
        for name in self.names:
            subprocess.run(["psql", "-q", self.server, "-c", f"drop database {name} with (force)"], check=True)


def ours(server, package, pattern):
    """The figures that the tests TestMeasure of a package print."""
    env = dict(os.environ, DECONFOUND_TEST_DSN=server, CGO_ENABLED="0")
    out = subprocess.run(["go", "test", "-tags", "measure", "-run", pattern, "-count=1", "-timeout", "60m", "-v", package],
                         check=False, env=env, cwd=ROOT, capture_output=True, text=True)
    if out.returncode:
        raise SystemExit(out.stdout + out.stderr)
    return {w[1]: float(w[2]) for w in (line.split() for line in out.stdout.splitlines()) if w[:1] == ["measured"]}


def processor(backend):
    """Processor seconds of this process and of the server of a backend, so far."""
    fields = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields[int(path.parent.name)] = path.read_text().rsplit(") ", 1)[1].split()
        except OSError:
            pass  # it has ended
    server = int(fields[backend][1])
    ticks = sum(int(f[11]) + int(f[12]) for f in fields.values() if int(f[1]) == server)
    ticks += sum(int(f) for f in fields[server][11:15])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


OUR_RUNS = """
set search_path = deconfound;
insert into sweep (name, revision) values ('bench', 1);
insert into sweep_revision select sweep_id, 1, '', '{}', sha256(''), sha256('') from sweep;
insert into dataset (name, hash) values ('nafld', 'h');
insert into run (sweep_id, split_seed, init_seed, dataset_id, trial, replicate, phase, state, run_hash, backbone, variant, spec)
  select sweep_id, i, i, 1, 0, i, 'replicate', 'done', sha256(i::text::bytea), 'concat', 'v' || i % 10,
         jsonb_build_object('lr', random(), 'width', i % 512, 'depth', i % 4, 'dropout', random(), 'seed', i)
    from sweep, generate_series(1, 30000) i;
insert into metric (name, split, goal) select n, s, 'maximize' from unnest('{auroc,auprc,brier,log_loss,ece}'::text[]) n, unnest('{val,test}'::text[]) s;
insert into result select run_id, metric_id, random() from run, metric;
analyze;
"""
OUR_LIST = """
select r.run_id, r.sweep, r.dataset, r.backbone, r.variant, r.phase, r.trial, r.seed, r.state, r.started_at, r.ended_at, r.spec, {values}
  from deconfound.runs r join (
    select run_id, {columns} from deconfound.result group by run_id) z using (run_id)
 where r.sweep = 'bench' order by z.m{by} desc"""


def list_ours(databases):
    import psycopg

    dsn = databases.new()
    env = dict(os.environ, DECONFOUND_HOME="/tmp/" + uuid.uuid4().hex[:8], DECONFOUND_DSN=dsn)
    subprocess.run([str(ROOT / "bin/deconfound"), "db", "migrate"], check=True, env=env, stdout=subprocess.DEVNULL)
    with psycopg.connect(dsn, autocommit=True) as db:
        for statement in OUR_RUNS.strip().split(";\n"):
            db.execute(statement)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            names = {i: f"{split}/{name}" for i, split, name in db.execute("select metric_id, split, name from deconfound.metric")}
            by = next(i for i, name in names.items() if name == "test/auroc")
            # A column for each metric: numbers are read faster than arrays.
            query = OUR_LIST.format(by=by, values=", ".join(f"z.m{i}" for i in names),
                                    columns=", ".join(f"max(value) filter (where metric_id = {i}) as m{i}" for i in names))
            rows = db.execute(query, binary=True).fetchall()
            metrics = list(names.values())
            rows = [(*row[:-len(metrics)], dict(zip(metrics, row[-len(metrics):]))) for row in rows]
            times.append(time.perf_counter() - start)
            assert len(rows) == 30000 and len(rows[0][-1]) == 10 and rows[0][-1]["test/auroc"] >= rows[-1][-1]["test/auroc"]
    return min(times)


MLFLOW_RUNS = """
insert into runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id)
  select md5(i::text), 'run' || i, 'LOCAL', 'train.py', '', 'user', 'FINISHED', i, i + 1, '', 'active', '/tmp/artifacts/' || i, 0 from generate_series(1, 30000) i;
insert into latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
  select s || '/' || n, random(), 1, 1, false, run_uuid from runs, unnest('{auroc,auprc,brier,log_loss,ece}'::text[]) n, unnest('{val,test}'::text[]) s;
insert into params (key, value, run_uuid)
  select p, random()::text, run_uuid from runs, unnest('{lr,width,depth,dropout,seed}'::text[]) p;
insert into tags (key, value, run_uuid) select 'variant', 'v', run_uuid from runs;
analyze
"""


def mlflow_store(databases):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    dsn = databases.new()
    return dsn, SqlAlchemyStore(dsn.replace("postgresql://", "postgresql+psycopg://"), "/tmp/mlflow-artifacts")


def list_mlflow(databases):
    import psycopg
    from mlflow.entities import ViewType

    dsn, store = mlflow_store(databases)
    with psycopg.connect(dsn, autocommit=True) as db:
        for statement in MLFLOW_RUNS.strip().split(";\n"):
            db.execute(statement)
    start, token, n = time.perf_counter(), None, 0
    while n == 0 or token:
        page = store.search_runs(["0"], "", ViewType.ACTIVE_ONLY, max_results=5000, order_by=["metrics.`test/auroc` DESC"], page_token=token)
        token, n = page.token, n + len(page)
    assert n == 30000, n
    return time.perf_counter() - start


def ingest_mlflow(databases, runs=4, steps=200, metrics=50):
    """Points a second and bytes a point, of curves like those of tracker/measure_test.go."""
    import psycopg
    from mlflow.entities import Metric

    dsn, store = mlflow_store(databases)
    names = [f"train/m{i}" for i in range(metrics)]
    total = 0.0
    for run in range(runs):
        run_id = store.create_run("0", "user", 0, [], f"run{run}").info.run_id
        values = [Metric(names[m], math.sin(run * 7919 + step * 104729 + m * 1299709) + 1 / (step + 1), 1700000000000 + step, step)
                  for step in range(steps) for m in range(metrics)]
        start = time.perf_counter()
        for i in range(0, len(values), 1000):
            store.log_batch(run_id, values[i:i + 1000], [], [])
        total += time.perf_counter() - start
    with psycopg.connect(dsn) as db:
        n = db.execute("select count(*) from metrics").fetchone()[0]
        size = db.execute("select pg_total_relation_size('metrics') + pg_total_relation_size('latest_metrics')").fetchone()[0]
    assert n == runs * steps * metrics, n
    return n / total, size / n


OPTUNA_TRIALS = """
insert into trials (number, study_id, state, datetime_start, datetime_complete)
  select i - 1, 1, 'COMPLETE', now(), now() from generate_series(1, 10000) i;
insert into trial_values (trial_id, objective, value, value_type) select trial_id, 0, random(), 'FINITE' from trials
"""


def suggest_optuna(databases):
    """Seconds of the first suggestion of a process, the median of those after it, and their processor time."""
    import optuna
    import psycopg
    from optuna.distributions import FloatDistribution, IntDistribution, distribution_to_json

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    dsn = databases.new()
    url = dsn.replace("postgresql://", "postgresql+psycopg://")
    space = {"lr": FloatDistribution(1e-4, 1e-2, log=True), "weight_decay": FloatDistribution(1e-6, 1e-2, log=True),
             "beta1": FloatDistribution(0.5, 0.99), "clip": FloatDistribution(0.1, 10.0),
             "dropout": FloatDistribution(0.0, 0.5), "hidden": IntDistribution(8, 512)}
    optuna.create_study(study_name="bench", storage=url, direction="maximize")
    with psycopg.connect(dsn, autocommit=True) as db:
        for statement in OPTUNA_TRIALS.strip().split(";\n"):
            db.execute(statement)
        for name, d in space.items():
            low, high = (float(d.low), float(d.high))
            value = f"exp(ln({low}) + random() * ln({high / low}))" if getattr(d, "log", False) else f"{low} + random() * {high - low}"
            if isinstance(d, IntDistribution):
                value = f"floor({value})"
            db.execute(f"insert into trial_params (trial_id, param_name, param_value, distribution_json) select trial_id, '{name}', {value}, %s from trials",
                       [distribution_to_json(d)])
        db.execute("analyze")
    sampler = optuna.samplers.TPESampler(multivariate=True, constant_liar=True, seed=1)
    study = optuna.load_study(study_name="bench", storage=url, sampler=sampler)
    times, used = [], 0.0
    with psycopg.connect(dsn, autocommit=True) as db:
        for i in range(6):
            before, start = processor(db.info.backend_pid), time.perf_counter()
            trial = study.ask(space)
            times.append(time.perf_counter() - start)
            used += processor(db.info.backend_pid) - before if i else 0
            study.tell(trial, 0.5)
    return times[0], statistics.median(times[1:]), used / 5


TINY = """version = 1
name = "tiny"
[[table]]
file = "patients.csv"
[rows]
id = "id"
[[modality]]
name = "base"
always = true
columns = ["age"]
[[modality]]
name = "labs"
columns = ["crp", "ldh"]
[label]
column = "died"
task = "binary"
"""
TRAINED = """version = 1
name = "{name}"
[axes]
dataset = ["tiny"]
backbone = ["mean"]
variant = ["erm"]
[variants.erm]
[metric]
name = "val/auroc"
[search]
method = "random"
trials = {trials}
[parameters]
"optimizer.lr" = {{ distribution = "log_uniform", min = 1e-4, max = 1e-1 }}
[run]
epochs = 3
batch_size = 128
width = 8
"""


def tiny(directory):
    """Writes a dataset of 240 rows and three columns."""
    directory.mkdir()
    rows, draw = ["id,age,crp,ldh,died"], random.Random(1)
    for i in range(240):
        risk = draw.gauss(0, 1)
        labs = f"{risk + draw.gauss(0, 1):.3f},{draw.gauss(0, 1):.3f}" if draw.random() < 0.7 else ","
        rows.append(f"p{i},{60 + 8 * risk + 6 * draw.gauss(0, 1):.1f},{labs},{int(draw.random() < 1 / (1 + math.exp(-1.5 * risk)))}")
    (directory / "patients.csv").write_text("\n".join(rows) + "\n")
    (directory / "dataset.toml").write_text(TINY)


def trained(databases, sizes=(100, 100, 100, 2000, 100, 100)):
    """Seconds a run takes, from the first one's making to the last one's end, in small
    sweeps (the median, the first left out) and in the large one."""
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        env = dict(os.environ, DECONFOUND_HOME=str(scratch / "home"), DECONFOUND_DSN=databases.new())

        def program(*arguments):
            done = subprocess.run([str(ROOT / "bin/deconfound"), *arguments], check=False, env=env, cwd=scratch, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(done.stdout + done.stderr)
            return done.stdout

        tiny(scratch / "tiny")
        program("db", "migrate")
        program("data", "add", "tiny")
        times = {}
        for i, size in enumerate(sizes):
            file = scratch / f"sweep{i}.toml"
            file.write_text(TRAINED.format(name=file.stem, trials=size))
            program("run", str(file))
            query = f"select count(*), extract(epoch from max(ended_at) - min(created_at)) from runs where sweep = '{file.stem}' and state = 'done'"
            (done, seconds), = json.loads(program("sql", "--json", query))["rows"]
            assert done > 0.99 * size, (done, size)  # of thousands of learning rates a few are drawn twice
            times.setdefault(size, []).append(float(seconds) / done)
        small, large = times.values()
        return statistics.median(small[1:]), large[0]


def peers(server):
    """The figures of the peers, in an interpreter that has them."""
    databases = Databases(server)
    try:
        points, size = ingest_mlflow(databases)
        first, later, used = suggest_optuna(databases)
        print(json.dumps({"mlflow.points_per_s": points, "mlflow.bytes_per_point": size, "mlflow.list.s": list_mlflow(databases),
                          "ours.list.s": list_ours(databases), "optuna.first.s": first, "optuna.suggest.ms": later * 1e3,
                          "optuna.suggest.cpu.ms": used * 1e3}))
    finally:
        databases.drop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--peers", action="store_true", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.peers:
        peers(a.server)
        return
    f = ours(a.server, "./tracker", "TestMeasure")
    databases = Databases(a.server)
    try:
        f["trained.small.s"], f["trained.large.s"] = trained(databases)
    finally:
        databases.drop()
    print(json.dumps(f), flush=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    environment.update(GIT_PYTHON_REFRESH="quiet")
    out = subprocess.run([a.python, __file__, "--server", a.server, "--peers"], check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout
    f.update(json.loads(out.strip().splitlines()[-1]))
    print(out.strip().splitlines()[-1], flush=True)
    more = ours(a.server, "./sweeps", "TestMeasure")
    print(json.dumps(more), flush=True)
    f.update(more)
    for line in [
        f"points stored: {f['ingest.points_per_s']:,.0f}/s, MLflow {f['mlflow.points_per_s']:,.0f}/s, ratio {f['ingest.points_per_s'] / f['mlflow.points_per_s']:.0f}",
        f"  of COPY: {f['ingest.points_per_s'] / f['copy.points_per_s']:.0%}",
        f"space: {f['bytes_per_point']:.1f} bytes a point, MLflow {f['mlflow.bytes_per_point']:.0f}, ratio {f['mlflow.bytes_per_point'] / f['bytes_per_point']:.1f}",
        f"30,000 runs sorted: {f['ours.list.s']:.2f} s, MLflow {f['mlflow.list.s']:.1f} s, ratio {f['mlflow.list.s'] / f['ours.list.s']:.0f}",
        f"next suggestion: {f['suggest.ms']:.0f} ms (best {f['suggest.min.ms']:.0f}), Optuna {f['optuna.suggest.ms']:.0f} ms, ratio {f['optuna.suggest.ms'] / f['suggest.ms']:.1f}",
        f"  processor time: {f['suggest.cpu.ms']:.0f} ms, Optuna {f['optuna.suggest.cpu.ms']:.0f} ms, ratio {f['optuna.suggest.cpu.ms'] / f['suggest.cpu.ms']:.1f}",
        f"  first of a process: {f['suggest.takeover.s']:.2f} s, Optuna {f['optuna.first.s']:.2f} s, ratio {f['optuna.first.s'] / f['suggest.takeover.s']:.1f}",
        f"overhead of a run: {f['overhead.small.ms']:.1f} ms in sweeps of 100, {f['overhead.large.ms']:.1f} ms in one of 10,000, ratio {f['overhead.large.ms'] / f['overhead.small.ms']:.2f}",
        f"  processor time: {f['overhead.small.cpu.ms']:.1f} and {f['overhead.large.cpu.ms']:.1f} ms, ratio {f['overhead.large.cpu.ms'] / f['overhead.small.cpu.ms']:.2f}",
        f"trained with the mean backbone: {1 / f['trained.small.s']:.0f} runs/s in sweeps of 100, {1 / f['trained.large.s']:.0f} in one of 2,000, time of a run {f['trained.large.s'] / f['trained.small.s']:.2f}",
        f"status {f['status.ms']:.0f} ms; leaderboard: one metric {f['leaderboard.metric.ms']:.0f} ms, a sweep {f['leaderboard.sweep.ms']:.0f} ms, all {f['leaderboard.all.ms']:.0f} ms",
        f"one more seed: {f['extend.s']:.2f} s",
    ]:
        print(line)


if __name__ == "__main__":
    main()
