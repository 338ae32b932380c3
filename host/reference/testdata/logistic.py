"""Logistic regression on the shared data sets, the figures that concat must reach.

    pip install numpy==2.4.6 scikit-learn==1.9.1
    python3 testdata/logistic.py ../../../shared/data > testdata/logistic.json

in host/reference. The manifests say what the columns are. They are standardised by
the training rows, missing cells take the mean, and every modality adds a 0 or 1
that says whether a row has it; L2 with C = 1. The split of seed s
puts a patient by u = SHA-256("dataset|s|patient") / 2^64 into training (u < .6),
validation (u < .8) or test, whose AUROC is "test". With "target" environments all
their rows are "test", and the held-out rows of the others are "idsrc".
"""
import csv, gzip, hashlib, json, pathlib, sys, tomllib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

DATASET = pathlib.Path(__file__).parents[2] / "dataset"
MANIFESTS = {"nafld": DATASET / "bundled/nafld/dataset.toml"} | {
    name: DATASET / f"testdata/manifests/{name}.toml" for name in ("heart", "support2", "pbc", "mi")}
TARGETS = {"nafld": ["1"], "heart": ["va", "switzerland"], "support2": ["Cancer", "Coma"]}
SEEDS = range(5)


def uniform(*labels):
    return int.from_bytes(hashlib.sha256("|".join(map(str, labels)).encode()).digest()[:8], "big") / 2**64


def records(manifest, directory):
    table = manifest["table"][0]
    for part in table.get("part", [{"file": table.get("file")}]):
        path = directory / part["file"]
        with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as file:
            for line, row in enumerate(csv.DictReader(file, table.get("columns")), 1):
                row |= part.get("values", {}) | {"line": str(line)}
                for name, value in row.items():
                    if missing(value) or number(value) in map(number, table.get("na", []) + table.get("na_columns", {}).get(name, [])):
                        row[name] = ""
                yield row


def missing(value):
    return value in ("", "NA", "?")


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


def load(name, root):
    manifest = tomllib.loads(MANIFESTS[name].read_text())
    rows = []
    for row in records(manifest, root / name):
        for column in manifest.get("column", []):
            if "template" in column:
                row[column["name"]] = column["template"].format(**row)
            elif "map" in column:
                row[column["name"]] = column["map"][row[column["from"]]]
            elif row[column["name"]] and not column["min"] <= float(row[column["name"]]) <= column["max"]:
                row[column["name"]] = ""
        if all(row[column] for column in manifest["rows"].get("drop_empty", [])):
            rows.append(row)
    label = manifest["label"]
    positive = list(map(float, label.get("positive", ["1"])))
    return manifest, rows, np.array([float(row[label["column"]]) in positive for row in rows])


def design(manifest, rows, train):
    columns, masks = [], []
    for modality in manifest["modality"]:
        names = modality["columns"]
        masks.append([float(any(row[name] for name in names)) for row in rows])
        for name in names:
            levels = [None]
            if name in manifest.get("categorical", []):
                levels = sorted({rows[i][name] for i in train} - {""})
            for level in levels:
                columns.append([np.nan if not row[name] else float(row[name]) if level is None else float(row[name] == level) for row in rows])
    x = np.array(columns).T
    scale = np.nanstd(x[train], axis=0)
    x = (x - np.nanmean(x[train], axis=0)) / np.where(scale > 0, scale, 1)
    return np.hstack([np.nan_to_num(x), np.array(masks).T])


def areas(name, root, target):
    manifest, rows, label = load(name, root)
    away = np.array([row[manifest["rows"]["environment"]] in target if target else False for row in rows])
    found = {}
    for seed in SEEDS:
        u = np.array([uniform(name, seed, row[manifest["rows"]["id"]]) for row in rows])
        train = np.flatnonzero(~away & (u < 0.6))
        model = LogisticRegression(C=1, max_iter=5000)
        x = design(manifest, rows, train)
        model.fit(x[train], label[train])
        held = np.flatnonzero(~away & (u >= 0.8))
        tests = {"test": np.flatnonzero(away), "idsrc": held} if target else {"test": held}
        for test, at in tests.items():
            found.setdefault(test, []).append(round(roc_auc_score(label[at], model.decision_function(x[at])), 4))
    return found


root = pathlib.Path(sys.argv[1])
out = {"holdout": {name: areas(name, root, []) for name in MANIFESTS}, "site": {name: areas(name, root, target) for name, target in TARGETS.items()}}
print(json.dumps(out, indent=1))
