"""What the references in PyTorch share: the inputs and parameters that
backbonetest.Reference draws too, and the form of the result.

A number is drawn from its name and its place alone, by draw, in both languages; so
a fixture holds results only. Everything is float64. A plugin has its reference in
testdata/reference.py, with the command that writes testdata/reference.json:

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python plugins/backbone/NAME/testdata/reference.py > plugins/backbone/NAME/testdata/reference.json
"""

import json

import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

ROWS = 16
MASK = (1 << 64) - 1


def draw(name, n):
    """n numbers from -1 to 1: SplitMix64 that starts at the FNV-1a hash of the name."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = ((key ^ byte) * 0x100000001B3) & MASK
    out = []
    for _ in range(n):
        key = (key + 0x9E3779B97F4A7C15) & MASK
        z = key
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        out.append((z >> 11) * 2.0**-52 - 1)
    # As float32, which the other side computes with.
    return torch.tensor(out, dtype=torch.float32).double()


class Reference:
    """A batch of 16 rows in which every pattern of three modalities occurs twice. A
    modality is a name, a width and a length: 0 for an embedding, -1 for a table."""

    def __init__(self, width=4, modalities=(("ecg", 3, 0), ("note", 2, 0), ("scan", 4, 0)), **hyperparameters):
        self.width, self.modalities, self.hyperparameters = width, modalities, {"dropout": 0.0} | hyperparameters
        self.names = [name for name, _, _ in modalities]
        self.parameters = {}
        self.labels = torch.tensor([i % 3 % 2 for i in range(ROWS)], dtype=torch.float64)
        pattern = torch.arange(ROWS) % 8
        self.has = [(pattern >> m & 1).bool() for m in range(len(modalities))]
        self.has_all = torch.stack(self.has, 1).double()  # [rows, modalities]
        self.lengths = [torch.tensor([1 + i % max(length, 1) for i in range(ROWS)]) for _, _, length in modalities]
        self.x = [draw("x." + name, ROWS * w * max(length, 1)).reshape(ROWS, max(length, 1), w) for name, w, length in modalities]

    def p(self, name, rows, cols):
        """A parameter, [rows, cols]."""
        if name not in self.parameters:
            self.parameters[name] = (draw(name, rows * cols) * 0.5).float().double().reshape(rows, cols).requires_grad_()
        return self.parameters[name]

    def linear(self, name, x, out, bias=True):
        y = x @ self.p(name + ".weight", x.shape[-1], out)
        return y + self.p(name + ".bias", 1, out) if bias else y

    def norm(self, name, x):
        width = x.shape[-1]
        y = torch.nn.functional.layer_norm(x, [width], eps=1e-5)
        return y * self.p(name + ".gain", 1, width) + self.p(name + ".bias", 1, width)

    def e(self, m, width):
        """The embedding of modality m, zero in rows without it."""
        y = self.linear(f"encoder.{self.names[m]}.out", self.x[m][:, 0], width)
        return y * self.has[m][:, None]

    def bce(self, logits):
        """The loss of every row."""
        return torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], self.labels[: len(logits)], reduction="none")

    def write(self, h, terms=(), evaluated=None):
        """h in training, the terms as they enter the objective, and h in eval mode if
        it is another."""
        factors = draw("dh", h.numel()).reshape(h.shape)
        ((h * factors).sum() + sum(value for _, value in terms)).backward()
        gradients = {}
        for name, v in self.parameters.items():
            g = torch.zeros_like(v) if v.grad is None else v.grad
            along = draw("along." + name, v.numel()).reshape(v.shape)
            gradients[name] = {"shape": list(v.shape), "along": (g * along).sum().item(), "norm": g.norm().item()}
        out = {
            "hyperparameters": self.hyperparameters,
            "width": self.width,
            "modalities": [{"name": n, "width": w, "length": length} for n, w, length in self.modalities],
            "h": h.detach().flatten().tolist(),
            "eval": None if evaluated is None else evaluated.detach().flatten().tolist(),
            "terms": [{"name": name, "value": value.item()} for name, value in terms],
            "gradients": gradients,
        }
        print(json.dumps(json.loads(json.dumps(out), parse_float=lambda s: float(f"{float(s):.9g}"))))
