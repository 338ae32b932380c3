"""Reference figures of the shifted test sets of NAFLD, from the protocol alone.

Standard library only:  python3 testdata/protocol.py > testdata/protocol.json
in host/dataset. For seeds 0 to 4: the block that flip chooses, the weight of a
row by label and mask (0 missing, 1 observed), and how many test rows still have
each block after do.
"""
import csv, gzip, hashlib, json

BLOCKS = {"anthro": ["weight", "height", "bmi"], "lipid": ["hdl_last", "hdl_mean"], "bp": ["sbp_last", "sbp_mean"],
          "fibrosis": ["fib4_last"], "smoking": ["smoke_last"]}


def uniform(*labels):
    digest = hashlib.sha256("|".join(map(str, labels)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def phi(mask, y):
    n = len(y)
    a = sum(m and c for m, c in zip(mask, y)) / n
    p, q = sum(mask) / n, sum(y) / n
    return abs(a - p * q) / (p * (1 - p) * q * (1 - q)) ** 0.5


with gzip.open("bundled/nafld/nafld.csv.gz", "rt") as f:
    rows = [r for r in csv.DictReader(f) if r["death5y"] and r["case.id"]]
label = [int(r["death5y"]) for r in rows]
mask = {b: [int(any(r[c] for c in columns)) for r in rows] for b, columns in BLOCKS.items()}

out = []
for seed in range(5):
    u = [uniform("nafld", seed, r["id"]) for r in rows]
    train = [i for i, v in enumerate(u) if v < 0.6]
    test = [i for i, v in enumerate(u) if v >= 0.8]
    y = [label[i] for i in train]
    block = max(BLOCKS, key=lambda b: phi([mask[b][i] for i in train], y))
    share = {}
    for c in (0, 1):
        of = [mask[block][i] for i in test if label[i] == c]
        share[c] = [1 - sum(of) / len(of), sum(of) / len(of)]
    weights = [[min(share[1 - c][k] / share[c][k], 20) for k in (0, 1)] for c in (0, 1)]
    do = {b: sum(mask[b][i] and uniform("nafld", "do", seed, rows[i]["id"], b) >= 0.5 for i in test) for b in BLOCKS}
    out.append({"seed": seed, "block": block, "weights": weights, "do": do})
print(json.dumps(out, indent=1))
