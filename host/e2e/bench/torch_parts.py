"""What the PyTorch equivalents of all shipped backbones have in common."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

WIDTH, HIDDEN, HEADS, BATCH = 128, 128, 4, 256
MODALITIES = [64, 128, 256, 512]


def prepare(rows, availability):
    """What can be known of a batch before training. Modalities are whole if no row lacks one."""
    count = len(MODALITIES)
    pattern = availability[rows.numpy()]
    observed = torch.from_numpy((pattern[:, None] >> np.arange(count, dtype=np.uint64) & np.uint64(1)).astype(bool))
    mask = observed.float()  # [batch, modalities]
    keys = torch.cat([torch.ones(len(rows), 1, dtype=torch.bool), observed], 1)  # CLS first
    both = mask @ mask.T
    pairs = [(observed[:, i] & observed[:, j]) for i in range(count) for j in range(count)]
    return {
        "rows": rows, "mask": mask, "columns": [mask[:, m:m + 1].contiguous() for m in range(count)],
        "index": [observed[:, m].nonzero()[:, 0] for m in range(count)],
        "penalty": torch.where(observed, 0.0, -torch.inf), "share": 1 / mask.sum(1, keepdim=True),
        "keys": keys[:, None, None], "key_penalty": torch.where(keys, 0.0, -torch.inf)[:, None, None], "total": mask.sum(),
        "observed": observed, "pattern": torch.from_numpy(pattern.astype(np.int64)), "links": both.reciprocal().nan_to_num(posinf=0),
        "pairs": [p.float()[:, None] for p in pairs], "pair_index": [p.nonzero()[:, 0] for p in pairs],
        "edges": observed.nonzero().T.contiguous(), "view": mask.clone(), "several": (mask.sum(1) > 1).float(),
    }


class Backbone(nn.Module):
    """Parts are registered under the names of the case, with _ for a dot."""

    encoders = True
    RENAMED = {}  # parameters whose name a module has already

    def __init__(self, form, attention, whole):
        super().__init__()
        self.form, self.attention, self.whole = form, attention, whole
        self.classifier = nn.Linear(WIDTH, 1)
        for m, n in enumerate(MODALITIES if self.encoders else []):
            self.linear(f"encoder_m{m}_hidden", n, HIDDEN)
            self.linear(f"encoder_m{m}_out", HIDDEN, WIDTH)
        self.build()

    def linear(self, name, n, out):
        setattr(self, name, nn.Linear(n, out))

    def param(self, name, *shape):
        setattr(self, name, nn.Parameter(torch.zeros(shape)))

    def layer_norm(self, name, n):
        setattr(self, name, nn.LayerNorm(n))

    def mlp(self, name, *widths):
        for i, (n, out) in enumerate(zip(widths, widths[1:])):
            self.linear(f"{name}_{i}", n, out)

    def network(self, name, n, wide):
        self.layer_norm(name + "_norm", n)
        self.linear(name + "_wide", n, wide)
        self.linear(name + "_narrow", wide, n)

    def attention_parts(self, name, n, last="merge"):
        for part in ("query", "key", "value", last):
            self.linear(f"{name}_{part}", n, n)

    def run(self, name, x):
        return getattr(self, name)(x)

    def run_mlp(self, name, x):
        """Two layers."""
        return self.run(name + "_1", torch.relu(self.run(name + "_0", x)))

    def run_network(self, name, x):
        return x + self.run(name + "_narrow", F.gelu(self.run(name + "_wide", self.run(name + "_norm", x))))

    def attend(self, name, x, y, heads, last="merge", keys=None, penalty=None):
        """Attention of x [n, queries, d] to y [n, tokens, d]; keys are a mask, penalty is it in logarithms."""
        d = x.shape[2]
        split = lambda z: z.view(len(z), -1, heads, d // heads).transpose(1, 2)
        q, k, v = split(self.run(name + "_query", x)), split(self.run(name + "_key", y)), split(self.run(name + "_value", y))
        if self.attention == "sdpa":
            z = F.scaled_dot_product_attention(q, k, v, attn_mask=keys)
        else:
            scores = q @ k.transpose(2, 3) / math.sqrt(d // heads)
            z = torch.softmax(scores if penalty is None else scores + penalty, -1) @ v
        return self.run(f"{name}_{last}", z.transpose(1, 2).reshape(len(x), -1, d))

    def encoded(self, x, m):
        return getattr(self, f"encoder_m{m}_out")(torch.relu(getattr(self, f"encoder_m{m}_hidden")(x)))

    def part(self, m):
        """Whether values of modality m are of the observed rows alone."""
        return self.form == "gather" and not self.whole[m]

    def spread(self, values, b, m):
        """Values of the rows that were computed, in rows of the batch; 0 elsewhere."""
        if self.whole[m]:
            return values
        if self.form == "mask":
            return values * b["columns"][m]
        return values.new_zeros(len(b["rows"]), values.shape[1]).index_copy(0, b["index"][m], values)

    def mean(self, values, b, m):
        """The mean over the observed rows of values of the rows that were computed."""
        if self.part(m) or self.whole[m]:
            return values.mean()
        return (values * b["mask"][:, m]).sum() / len(b["index"][m])

    def embeddings(self, xs, b):
        return [self.spread(self.encoded(x, m), b, m) for m, x in enumerate(xs)]

    def take(self, xs, b):
        """The rows of a batch, of each modality all or the observed."""
        if self.form == "mask":
            return [x[b["rows"]] for x in xs]
        return [x[b["rows"] if self.whole[m] else b["rows"][b["index"][m]]] for m, x in enumerate(xs)]

    def forward(self, xs, y, b):
        h, extra = self.fuse(xs, y, b)
        loss = F.binary_cross_entropy_with_logits(self.classifier(h)[:, 0], y)
        return loss, loss if extra is None else loss + extra

    def noise(self, draws, b):
        """What fuse reads as b["noise"] when the random numbers of a step are given."""

    def draw(self, b):
        """The same with new numbers."""

    def state(self, data):
        """Takes the initial state of a plugin."""

    def after(self, b):
        """What is left to do when the gradients are known."""
