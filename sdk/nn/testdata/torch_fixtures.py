"""Writes torch.json: what PyTorch computes for the operations of package nn.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python torch_fixtures.py > torch.json

Matrices are lists of rows. Weights are in the layout of package nn, [in, out].
"""

import json

import numpy as np
import torch
from torch import nn

torch.manual_seed(1)
torch.set_num_threads(1)


def rows(t):
    t = t.detach()
    if t.dim() == 1:
        t = t.reshape(1, -1)
    return [[float(f"{v:.9g}") for v in row] for row in t.reshape(-1, t.shape[-1]).tolist()]


def draw(*shape):
    return torch.randn(*shape, requires_grad=True)


def case(inputs, output):
    """Gradients are of the sum of output times factors."""
    factors = torch.randn(output.shape)
    (output * factors).sum().backward()
    return {
        "inputs": {name: rows(v) for name, v in inputs.items()},
        "output": rows(output),
        "factors": rows(factors),
        "gradients": {name: rows(v.grad) for name, v in inputs.items() if v.grad is not None},
    }


def cross_entropy():
    x = draw(5, 4)
    classes = torch.tensor([0, 3, 1, 1, 2])
    c = case({"logits": x}, nn.functional.cross_entropy(x, classes, reduction="none").reshape(-1, 1))
    return c | {"classes": classes.tolist()}


def bce():
    """Columns that are masked do not count in the mean of a row."""
    x = draw(4, 3)
    targets = torch.tensor([[1.0, 0, 1], [0, 0.25, 1], [1, 0, 0], [0, 0, 1]])
    mask = torch.tensor([[1.0, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]])
    loss = nn.functional.binary_cross_entropy_with_logits(x, targets, reduction="none") * mask
    c = case({"logits": x}, (loss.sum(1) / mask.sum(1).clamp(min=1)).reshape(-1, 1))
    return c | {"targets": rows(targets), "mask": rows(mask)}


def activation(f):
    x = draw(4, 6)
    return case({"x": x}, f(x))


def layer_norm():
    x, g, b = draw(5, 6), draw(6), draw(6)
    return case({"x": x, "g": g, "b": b}, nn.functional.layer_norm(x, (6,), g, b))


def batch_norm():
    m = nn.BatchNorm1d(3)
    with torch.no_grad():
        m.weight.copy_(torch.randn(3))
        m.bias.copy_(torch.randn(3))
    m(torch.randn(7, 3))  # running statistics that are not the first ones
    before = {"mean_before": rows(m.running_mean), "variance_before": rows(m.running_var)}
    m.zero_grad()
    x = draw(5, 3)
    c = case({"x": x, "g": m.weight, "b": m.bias}, m(x)) | before
    m.eval()
    return c | {"mean_after": rows(m.running_mean), "variance_after": rows(m.running_var), "inference": rows(m(x))}


def gru():
    lengths = [3, 5, 1, 4]
    m = nn.GRU(2, 3, batch_first=True)
    x = draw(4, 5, 2)
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    w = {"in": m.weight_ih_l0, "state": m.weight_hh_l0, "in_bias": m.bias_ih_l0, "state_bias": m.bias_hh_l0}
    c = case({"x": x} | w, m(packed)[1][0])
    for part in ("inputs", "gradients"):
        for name in ("in", "state"):
            c[part][name] = np.array(c[part][name]).T.tolist()
    return c | {"lengths": lengths}


def attention():
    width, heads, tokens, batch = 6, 2, 3, 4
    m = nn.MultiheadAttention(width, heads, batch_first=True)
    with torch.no_grad():
        m.in_proj_bias.copy_(torch.randn(3 * width))
        m.out_proj.bias.copy_(torch.randn(width))
    seen = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 1, 1]], dtype=torch.bool)
    x = draw(batch, tokens, width)
    c = case({"x": x}, m(x, x, x, key_padding_mask=~seen, need_weights=False)[0])
    for i, name in enumerate(("query", "key", "value")):
        part = slice(i * width, (i + 1) * width)
        c["inputs"][name + ".weight"] = rows(m.in_proj_weight[part].T)
        c["inputs"][name + ".bias"] = rows(m.in_proj_bias[part])
        c["gradients"][name + ".weight"] = rows(m.in_proj_weight.grad[part].T)
        c["gradients"][name + ".bias"] = rows(m.in_proj_bias.grad[part])
    for part, of in (("inputs", lambda p: p), ("gradients", lambda p: p.grad)):
        c[part]["out.weight"] = rows(of(m.out_proj.weight).T)
        c[part]["out.bias"] = rows(of(m.out_proj.bias))
    return c | {"heads": heads, "tokens": tokens, "mask": seen.reshape(-1).tolist()}


