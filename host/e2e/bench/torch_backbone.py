"""Training steps per second of PyTorch on the shipped backbones.

    torch_backbone.py BACKBONE CASE [--threads N] [--form mask|gather] [--attention matmul|sdpa] [--compile] [--seconds S]

CASE is a directory that host/e2e/bench/backbone wrote: features, availability,
labels, initial weights, random numbers and the losses of the first steps, which must agree to 1e-4
(the program fails otherwise). Prints one JSON object. Runs on PyTorch 1.13 and later.

Everything is arranged in PyTorch's favour: data are tensors from the start, what
only depends on the availability of a batch is made beforehand, a batch is one index
operation for each modality, missing modalities are masked or only the observed rows
computed (--form, whichever is faster counts), the last transformer layer computes
the CLS token alone, gradients are set to None, Adam is the fastest of its
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
from torch.nn import functional as F

from torch_parts import BATCH, HEADS, HIDDEN, MODALITIES, WIDTH, Backbone, prepare
from torch_published import PUBLISHED

LAYERS = 2
TOLERANCE = 1e-4
# How many of the first losses are compared where not all: contrasts at a low temperature,
# and absolute differences, whose gradient is a sign, multiply rounding. PyTorch in single
# and in double precision differ by more than the tolerance soon after these.
COMPARED = {"muse": 9, "shaspec": 10}


class Concat(Backbone):
    def build(self):
        self.linear("fusion_hidden", len(MODALITIES) * WIDTH, HIDDEN)
        self.linear("fusion_out", HIDDEN, WIDTH)

    def fuse(self, xs, y, b):
        return self.fusion_out(torch.relu(self.fusion_hidden(torch.cat(self.embeddings(xs, b), 1)))), None


class Mean(Backbone):
    def build(self):
        self.linear("fusion_hidden", WIDTH, HIDDEN)
        self.linear("fusion_out", HIDDEN, WIDTH)

    def fuse(self, xs, y, b):
        first, *others = self.embeddings(xs, b)
        for e in others:
            first = first + e
        return self.fusion_out(torch.relu(self.fusion_hidden(first * b["share"]))), None


class Gated(Backbone):
    def build(self):
        self.gate_weight, self.gate_bias = nn.Parameter(torch.zeros(WIDTH, HIDDEN)), nn.Parameter(torch.zeros(HIDDEN))
        self.gate_score = nn.Parameter(torch.zeros(HIDDEN, 1))

    def fuse(self, xs, y, b):
        e = torch.stack(self.embeddings(xs, b), 1)
        scores = (torch.tanh(e @ self.gate_weight + self.gate_bias) @ self.gate_score)[..., 0]
        return (torch.softmax(scores + b["penalty"], 1)[..., None] * e).sum(1), None


class Late(Backbone):
    def build(self):
        for m in range(len(MODALITIES)):
            self.linear(f"score_m{m}", HIDDEN, WIDTH)
        self.weight = nn.Parameter(torch.zeros(len(MODALITIES)))

    def fuse(self, xs, y, b):
        weights = torch.softmax(self.weight + b["penalty"], 1)  # 0 where missing
        h = 0
        for m, x in enumerate(xs):
            s = getattr(self, f"score_m{m}")(self.encoded(x, m))
            if self.form == "gather":
                s = self.spread(s, b, m)
            h = h + s * weights[:, m:m + 1]
        return h, None


class Multimodn(Backbone):
    def build(self):
        self.start = nn.Parameter(torch.zeros(WIDTH))
        for m in range(len(MODALITIES)):
            self.linear(f"step_m{m}_hidden", HIDDEN + WIDTH, HIDDEN)
            self.linear(f"step_m{m}_out", HIDDEN, WIDTH)
        self.decoder = nn.Linear(WIDTH, 1)

    def fuse(self, xs, y, b):
        state, loss, moved = self.start.expand(len(b["rows"]), WIDTH), 0, 0
        for m, x in enumerate(xs):
            part = self.form == "gather" and not self.whole[m]
            old = state[b["index"][m]] if part else state
            new = getattr(self, f"step_m{m}_out")(torch.relu(getattr(self, f"step_m{m}_hidden")(torch.cat([self.encoded(x, m), old], 1))))
            change = new - old
            losses = F.binary_cross_entropy_with_logits(self.decoder(new)[:, 0], y[b["index"][m]] if part else y, reduction="none")
            squares = change.square().mean(1)
            if part or self.whole[m]:
                loss, moved = loss + losses.sum(), moved + squares.sum()
            else:
                known = b["mask"][:, m]
                loss, moved = loss + (losses * known).sum(), moved + (squares * known).sum()
            state = state + self.spread(change, b, m)
        return state, (loss + 0.01 * moved) / b["total"]


class Transformer(Backbone):
    def build(self):
        for m in range(len(MODALITIES)):
            self.linear(f"token_m{m}", HIDDEN, HIDDEN)
        self.position = nn.Parameter(torch.zeros(1 + len(MODALITIES), HIDDEN))
        for i in range(LAYERS):
            for name in ("query", "key", "value", "merge"):
                self.linear(f"layer{i}_attention_{name}", HIDDEN, HIDDEN)
            self.linear(f"layer{i}_network_wide", HIDDEN, 4 * HIDDEN)
            self.linear(f"layer{i}_network_narrow", 4 * HIDDEN, HIDDEN)
            setattr(self, f"layer{i}_attention_norm", nn.LayerNorm(HIDDEN))
            setattr(self, f"layer{i}_network_norm", nn.LayerNorm(HIDDEN))
        self.norm, self.out = nn.LayerNorm(HIDDEN), nn.Linear(HIDDEN, WIDTH)

    def attend(self, i, x, b, last):
        part = lambda name: getattr(self, f"layer{i}_attention_{name}")
        x = part("norm")(x)
        heads = lambda z: z.view(len(z), -1, HEADS, HIDDEN // HEADS).transpose(1, 2)
        q, k, v = heads(part("query")(x[:, :1] if last else x)), heads(part("key")(x)), heads(part("value")(x))
        if self.attention == "sdpa":
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=b["keys"])
        else:
            y = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(HIDDEN // HEADS) + b["key_penalty"], -1) @ v
        return part("merge")(y.transpose(1, 2).reshape(len(x), -1, HIDDEN))

    def fuse(self, xs, y, b):
        tokens = [self.position[:1].expand(len(b["rows"]), HIDDEN)]
        for m, x in enumerate(xs):
            token = getattr(self, f"token_m{m}")(self.encoded(x, m)) + self.position[m + 1]
            # What stands at a missing token is masked out of the attention.
            tokens.append(self.spread(token, b, m) if self.form == "gather" else token)
        x = torch.stack(tokens, 1)
        for i in range(LAYERS):
            last = i == LAYERS - 1  # nothing reads the other tokens any more
            x = (x[:, :1] if last else x) + self.attend(i, x, b, last)
            part = lambda name: getattr(self, f"layer{i}_network_{name}")
            x = x + part("narrow")(F.gelu(part("wide")(part("norm")(x))))
        return self.out(self.norm(x[:, 0])), None


BACKBONES = {"concat": Concat, "gated": Gated, "late": Late, "mean": Mean, "multimodn": Multimodn, "transformer": Transformer, **PUBLISHED}


def load(case, model, shapes):
    """Copies the weights of the case. Its linear weights are [in, out], its vectors [1, out]."""
    linear = {name + ".weight" for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    parts = dict(model.named_parameters())
    for name, shape in shapes.items():
        name_in_case, name = name, model.RENAMED.get(name, name)
        path, _, leaf = name.rpartition(".")
        part = path.replace(".", "_") + "." + ("weight" if leaf == "gain" else leaf)
        if part not in parts:  # no part of a module
            part = name.replace(".", "_")
        w = torch.from_numpy(np.fromfile(case / (name_in_case + ".f32"), np.float32).reshape(shape))
        with torch.no_grad():
            p = parts.pop(part)
            p.copy_(w.T if part in linear else w.reshape(p.shape))
    assert not parts, f"the case lacks {list(parts)}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("backbone", choices=BACKBONES)
    parser.add_argument("case", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--form", default="mask")
    parser.add_argument("--attention", default="matmul")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--seconds", type=float, default=3)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)

    case = json.loads((a.case / "case.json").read_text())
    availability = np.fromfile(a.case / "availability.u64", np.uint64)
    whole = [bool((availability >> np.uint64(m) & np.uint64(1)).all()) for m in range(len(MODALITIES))]
    model = BACKBONES[a.backbone](a.form, a.attention, whole)
    load(a.case, model, case["shapes"])
    try:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    except (TypeError, RuntimeError):  # 1.13 has no fused Adam for CPUs
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=True)
    labels = torch.from_numpy(np.fromfile(a.case / "labels.f32", np.float32))
    data = [torch.from_numpy(np.fromfile(a.case / f"x{m}.f32", np.float32).reshape(-1, n)) for m, n in enumerate(MODALITIES)]
    batches = [prepare(torch.arange(i, i + BATCH), availability) for i in range(0, len(labels), BATCH)]
    forward = torch.compile(model) if a.compile else model

    draws = np.fromfile(a.case / "draws.f32", np.float32) if (a.case / "draws.f32").exists() else None
    if draws is not None:
        draws = torch.from_numpy(draws).view(len(case["losses"]), -1)
    if (a.case / "state.bin").exists():
        model.state((a.case / "state.bin").read_bytes())

    def step(i):
        b = batches[i % len(batches)]
        if draws is not None:
            b = {**b, "noise": model.noise(draws[i], b) if i < len(draws) else model.draw(b)}
        optimizer.zero_grad(set_to_none=True)
        loss, objective = forward(model.take(data, b), labels[b["rows"]], b)
        objective.backward()
        optimizer.step()
        model.after(b)
        return loss

    differences = [abs(step(i).item() - want) for i, want in enumerate(case["losses"])]
    worst = max(differences[:COMPARED.get(a.backbone)])
    if worst > TOLERANCE:
        raise SystemExit(f"{a.backbone}: the losses differ by {worst:.2e}, more than {TOLERANCE}")
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < a.seconds:
        for _ in range(5):
            step(len(case["losses"]) + steps)
            steps += 1
    rate = steps / (time.perf_counter() - start)
    print(json.dumps({"torch": torch.__version__, "loss_difference": worst, "steps_per_second": rate}))


if __name__ == "__main__":
    main()
