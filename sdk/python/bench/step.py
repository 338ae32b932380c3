"""What deconfound.torch adds to a training step: the same transformer, on the same
batches, through a session and by hand, in turns in one process. The border between
processes comes on top: go test ./host/scaffold -run xxx -bench Python.

    python3 bench/step.py
"""

import json
import os
import statistics
import tempfile
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import deconfound
from deconfound.backbone import BackboneSession
from deconfound.torch import backbone

ROWS, BATCH, WIDTH, COLUMNS = 4096, 256, 128, (64, 128, 256, 512)


class Transformer(torch.nn.Module):
    """One block over a token a modality, and the mean of what is observed."""

    def __init__(self, config):
        super().__init__()
        self.encoders = torch.nn.ModuleList(
            torch.nn.Sequential(torch.nn.Linear(m.size, WIDTH), torch.nn.ReLU(), torch.nn.Linear(WIDTH, WIDTH)) for m in config.modalities)
        self.block = torch.nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, dropout=0.0, batch_first=True)

    def forward(self, modalities, availability):
        tokens = torch.stack([encode(x) for encode, x in zip(self.encoders, modalities)], 1)
        out = self.block(tokens, src_key_padding_mask=availability == 0)
        return (out * availability[..., None]).sum(1) / availability.sum(1, keepdim=True)


def store(directory: str) -> None:
    """Writes standard normal features."""
    random, modalities = np.random.default_rng(0), []
    for m, width in enumerate(COLUMNS):
        np.save(f"{directory}/m{m}.npy", random.normal(size=(ROWS, width)).astype(np.float32))
        modalities.append({"name": f"m{m}", "kind": "tabular", "width": width, "array": f"m{m}.npy"})
    with open(f"{directory}/store.json", "w", encoding="utf-8") as f:
        json.dump({"format": 1, "rows": ROWS, "modalities": modalities}, f)


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        store(directory)
        one = [np.ones(width, np.float32) for width in COLUMNS]
        config = deconfound.Config(
            modalities=tuple(deconfound.Modality(f"m{m}", "tabular", w, scaling=deconfound.Scaling(0 * one[m], one[m])) for m, w in enumerate(COLUMNS)),
            width=WIDTH, task=deconfound.Task("binary"), hyperparameters={}, optimizer=deconfound.Optimizer("adam", 1e-3), seed=1,
            max_batch=BATCH, feature_store=directory)
        session = BackboneSession(backbone(Transformer, name="t", version="1", licence="MIT"), config)
        module = Transformer(config)
        optimizer = type(session.model.optimizer)(module.parameters(), **session.model.optimizer.defaults)
        features = [torch.from_numpy(np.load(f"{directory}/m{m}.npy")) for m in range(len(COLUMNS))]
        random, dh = np.random.default_rng(1), np.full((BATCH, WIDTH), 1e-3, np.float32)
        steps = {"session": [], "by hand": []}
        for n in range(120):
            rows = random.integers(0, ROWS, BATCH).astype(np.int32)
            masks = random.integers(1, 16, BATCH).astype(np.uint64)
            began = time.process_time()
            session.forward(rows, masks, True, n, None)
            session.backward(dh, None)
            steps["session"].append(time.process_time() - began)
            began = time.process_time()
            observed = torch.from_numpy((masks[:, None] >> np.arange(4, dtype=np.uint64) & np.uint64(1)).astype(np.float32))
            h = module([x[rows] * observed[:, m:m + 1] for m, x in enumerate(features)], observed)
            optimizer.zero_grad()
            h.backward(torch.from_numpy(dh))
            optimizer.step()
            steps["by hand"].append(time.process_time() - began)
        medians = {name: statistics.median(times[20:]) * 1e3 for name, times in steps.items()}
        added = statistics.median(a - b for a, b in zip(steps["session"][20:], steps["by hand"][20:])) * 1e3
        print(f"session {medians['session']:.2f} ms, by hand {medians['by hand']:.2f} ms, median difference {added:.2f} ms of CPU a step")


if __name__ == "__main__":
    main()