def cross_attention():
    width, heads, queries, tokens, batch = 6, 2, 2, 3, 3
    seen = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0]], dtype=torch.bool)
    q, k, v = draw(batch, queries, width), draw(batch, tokens, width), draw(batch, tokens, width)

    def split(x):
        return x.reshape(batch, -1, heads, width // heads).transpose(1, 2)

    out = nn.functional.scaled_dot_product_attention(split(q), split(k), split(v), attn_mask=seen[:, None, None, :])
    c = case({"q": q, "k": k, "v": v}, out.transpose(1, 2).reshape(batch * queries, width))
    return c | {"heads": heads, "queries": queries, "tokens": tokens, "mask": seen.reshape(-1).tolist()}


def linear_relu():
    x, w, b = draw(5, 4), draw(4, 20), draw(1, 20)
    return case({"x": x, "w": w, "b": b}, torch.relu(x @ w + b))


def batch_matmul():
    a, b = draw(3, 4, 5), draw(3, 5, 18)
    return case({"a": a, "b": b}, torch.bmm(a, b).reshape(12, 18))


def embedding():
    table = draw(5, 3)
    return case({"table": table}, nn.functional.embedding(torch.tensor([3, 0, 3, 4]), table))


def likelihood():
    mu, s, b = draw(5, 3), draw(5, 3), draw(5, 3)
    loss = nn.functional.gaussian_nll_loss(mu, b, torch.exp(s), reduction="none")
    return case({"mu": mu, "s": s, "b": b}, -loss.sum(1, keepdim=True))


def gce():
    x = draw(5, 4)
    classes = torch.tensor([0, 3, 1, 1, 2])
    p = torch.softmax(x, 1).gather(1, classes.reshape(-1, 1))
    return case({"logits": x}, (1 - p**0.7) / 0.7) | {"classes": classes.tolist()}


def kl():
    a, b = draw(4, 5), draw(4, 5)
    p, q = torch.log_softmax(a, 1), torch.log_softmax(b, 1)
    return case({"a": a, "b": b}, nn.functional.kl_div(q, p, reduction="none", log_target=True).sum(1, keepdim=True))


def cosine():
    a, b = draw(4, 5), draw(4, 5)
    return case({"a": a, "b": b}, nn.functional.cosine_similarity(a, b).reshape(-1, 1))


def contrastive():
    a, b = draw(5, 3), draw(5, 3)
    logits = nn.functional.normalize(a) @ nn.functional.normalize(b).T / 0.5
    own = torch.arange(5)
    loss = nn.functional.cross_entropy(logits, own, reduction="none") + nn.functional.cross_entropy(logits.T, own, reduction="none")
    return case({"a": a, "b": b}, loss.reshape(-1, 1) / 2)


def cross_covariance():
    a, b = draw(6, 3), draw(6, 2)

    def standardise(x):
        return (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()

    return case({"a": a, "b": b}, ((standardise(a).T @ standardise(b) / 6) ** 2).sum().reshape(1, 1))


def vclub():
    mu, s, b = draw(5, 3), draw(5, 3), draw(5, 3)
    # log q(b_j|i) in row i and column j, without the constant.
    log = -0.5 * ((mu[:, None] - b[None]) ** 2 * torch.exp(-s)[:, None] + s[:, None]).sum(2)
    return case({"mu": mu, "s": s, "b": b}, (log.diagonal() - log.mean(1)).reshape(-1, 1))


def hsic():
    a, b = draw(6, 3), draw(6, 2)

    def centred(x):
        squares = ((x[:, None] - x[None]) ** 2).sum(2)
        pairs = squares.detach()[torch.tril_indices(6, 6, -1).unbind()]
        k = torch.exp(-squares / pairs.quantile(0.5))
        return k - k.mean(0) - k.mean(1, keepdim=True) + k.mean()

    k, l = centred(a), centred(b)
    return case({"a": a, "b": b}, ((k * l).sum() / ((k * k).sum() * (l * l).sum()).sqrt()).reshape(1, 1))


def top_softmax():
    x = draw(5, 6)
    chosen = torch.zeros(5, 6).scatter(1, x.detach().topk(2).indices, 1) > 0
    return case({"x": x}, torch.softmax(x.masked_fill(~chosen, float("-inf")), 1))


def variation():
    x = draw(1, 6)
    return case({"x": x}, (x.var() / (x.mean() ** 2 + 1e-10)).reshape(1, 1))


def optimizer(make, config, clip=0.0):
    """Ten steps on two parameters with given gradients."""
    ps = [nn.Parameter(torch.randn(2, 3)), nn.Parameter(torch.randn(1, 4))]
    start = [rows(p) for p in ps]
    o = make(ps)
    gradients, values = [], []
    for step in range(10):
        for p in ps:
            p.grad = torch.randn(p.shape) * 10 ** (1 - 0.3 * step)
        gradients.append([rows(p.grad) for p in ps])
        if clip:
            nn.utils.clip_grad_norm_(ps, clip)
        o.step()
        values.append([rows(p) for p in ps])
    return {"config": config | {"ClipNorm": clip}, "start": start, "gradients": gradients, "values": values}


optim = torch.optim
print(json.dumps({
    "torch": torch.__version__.split("+")[0],
    "cross_entropy": cross_entropy(),
    "bce": bce(),
    "gelu": activation(nn.functional.gelu),
    "tanh": activation(torch.tanh),
    "sigmoid": activation(torch.sigmoid),
    "softmax": activation(lambda x: torch.softmax(x, 1)),
    "log_softmax": activation(lambda x: torch.log_softmax(x, 1)),
    "layer_norm": layer_norm(),
    "batch_norm": batch_norm(),
    "gru": gru(),
    "attention": attention(),
    "cross_attention": cross_attention(),
    "linear_relu": linear_relu(),
    "gce": gce(),
    "kl": kl(),
    "cosine": cosine(),
    "contrastive": contrastive(),
    "cross_covariance": cross_covariance(),
    "vclub": vclub(),
    "hsic": hsic(),
    "softplus": activation(nn.functional.softplus),
    "top_softmax": top_softmax(),
    "variation": variation(),
    "batch_matmul": batch_matmul(),
    "embedding": embedding(),
    "likelihood": likelihood(),
    "optimizers": {
        "adam": optimizer(lambda ps: optim.Adam(ps, lr=0.05), {"Name": "adam", "LearningRate": 0.05}),
        "adam with decay": optimizer(
            lambda ps: optim.Adam(ps, lr=0.05, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1),
            {"Name": "adam", "LearningRate": 0.05, "Beta1": 0.8, "Beta2": 0.95, "Epsilon": 1e-4, "WeightDecay": 0.1}),
        "adam with clipping": optimizer(
            lambda ps: optim.Adam(ps, lr=0.05), {"Name": "adam", "LearningRate": 0.05}, clip=2.0),
        "adamw": optimizer(
            lambda ps: optim.AdamW(ps, lr=0.05, weight_decay=0.2),
            {"Name": "adamw", "LearningRate": 0.05, "WeightDecay": 0.2}),
        "sgd": optimizer(lambda ps: optim.SGD(ps, lr=0.05), {"Name": "sgd", "LearningRate": 0.05}),
        "sgd with momentum": optimizer(
            lambda ps: optim.SGD(ps, lr=0.05, momentum=0.9, weight_decay=0.1),
            {"Name": "sgd", "LearningRate": 0.05, "Momentum": 0.9, "WeightDecay": 0.1}, clip=3.0),
    },
}, indent=None, separators=(",", ":")))
