"""Training steps per second of PyTorch on the models of sdk/graph/peer_test.go.

    torch_step.py CASE [--threads N] [--attention matmul|elementwise|sdpa] [--compile] [--seconds S]

CASE is a directory that BenchmarkPeer wrote: features, availability, labels,
initial weights and the losses of the first steps, which must agree to 1e-4 (the
program fails otherwise). Prints one JSON object. Runs on PyTorch 1.13 and later.

Everything is arranged in PyTorch's favour: data are tensors from the start, a
batch is one index operation for each of them (as rows of shuffled batches must be
gathered, on both sides), gradients are set to None, Adam is the fastest of its
implementations, no value is read back within the timed steps.
"""

import argparse
import json
import math
import pathlib
import time

import numpy as np
import torch
from torch import nn

WIDTH, FUSED, HEADS, WIDE, BATCH = 128, 256, 4, 256, 256
MODALITIES = [64, 128, 256, 512]
TOLERANCE = 1e-4


class Encoders(nn.Module):
    """One token for each modality: Linear-ReLU-Linear, or a learned embedding."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.ModuleList(nn.Linear(n, WIDTH) for n in MODALITIES)
        self.out = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in MODALITIES)
        self.missing = nn.ParameterList(nn.Parameter(torch.zeros(1, WIDTH)) for _ in MODALITIES)

    def forward(self, xs, masks):
        tokens = []
        for x, mask, hidden, out, missing in zip(xs, masks, self.hidden, self.out, self.missing):
            e = out(torch.relu(hidden(x)))
            tokens.append(e if mask is None else torch.where(mask, e, missing))
        return tokens


class Concat(nn.Module):
    def __init__(self, _):
        super().__init__()
        self.encoders = Encoders()
        self.fusion = nn.Linear(len(MODALITIES) * WIDTH, FUSED)
        self.classifier = nn.Linear(FUSED, 2)

    def forward(self, xs, masks):
        h = torch.relu(self.fusion(torch.cat(self.encoders(xs, masks), 1)))
        return self.classifier(h)


class Attention(nn.Module):
    """A pre-norm transformer block over the tokens, and their mean."""

    def __init__(self, form):
        super().__init__()
        self.form = form
        self.encoders = Encoders()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.value, self.merge = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, WIDE), nn.Linear(WIDE, WIDTH)
        self.classifier = nn.Linear(WIDTH, 2)

    def attend(self, x):
        b, t, _ = x.shape
        q, k, v = (p(x).view(b, t, HEADS, WIDTH // HEADS) for p in (self.query, self.key, self.value))
        scale = 1 / math.sqrt(WIDTH // HEADS)
        if self.form == "sdpa":
            q, k, v = (z.transpose(1, 2) for z in (q, k, v))
            y = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        elif self.form == "matmul":
            q, k, v = (z.transpose(1, 2) for z in (q, k, v))
            y = (torch.softmax(q @ k.transpose(2, 3) * scale, -1) @ v).transpose(1, 2)
        else:  # four tokens: sums of products are faster than many small matrices
            scores = (q[:, :, None] * k[:, None]).sum(-1) * scale
            y = (torch.softmax(scores, 2)[..., None] * v[:, None]).sum(2)
        return self.merge(y.reshape(b, t, WIDTH))

    def forward(self, xs, masks):
        x = torch.stack(self.encoders(xs, masks), 1)
        x = x + self.attend(self.norm1(x))
        x = x + self.narrow(torch.relu(self.wide(self.norm2(x))))
        return self.classifier(x.mean(1))


def load(case, model, shapes):
    """Copies the weights of the case. Its linear weights are [in, out]."""
    names = {}
    for name, p in model.named_parameters():
        parts = name.split(".")
        if parts[0] == "encoders":
            kind, m, rest = parts[1], parts[2], parts[3:]
            name = ".".join([f"encoder{m}", kind, *rest])
        elif parts[0].startswith("norm") and parts[1] == "weight":
            name = parts[0] + ".gain"
        names[name] = p
    assert set(names) == set(shapes), set(names) ^ set(shapes)
    for name, p in names.items():
        w = np.fromfile(case / (name + ".f32"), np.float32).reshape(shapes[name])
        if p.ndim == 1:
            w = w[0]
        elif not name.endswith("missing"):
            w = w.T
        with torch.no_grad():
            p.copy_(torch.from_numpy(np.ascontiguousarray(w)))


def load_data(case):
    labels = torch.from_numpy(np.fromfile(case / "labels.i32", np.int32).astype(np.int64))
    availability = np.fromfile(case / "availability.u64", np.uint64)
    xs = [torch.from_numpy(np.fromfile(case / f"x{m}.f32", np.float32).reshape(-1, n)) for m, n in enumerate(MODALITIES)]
    masks = [torch.from_numpy((availability >> np.uint64(m) & np.uint64(1)).astype(bool))[:, None] for m in range(len(MODALITIES))]
    batches = [torch.arange(i, i + BATCH) for i in range(0, len(labels), BATCH)]
    return xs, [None if m.all() else m for m in masks], labels, batches


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--attention", default="elementwise")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--seconds", type=float, default=3)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)

    case = json.loads((a.case / "case.json").read_text())
    model = (Attention if "attention" in a.case.name else Concat)(a.attention)
    load(a.case, model, case["shapes"])
    try:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    except (TypeError, RuntimeError):  # 1.13 has no fused Adam for CPUs
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=True)
    xs, masks, labels, batches = load_data(a.case)
    forward = torch.compile(model) if a.compile else model
    criterion = nn.CrossEntropyLoss()

    def step(i):
        rows = batches[i % len(batches)]
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(forward([x[rows] for x in xs], [None if m is None else m[rows] for m in masks]), labels[rows])
        loss.backward()
        optimizer.step()
        return loss

    worst = max(abs(step(i).item() - want) for i, want in enumerate(case["losses"]))
    if worst > TOLERANCE:
        raise SystemExit(f"{a.case.name}: the losses differ by {worst:.2e}, more than {TOLERANCE}")
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < a.seconds:
        for _ in range(5):
            step(steps)
            steps += 1
    rate = steps / (time.perf_counter() - start)
    print(json.dumps({"torch": torch.__version__, "threads": a.threads, "attention": a.attention, "compile": a.compile,
                      "loss_difference": worst, "steps_per_second": rate}))


if __name__ == "__main__":
    main()
