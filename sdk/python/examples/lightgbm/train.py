"""Trains LightGBM on three tables and writes the probabilities of two of them.

It knows nothing of Deconfound: exec.toml beside it says how it is called. Needs
pip install lightgbm.
"""

import argparse
import csv
import json
import os
import warnings

import lightgbm
import numpy

warnings.filterwarnings("ignore", module="sklearn")


def read(path, mask):
    """Returns the row hashes, the labels by name (none in a test file) and the columns."""
    with open(path, newline="") as f:
        lines = csv.reader(f)
        header = next(lines)
        records = list(lines)
    labels = [i for i, name in enumerate(header) if name == "label" or name.startswith("label.")]
    features = [i for i, name in enumerate(header) if i > 0 and i not in labels and (mask or not name.endswith(".available"))]
    number = lambda text: float(text) if text else float("nan")
    rows = [record[0] for record in records]  # 64 bits: they would not survive as floats
    y = {header[i]: numpy.array([number(r[i]) for r in records]) for i in labels}
    x = numpy.array([[number(r[i]) for i in features] for r in records], dtype=numpy.float64).reshape(len(records), len(features))
    return rows, y, x


def report(env):
    """Prints the losses of an iteration as a line of JSON."""
    values = {f"{split}/log_loss": loss for split, _, loss, _ in env.evaluation_result_list}
    print(json.dumps({"epoch": env.iteration, **values}), flush=True)


def fit(options, x, y, x_val, y_val, classes, quiet):
    known, known_val = ~numpy.isnan(y), ~numpy.isnan(y_val)
    parameters = {
        "objective": "binary" if classes == 2 else "multiclass",
        "metric": "binary_logloss" if classes == 2 else "multi_logloss",
        "learning_rate": options.rate, "num_leaves": options.leaves, "min_data_in_leaf": options.least,
        "lambda_l2": options.l2, "seed": options.seed, "verbose": -1,
        # The same bits on every machine, whatever the number of its cores.
        "deterministic": True, "force_row_wise": True, "num_threads": 1,
    }
    if classes > 2:
        parameters["num_class"] = classes
    train = lightgbm.Dataset(x[known], y[known])
    val = lightgbm.Dataset(x_val[known_val], y_val[known_val], reference=train)
    return lightgbm.train(parameters, train, options.trees, valid_sets=[train, val], valid_names=["train", "val"],
                          callbacks=[] if quiet else [report])


def main():
    parser = argparse.ArgumentParser()
    for name in ("train", "val", "test", "out"):
        parser.add_argument("--" + name, required=True)
    for name, kind in (("seed", int), ("trees", int), ("leaves", int), ("least", int), ("rate", float), ("l2", float)):
        parser.add_argument("--" + name, type=kind, required=True)
    parser.add_argument("--mask", choices=("true", "false"), required=True)
    options = parser.parse_args()
    mask = options.mask == "true"
    _, y, x = read(options.train, mask)
    val_rows, y_val, x_val = read(options.val, mask)
    test_rows, _, x_test = read(options.test, mask)
    ask = numpy.concatenate([x_val, x_test])

    scores = []  # a column for each output
    if len(y) > 1:  # several labels, a model for each
        for name in y:
            scores.append(fit(options, x, y[name], x_val, y_val[name], 2, True).predict(ask))
    else:
        classes = max(2, int(max(y["label"].max(), y_val["label"].max())) + 1)
        p = fit(options, x, y["label"], x_val, y_val["label"], classes, False).predict(ask)
        scores = [p] if p.ndim == 1 else list(p.T)

    names = ["score"] if len(scores) == 1 else [f"score_{i}" for i in range(len(scores))]
    with open(os.path.join(options.out, "predictions.csv"), "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["row", *names])
        for i, row in enumerate(val_rows + test_rows):
            out.writerow([row, *(repr(float(s[i])) for s in scores)])


if __name__ == "__main__":
    main()
