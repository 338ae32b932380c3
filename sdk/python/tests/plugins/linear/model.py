"""A linear map of the observed modalities, by hand in numpy."""

print("what is printed before the handshake", end="")

import json

import deconfound
import numpy as np


class Linear(deconfound.Backbone):
    info = deconfound.Info(
        name="linear", version="0.1.0", licence="Apache-2.0", text=__doc__,
        hyperparameters=(deconfound.Float("init", 0.3, 0.01, 1), deconfound.String("shift", "ones", ("ones", "zeros"))),
        capabilities=deconfound.Capabilities(batch_independent=True, modality_embeddings=True),
    )

    def open(self, config):
        self.config, self.optimizer = config, config.optimizer.resolved()
        random = config.random()
        self.parameters = {
            m.name: random.normal(0, config["init"], (m.size + 1, config.width)).astype(np.float32) for m in config.modalities
        }
        self.moments = {name: np.zeros((2, *p.shape), np.float32) for name, p in self.parameters.items()}
        self.steps = 0

    def inputs(self, batch, m):
        x = batch.features(m).reshape(len(batch), -1)
        one = batch.mask[:, m:m + 1] * np.float32(self.config["shift"] == "ones")
        return np.concatenate([x, one], axis=1)

    def forward(self, batch):
        # Row by row: the bits of a product depend on the number of rows.
        embeddings = np.stack([
            (self.inputs(batch, m)[:, :, None] * p).sum(1) for m, p in enumerate(self.parameters.values())
        ], axis=1)
        return embeddings.sum(1), embeddings

    def backward(self, dh, batch):
        o, self.steps = self.optimizer, self.steps + 1
        gradients = [self.inputs(batch, m).T @ dh for m in range(len(self.parameters))]
        norm = float(np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients)))
        for (name, p), g in zip(self.parameters.items(), gradients):
            if 0 < o.clip_norm < norm:
                g = g * np.float32(o.clip_norm / norm)
            if o.name == "sgd":
                p -= np.float32(o.learning_rate) * g
                continue
            first, second = self.moments[name]
            first += np.float32(1 - o.beta1) * (g - first)
            second += np.float32(1 - o.beta2) * (g * g - second)
            root = np.sqrt(second / np.float32(1 - o.beta2**self.steps)) + np.float32(o.epsilon)
            p -= np.float32(o.learning_rate / (1 - o.beta1**self.steps)) * first / root
        return {}, norm

    def snapshot(self):
        moments = b"".join(m.tobytes() for m in self.moments.values())
        return self.parameters, json.dumps(self.steps).encode() + b"\n" + moments

    def restore(self, parameters, state):
        steps, _, moments = state.partition(b"\n")
        self.steps = json.loads(steps)
        values = np.frombuffer(moments, np.float32)
        at = 0
        for name, p in self.parameters.items():
            p[...] = parameters[name]
            m = self.moments[name]
            m[...] = values[at:at + m.size].reshape(m.shape)
            at += m.size


deconfound.serve(Linear)
