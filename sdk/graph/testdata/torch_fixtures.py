"""Writes torch.json: what PyTorch computes for the operations of package graph.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python torch_fixtures.py > torch.json

Matrices are lists of rows. Weights are in the layout of package nn, [in, out].
"""

import json

import torch
from torch.nn import functional as F

torch.manual_seed(1)
torch.set_num_threads(1)

ROWS, COLS, HEADS, TOKENS = 4, 6, 2, 2
# Row 1 of the mask allows nothing. The attention has ROWS / TOKENS rows of keys.
MASK = torch.tensor([[1.0, 0, 1, 1, 0, 1], [0] * 6, [1] * 6, [0, 0, 0, 0, 1, 0]])
KEYS = torch.tensor([[1.0, 0], [1, 1]])


def rows(t):
    return [[float(f"{v:.9g}") for v in row] for row in t.detach().tolist()]


def case(f, **shapes):
    """Gradients are of the sum of output times factors."""
    inputs = {name.replace("_", "."): torch.randn(*shape, requires_grad=True) for name, shape in shapes.items()}
    output = f(*inputs.values())
    factors = torch.randn(output.shape)
    (output * factors).sum().backward()
    return {
        "inputs": {name: rows(v) for name, v in inputs.items()},
        "output": rows(output),
        "factors": rows(factors),
        "gradients": {name: rows(v.grad) for name, v in inputs.items()},
    }


def masked_softmax(x):
    return torch.nan_to_num(F.softmax(x.masked_fill(MASK == 0, float("-inf")), 1)) * MASK


def attention(q, k, v, mask=None):
    split = lambda x: x.reshape(-1, TOKENS, HEADS, COLS // HEADS).transpose(1, 2)
    if mask is not None:
        mask = mask[:, None, None, :] == 1
    return F.scaled_dot_product_attention(split(q), split(k), split(v), mask).transpose(1, 2).reshape(-1, COLS)


x = (ROWS, COLS)
fixtures = {
    "linear": case(lambda x, w, b: x @ w + b, x=x, w=(COLS, 3), b=(1, 3)),
    "linear without bias": case(lambda x, w: x @ w, x=x, w=(COLS, 3)),
    "dense": case(lambda x, w, b: x @ w + b, x=x, dense_weight=(COLS, 3), dense_bias=(1, 3)),
    "relu of dense": case(lambda x, w, b: F.relu(x @ w + b), x=x, dense_weight=(COLS, 3), dense_bias=(1, 3)),
    "dense and its relu": case(lambda x, w, b: (x @ w + b) * F.relu(x @ w + b), x=x, dense_weight=(COLS, 3), dense_bias=(1, 3)),
    "relu": case(F.relu, x=x),
    "tanh": case(torch.tanh, x=x),
    "sigmoid": case(torch.sigmoid, x=x),
    "gelu": case(F.gelu, x=x),
    "softmax": case(lambda x: F.softmax(x, 1), x=x),
    "masked softmax": case(masked_softmax, x=x),
    "sum": case(lambda a, b, c: a + b + c + a, a=x, b=x, c=x),
    "mul": case(lambda a, b: a * b, a=x, b=x),
    "mul itself": case(lambda a: a * a, a=x),
    "mul rows": case(lambda x, s: x * s, x=x, s=(ROWS, 1)),
    "columns": case(lambda a, b, c: torch.cat([a, b, c, a], 1), a=x, b=(ROWS, 1), c=(ROWS, 2)),
    "slice": case(lambda x: x[:, 1:4], x=x),
    "reshape": case(lambda x: x.reshape(ROWS, COLS).tanh(), x=(ROWS // 2, COLS * 2)),
    "layer norm": case(lambda x, g, b: F.layer_norm(x, (COLS,)) * g + b, x=x, norm_gain=(1, COLS), norm_bias=(1, COLS)),
    "attention": case(attention, q=x, k=x, v=x),
    "attention with a mask": case(lambda q, k, v: attention(q, k, v, KEYS), q=x, k=x, v=x),
    "fused": case(lambda a, b: torch.exp(a) / (1 + b * b), a=x, b=x),
    "block": case(lambda w, b: F.relu(MASK @ w + b), w=(COLS, 3), b=(1, 3)),
}
print(json.dumps({"torch": torch.__version__, "cases": fixtures}, separators=(",", ":")))
