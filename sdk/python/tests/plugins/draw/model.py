"""Draws at random."""

import random

import deconfound


class Draw(deconfound.Sampler):
    info = deconfound.Info(name="draw", version="0.1.0", licence="Apache-2.0")

    def propose(self, p):
        r = random.Random(f"{p.seed} {p.number} {len(p.refused)}")
        return {d.name: self.one(d, r.random()) for d in p.dimensions}

    def one(self, d, u):
        if d.kind == "values":
            return d.values[int(u * len(d.values))]
        if d.kind == "log_uniform":
            return min(d.min * (d.max / d.min) ** u, d.max)
        if d.step > 0:
            return d.min + d.step * int(u * (1 + (d.max - d.min) // d.step))
        return d.min + u * (d.max - d.min)


if __name__ == "__main__":
    deconfound.serve(Draw)
