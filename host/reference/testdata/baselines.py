"""Models of scikit-learn on the shared data sets, the figures that concat must reach.

    pip install numpy==2.4.6 scikit-learn==1.9.1
    python3 testdata/baselines.py ../../../shared/data > testdata/baselines.json

in host/reference. The manifests say what the columns are. Numbers are standardised
by the training rows and take the mean where they are missing; categories are one
column of 0 and 1 for each level of the training rows. Every modality adds a 0 or 1
that says whether a row has it. Nothing is tuned:

    lr   L2, C = 1
    gb   histogram gradient boosting, learning rate .05, 200 trees, 15 leaves
    mlp  32 ReLU, Adam 1e-3, 30 epochs

and, of the test rows as they are, lr on less: "covariates" sees the covariates alone,
"always" the modalities that are observed of everybody.

The split of seed s puts a patient by u = SHA-256("dataset|s|patient") / 2^64 into
training (u < .6), validation (u < .8) or test. "holdout" has the AUROC of the test
rows as they are ("id"), with observed modalities dropped by hash ("do"), and with
the missingness of the two classes swapped by weights ("flip"). In "site" all rows
of the target environments are "ood", and the held-out rows of the others "idsrc".
Every list has one value a seed; "rows" has the number of test rows and of cases.
"""
import csv, gzip, hashlib, json, pathlib, re, sys, tomllib, warnings
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier

warnings.simplefilter("ignore", ConvergenceWarning)
DATASET = pathlib.Path(__file__).parents[2] / "dataset"
MANIFESTS = {"nafld": DATASET / "bundled/nafld/dataset.toml"} | {
    name: DATASET / f"testdata/manifests/{name}.toml" for name in ("heart", "support2", "pbc", "mi")}
TARGETS = {"nafld": ["1"], "heart": ["va", "switzerland"], "support2": ["Cancer", "Coma"], "pbc": ["0"]}
SEEDS = range(5)
MODELS = {
    "lr": lambda seed: LogisticRegression(C=1, max_iter=5000),
    "gb": lambda seed: HistGradientBoostingClassifier(learning_rate=0.05, max_iter=200, max_leaf_nodes=15, early_stopping=False, random_state=seed),
    "mlp": lambda seed: MLPClassifier((32,), learning_rate_init=1e-3, max_iter=30, random_state=seed),
}


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


def availability(manifest, rows):
    return np.array([[any(row[name] for name in modality["columns"]) or modality.get("always", False)
                      for modality in manifest["modality"]] for row in rows])


def design(manifest, rows, train, mask):
    columns, of = [], []
    for m, modality in enumerate(manifest["modality"]):
        for name in modality["columns"]:
            if name in manifest.get("categorical", []):
                levels = sorted({rows[i][name] for i in train} - {""})
                columns += [np.array([float(row[name] == level) for row in rows]) for level in levels]
                of += [m] * len(levels)
                continue
            x = np.array([float(row[name]) if row[name] else np.nan for row in rows])
            columns.append((x - np.nanmean(x[train])) / (np.nanstd(x[train]) or 1))
            of.append(m)
    return np.hstack([np.where(mask[:, of], np.nan_to_num(np.array(columns).T), 0), mask])


def flip(mask, label, train, test):
    """Weights of the test rows that swap P(mask | label) between the classes."""
    with np.errstate(invalid="ignore"):
        phi = [abs(np.corrcoef(m, label[train])[0, 1]) if m.any() and not m.all() else 0 for m in mask[train].T]
    m, y = mask[test, int(np.argmax(phi))], label[test]
    share = {c: {k: np.mean(m[y == c] == k) for k in (False, True)} for c in (False, True)}
    return np.array([min(share[not c][k] / share[c][k], 20) for c, k in zip(y, m)])


def areas(name, root, target):
    manifest, rows, label = load(name, root)
    ids = [row[manifest["rows"]["id"]] for row in rows]
    away = np.array([row[manifest["rows"]["environment"]] in target if target else False for row in rows])
    mask = availability(manifest, rows)
    found = {"rows": {}} | {model: {} for model in MODELS}
    for seed in SEEDS:
        u = np.array([uniform(name, seed, i) for i in ids])
        train, held = np.flatnonzero(~away & (u < 0.6)), np.flatnonzero(~away & (u >= 0.8))
        x = design(manifest, rows, train, mask)
        tests = {"ood": (x, np.flatnonzero(away), None), "idsrc": (x, held, None)}
        if not target:
            kept = np.array([[on and (modality.get("always", False) or uniform(name, "do", seed, i, modality["name"]) >= 0.5)
                              for on, modality in zip(row, manifest["modality"])] for i, row in zip(ids, mask)])
            tests = {"id": (x, held, None), "do": (design(manifest, rows, train, kept), held, None), "flip": (x, held, flip(mask, label, train, held))}
        for test, (_, at, _) in tests.items():
            found["rows"].setdefault(test, []).append([len(at), int(label[at].sum())])
        for model, make in MODELS.items():
            fitted = make(seed).fit(x[train], label[train])
            for test, (of, at, weight) in tests.items():
                area = roc_auc_score(label[at], fitted.predict_proba(of[at])[:, 1], sample_weight=weight)
                found[model].setdefault(test, []).append(round(float(area), 4))
        if not target:
            for what, modalities in less(manifest).items():
                of = manifest | {"modality": modalities}
                x = design(of, rows, train, availability(of, rows))
                area = roc_auc_score(label[held], MODELS["lr"](seed).fit(x[train], label[train]).predict_proba(x[held])[:, 1])
                found.setdefault(what, {}).setdefault("id", []).append(round(float(area), 4))
    return found


def less(manifest):
    covariates = {"name": "covariates", "always": True, "columns": manifest["covariates"]}
    return {"covariates": [covariates], "always": [m for m in manifest["modality"] if m.get("always")]}


root = pathlib.Path(sys.argv[1])
out = {"holdout": {name: areas(name, root, []) for name in MANIFESTS}, "site": {name: areas(name, root, target) for name, target in TARGETS.items()}}
text = json.dumps(out, indent=1)
for _ in range(2):  # one line for each list of figures
    text = re.sub(r"\[\s+([^{}]*?)\s+\](?=,?\n)", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text)
print(text)
