"""A strategy with everything that is optional: rows that the first stage was unsure
of weigh more in a second one, rows are mixed with the next, and predictions are drawn
towards the mean prediction of the validation rows."""

import numpy as np

import deconfound


class Ready(deconfound.Strategy):
    info = deconfound.Info(
        name="ready", version="1.0.0", licence="Apache-2.0",
        capabilities=deconfound.Capabilities(stages=True, mixes=True, post_hoc="representation"),
    )

    def open(self, training):
        self.training = training
        self.sure, self.mean = None, None

    def stages(self):
        return [(self.training.epochs - 1, True)] if self.training.epochs > 1 else []

    def begin(self, stage, predictions):
        self.sure = predictions[:, 0].copy()
        return {"sure": float(self.sure.mean())}

    def objective(self, observation):
        weights = None if self.sure is None else 2 - self.sure[observation.rows]
        return deconfound.Objective(weights=weights)

    def mix(self, rows, labels, availability, groups, step):
        keep = self.training.random(step).random(dtype=np.float32)
        return np.roll(np.arange(len(rows)), 1), np.full(len(rows), keep, np.float32)

    def fit(self, held):
        self.mean = held.predictions.mean(0, dtype=np.float64)
        return {}

    def adjust(self, held):
        if self.mean is None:
            raise deconfound.Error("bad_request", "adjust before a fit")
        return (held.predictions + self.mean) / 2, {"rows": float(len(held.availability))}

    def snapshot(self):
        state = b"" if self.sure is None else self.sure.tobytes()
        return {}, bytes([self.sure is not None, self.mean is not None]) + state + (b"" if self.mean is None else self.mean.tobytes())

    def restore(self, parameters, state):
        n, outputs = len(self.training.availability), self.training.task.outputs
        if parameters or len(state) < 2 or len(state) != 2 + 4 * n * state[0] + 8 * outputs * state[1]:
            raise ValueError(f"a state of {len(state)} bytes")
        end = 2 + 4 * n * state[0]
        self.sure = np.frombuffer(state[2:end], np.float32) if state[0] else None
        self.mean = np.frombuffer(state[end:], np.float64) if state[1] else None


deconfound.serve(Ready)
