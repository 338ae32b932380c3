"""The PyTorch equivalents of the shipped backbones from papers, for torch_backbone.py.

Each computes what model.go of its plugin documents, on whole batches; the equations
are those of plugins/backbone/*/testdata/reference.py, which go row by row. Products
with nodes are taken once a node, experts see the rows sent to them, and what only
depends on availability is made beforehand.
"""

import math

import numpy as np
import torch
from torch.nn import functional as F

from torch_parts import HEADS, HIDDEN, MODALITIES, WIDTH, Backbone

COUNT = len(MODALITIES)
bce = F.binary_cross_entropy_with_logits


class Sage:
    """The layers of message passing of muse and grape, on edges of all pairs (dense) or on a list."""

    def graph(self, nodes, edge, layers):
        self.layers = layers
        self.param("nodes", nodes, self.d)
        for i in range(layers):
            parts = [("message_node", self.d), ("message_edge", edge), ("message_bias", 1), ("update_message", self.d), ("update_self", self.d), ("update_bias", 1)]
            if i < layers - 1:
                parts += [("edge_row", self.d), ("edge_node", self.d), ("edge_edge", edge), ("edge_bias", 1)]
            for name, n in parts:
                self.param(f"layer{i}_{name}", n, self.d)
            edge = self.d

    def pass_dense(self, edges, mask, want_nodes):
        """edges [rows, nodes, d], mask [rows, nodes]."""
        rows, nodes = edges.new_ones(len(edges), self.d), self.nodes
        row_share, node_share = 1 / mask.sum(1, keepdim=True).clamp(min=1), 1 / mask.sum(0)[:, None].clamp(min=1)
        mask = mask[..., None]
        for i in range(self.layers):
            p = lambda name: getattr(self, f"layer{i}_{name}")
            last = i == self.layers - 1
            messages = edges @ p("message_edge") + p("message_bias")
            update = lambda x, mean: torch.relu(mean @ p("update_message") + p("update_bias") + x @ p("update_self"))
            new = update(rows, (torch.relu(messages + nodes @ p("message_node")) * mask).sum(1) * row_share)
            if not last or want_nodes:
                nodes = update(nodes, (torch.relu(messages + (rows @ p("message_node"))[:, None]) * mask).sum(0) * node_share)
            rows = new
            if not last:
                edges = torch.relu(edges @ p("edge_edge") + p("edge_bias") + (rows @ p("edge_row"))[:, None] + nodes @ p("edge_node"))
        return rows, nodes

    def pass_list(self, edges, ends, count, want_nodes):
        """edges [n, d] between the rows and nodes in ends [2, n]."""
        rows, nodes = edges.new_ones(count, self.d), self.nodes
        row, node = ends
        share = lambda at, n: 1 / torch.bincount(at, minlength=n).clamp(min=1)[:, None].float()
        row_share, node_share = share(row, count), share(node, len(nodes))
        for i in range(self.layers):
            p = lambda name: getattr(self, f"layer{i}_{name}")
            last = i == self.layers - 1
            messages = edges @ p("message_edge") + p("message_bias")

            def update(x, sent, source, target, share):
                sent = torch.relu(messages + (sent @ p("message_node"))[source])
                mean = x.new_zeros(x.shape).index_add(0, target, sent) * share
                return torch.relu(mean @ p("update_message") + p("update_bias") + x @ p("update_self"))

            new = update(rows, nodes, node, row, row_share)
            if not last or want_nodes:
                nodes = update(nodes, rows, row, node, node_share)
            rows = new
            if not last:
                edges = torch.relu(edges @ p("edge_edge") + p("edge_bias") + (rows @ p("edge_row"))[row] + (nodes @ p("edge_node"))[node])
        return rows, nodes


class Muse(Sage, Backbone):
    """Without edge_drop, whose draws depend on each other: the second view has all edges."""

    d, temperature = HIDDEN, 0.07

    def build(self):
        self.graph(COUNT, self.d, 2)
        self.linear("project", self.d, self.d)
        self.linear("out", self.d, WIDTH)

    def states(self, edges, b, mask):
        if self.form == "mask":
            return self.pass_dense(torch.stack(edges, 1), mask, False)[0]
        ends = torch.stack([torch.cat(b["index"]), torch.cat([torch.full_like(x, m) for m, x in enumerate(b["index"])])])
        return self.pass_list(torch.cat(edges), ends, len(b["rows"]), False)[0]

    def fuse(self, xs, y, b):
        edges = [self.encoded(x, m) for m, x in enumerate(xs)]
        z, other = self.states(edges, b, b["mask"]), self.states(edges, b, b["view"])
        u, v = (F.normalize(torch.tanh(self.project(x)), dim=1, eps=1e-8) for x in (z, other))
        across, within = u @ v.T / self.temperature, u @ u.T / self.temperature
        own, same = torch.arange(len(y)), (y[:, None] == y[None]).float()
        contrast = 0.5 * (F.cross_entropy(across, own) + F.cross_entropy(across.T, own))
        supervised = 0.5 * (bce(within, same) + bce(across, same))
        return self.out(z), 0.5 * contrast + 0.5 * supervised


class Drfuse(Backbone):
    margin = 0.1

    def build(self):
        self.mlp("common", HIDDEN, HIDDEN, HIDDEN)
        for m in range(COUNT):
            self.linear(f"shared_m{m}", HIDDEN, HIDDEN)
            self.mlp(f"distinct_m{m}", HIDDEN, HIDDEN, HIDDEN)
            self.linear(f"head_m{m}", HIDDEN, 1)
        for part in ("query", "key", "value"):
            self.linear(part, HIDDEN, HIDDEN)
        self.linear("out", HIDDEN, WIDTH)
        self.linear("pooled_head", HIDDEN, 1)

    def fuse(self, xs, y, b):
        yes, no, mean, extra, tokens, losses = 0, 0, 0, 0, [], []
        entropy = lambda s: (F.softplus(s) - s * torch.sigmoid(s)).mean(1)
        for m, x in enumerate(xs):
            e = self.encoded(x, m)
            s, p = self.run_mlp("common", torch.relu(self.run(f"shared_m{m}", e))), self.run_mlp(f"distinct_m{m}", e)
            probability = torch.sigmoid(s)
            yes, no = yes + self.spread(probability, b, m), no + self.spread(1 - probability, b, m)
            mean = mean + self.spread(entropy(s)[:, None], b, m)[:, 0]
            tokens.append(self.spread(p, b, m))
            loss = bce(self.run(f"head_m{m}", p)[:, 0], y[b["index"][m]] if self.part(m) else y, reduction="none")
            losses.append(self.spread(loss[:, None].detach(), b, m)[:, 0])
            extra = extra + self.mean(loss, b, m) + self.mean(F.cosine_similarity(s, p, eps=1e-8).abs(), b, m)
        pooled = torch.log(yes * b["share"] + 1e-12) - torch.log(no * b["share"] + 1e-12)
        x = torch.stack([*tokens, pooled], 1)
        seen = torch.cat([b["mask"], b["mask"].new_ones(len(y), 1)], 1)
        query = (self.query(x) * seen[..., None]).sum(1) / seen.sum(1, keepdim=True)
        scores = (query[:, None] * self.key(x)).sum(2) / math.sqrt(HIDDEN)
        attention = torch.softmax(scores.masked_fill(seen == 0, -torch.inf), 1)
        h = self.out((attention[..., None] * self.value(x)).sum(1))

        loss = bce(self.pooled_head(pooled)[:, 0], y, reduction="none")
        several = b["several"]
        divergence = ((entropy(pooled) - mean * b["share"][:, 0]) * several).sum() / several.sum()
        losses = torch.stack([*losses, loss.detach()], 1)
        first, second = torch.triu_indices(COUNT + 1, COUNT + 1, 1)
        both = seen[:, first] * seen[:, second]
        sign = torch.sign(losses[:, second] - losses[:, first])
        ranking = (torch.relu(self.margin - sign * (attention[:, first] - attention[:, second])) * both).sum() / both.sum()
        return h, extra + loss.mean() + divergence + ranking


class Shaspec(Backbone):
    def build(self):
        self.mlp("shared", HIDDEN, HIDDEN, HIDDEN)
        for m in range(COUNT):
            self.mlp(f"specific_m{m}", HIDDEN, HIDDEN, HIDDEN)
        self.linear("compose", 2 * HIDDEN, HIDDEN)
        self.mlp("fusion", COUNT * HIDDEN, HIDDEN, WIDTH)
        self.linear("domain", HIDDEN, COUNT)

    def fuse(self, xs, y, b):
        shared, parts, domain = [], [], 0
        for m, x in enumerate(xs):
            e = self.encoded(x, m)
            s, p = self.run_mlp("shared", e), self.run_mlp(f"specific_m{m}", e)
            parts.append(self.spread(self.compose(torch.cat([s, p], 1)) + s, b, m))
            shared.append(self.spread(s, b, m))
            loss = F.cross_entropy(self.domain(p), torch.full((len(p),), m), reduction="none")
            domain = domain + (loss.sum() if self.part(m) or self.whole[m] else (loss * b["mask"][:, m]).sum())
        fill = sum(shared) * b["share"]
        parts = [c if self.whole[m] else c + fill * (1 - b["columns"][m]) for m, c in enumerate(parts)]
        gaps, both = 0, 0
        for i in range(COUNT):
            for j in range(i):
                pair = b["pairs"][i * COUNT + j][:, 0]
                gaps, both = gaps + ((shared[i] - shared[j]).abs().mean(1) * pair).sum(), both + pair.sum()
        return self.run_mlp("fusion", torch.cat(parts, 1)), 0.1 * gaps / both + 0.02 * domain / b["total"]


class Medfuse(Backbone):
    def build(self):
        for m in range(COUNT):
            self.linear(f"project_m{m}", HIDDEN, HIDDEN)
        self.param("lstm_in", HIDDEN, 4 * HIDDEN)
        self.param("lstm_state", HIDDEN, 4 * HIDDEN)
        self.param("lstm_bias", 4 * HIDDEN)
        self.linear("out", HIDDEN, WIDTH)

    def fuse(self, xs, y, b):
        state = cell = xs[0].new_zeros(len(y), HIDDEN)
        for m, x in enumerate(xs):
            v = self.run(f"project_m{m}", self.encoded(x, m))
            old, old_cell = (state[b["index"][m]], cell[b["index"][m]]) if self.part(m) else (state, cell)
            i, f, g, o = torch.addmm(torch.addmm(self.lstm_bias, v, self.lstm_in), old, self.lstm_state).chunk(4, 1)
            new_cell = torch.sigmoid(f) * old_cell + torch.sigmoid(i) * torch.tanh(g)
            new = torch.sigmoid(o) * torch.tanh(new_cell)
            if self.part(m):
                state, cell = state.index_copy(0, b["index"][m], new), cell.index_copy(0, b["index"][m], new_cell)
            elif self.whole[m]:
                state, cell = new, new_cell
            else:
                has = b["observed"][:, m:m + 1]
                state, cell = torch.where(has, new, state), torch.where(has, new_cell, cell)
        return self.out(state), None


class Healnet(Backbone):
    encoders = False
    latent, layers, heads = 16, 3, 8

    def build(self):
        self.param("latents", self.latent, HIDDEN)
        for i in range(self.layers):
            for m, n in enumerate(MODALITIES):
                self.linear(f"layer{i}_m{m}_value", n, HIDDEN)
                self.linear(f"layer{i}_m{m}_merge", HIDDEN, HIDDEN)
                self.network(f"layer{i}_m{m}_network", HIDDEN, 4 * HIDDEN)
            self.layer_norm(f"layer{i}_self_attention_norm", HIDDEN)
            self.attention_parts(f"layer{i}_self_attention", HIDDEN)
            self.network(f"layer{i}_self_network", HIDDEN, 4 * HIDDEN)
        self.layer_norm("norm", HIDDEN)
        self.linear("out", HIDDEN, WIDTH)

    def fuse(self, xs, y, b):
        x = self.latents.expand(len(y), self.latent, HIDDEN)
        for i in range(self.layers):
            for m, tokens in enumerate(xs):
                name = f"layer{i}_m{m}"
                answer = self.run(name + "_merge", self.run(name + "_value", tokens))[:, None]
                old = x[b["index"][m]] if self.part(m) else x
                new = self.run_network(name + "_network", old + answer)
                if self.part(m):
                    x = x.index_copy(0, b["index"][m], new)
                else:
                    x = new if self.whole[m] else torch.where(b["observed"][:, m, None, None], new, x)
            z = self.run(f"layer{i}_self_attention_norm", x)
            x = self.run_network(f"layer{i}_self_network", x + self.attend(f"layer{i}_self_attention", z, z, self.heads))
        return self.out(self.norm(x.mean(1))), None


class M3care(Backbone):
    """The similarities are of the observed rows alone, in either form."""

    RENAMED = {"type": "kind"}

    def build(self):
        for m in range(COUNT):
            for name in (f"space_m{m}", f"convolution_m{m}_0", f"convolution_m{m}_1"):
                self.linear(name, HIDDEN, HIDDEN)
            self.param(f"mix_m{m}", 1, 1)
            self.linear(f"gate_made_m{m}", HIDDEN, 1)
            self.linear(f"gate_own_m{m}", HIDDEN, 1)
        self.param("threshold", 1, 1)
        self.param("kind", COUNT, HIDDEN)
        for i in range(2):
            self.layer_norm(f"layer{i}_attention_norm", HIDDEN)
            self.attention_parts(f"layer{i}_attention", HIDDEN)
            self.network(f"layer{i}_network", HIDDEN, 4 * HIDDEN)
        self.mlp("out", COUNT * HIDDEN, 2 * HIDDEN, WIDTH)

    def kernel(self, x):
        x = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()
        square = x.square().sum(1)
        distance = square[:, None] + square - 2 * x @ x.T
        with torch.no_grad():
            n = len(x)
            scale = (distance.sum() - distance.trace()) / (n * (n - 1))
        return (torch.exp(-2 / scale * distance) + torch.exp(-1 / scale * distance) + torch.exp(-0.5 / scale * distance)) / 3

    def fuse(self, xs, y, b):
        n = len(y)
        total, stabiliser, embedded, tokens = 0, 0, [], []
        length = lambda x: (x.square().sum(1) + 1e-12).sqrt()
        for m, x in enumerate(xs):
            e = self.encoded(x, m)
            embedded.append(self.spread(e, b, m))
            if self.form == "mask" and not self.whole[m]:
                e = e[b["index"][m]]
            projected = self.run(f"space_m{m}", e)
            stabiliser = stabiliser + (length(projected) - length(e)).abs().mean()
            mix = torch.sigmoid(getattr(self, f"mix_m{m}"))
            similar = torch.lerp(self.kernel(torch.relu(projected)), self.kernel(e), mix)
            if not self.whole[m]:
                index = b["index"][m]
                similar = similar.new_zeros(n, n).index_put((index[:, None], index), similar)
            total = total + similar
        links = torch.relu(total * b["links"] - torch.sigmoid(self.threshold))
        links = links / (links.sum(1, keepdim=True) + 1e-8)
        for m, e in enumerate(embedded):
            g = torch.relu(self.run(f"convolution_m{m}_0", links @ e))
            g = torch.relu(self.run(f"convolution_m{m}_1", links @ g))
            made, own = torch.sigmoid(self.run(f"gate_made_m{m}", g)), torch.sigmoid(self.run(f"gate_own_m{m}", e))
            token = (made * g + own * e) / (made + own)
            tokens.append((token if self.whole[m] else torch.where(b["observed"][:, m:m + 1], token, g)) + self.kind[m])
        x = torch.stack(tokens, 1)
        for i, heads in enumerate((HEADS, 1)):
            z = self.run(f"layer{i}_attention_norm", x)
            x = self.run_network(f"layer{i}_network", x + self.attend(f"layer{i}_attention", z, z, heads))
        return self.run_mlp("out", x.flatten(1)), 0.1 * stabiliser


class Lrtf(Backbone):
    rank = 8

    def build(self):
        for m in range(COUNT):
            self.linear(f"factor_m{m}", HIDDEN, self.rank * WIDTH)

    def fuse(self, xs, y, b):
        product = 1
        for m, e in enumerate(self.embeddings(xs, b)):
            product = product * self.run(f"factor_m{m}", e)
        return product.view(len(y), self.rank, WIDTH).sum(1), None


class Prompts(Backbone):
    layers = 2

    def build(self):
        for m in range(COUNT):
            self.linear(f"token_m{m}", HIDDEN, HIDDEN)
        self.param("position", 1 + COUNT, HIDDEN)
        self.param("prompt_0_table", 1 << COUNT, HIDDEN)
        for i in range(self.layers):
            self.layer_norm(f"layer{i}_attention_norm", HIDDEN)
            self.attention_parts(f"layer{i}_attention", HIDDEN)
            self.network(f"layer{i}_network", HIDDEN, 4 * HIDDEN)
        self.layer_norm("norm", HIDDEN)
        self.linear("out", HIDDEN, WIDTH)

    def fuse(self, xs, y, b):
        tokens = [self.position[:1].expand(len(y), HIDDEN), F.embedding(b["pattern"], self.prompt_0_table)]
        for m, x in enumerate(xs):
            token = self.run(f"token_m{m}", self.encoded(x, m)) + self.position[m + 1]
            # What stands at a missing token is masked out of the attention.
            tokens.append(self.spread(token, b, m) if self.form == "gather" else token)
        x = torch.stack(tokens, 1)
        keys = F.pad(b["keys"], (1, 0), value=True)
        penalty = F.pad(b["key_penalty"], (1, 0))
        for i in range(self.layers):
            z = self.run(f"layer{i}_attention_norm", x)
            if i == self.layers - 1:  # nothing reads the other tokens any more
                x, queries = x[:, :1], z[:, :1]
            else:
                queries = z
            x = self.run_network(f"layer{i}_network", x + self.attend(f"layer{i}_attention", queries, z, HEADS, keys=keys, penalty=penalty))
        return self.out(self.norm(x[:, 0])), None


class Experts:
    """Noisy top gates and the experts behind them."""

    def gates(self, scores, x, noise, top):
        """Gates and load of rows x [n, d] with scores [n, experts]."""
        scale = F.softplus(x @ noise[0]) + 1e-2
        noisy = scores + noise[1] * scale
        best = noisy.topk(top + 1, 1)
        kept = torch.zeros_like(scores, dtype=torch.bool).scatter(1, best.indices[:, :top], True)
        gates = torch.softmax(noisy.masked_fill(~kept, -torch.inf), 1)
        bar = torch.where(kept, best.values[:, top:], best.values[:, top - 1:top])
        load = torch.special.ndtr((scores - bar) / scale)
        return gates, load, best.indices[:, :top]

    def experts(self, name, x, gates, chosen, f):
        out = torch.zeros(len(x), HIDDEN)
        rows = torch.arange(len(x)).repeat_interleave(chosen.shape[1])
        order = chosen.flatten().argsort()
        ends = torch.bincount(chosen.flatten(), minlength=gates.shape[1]).tolist()
        for k, at in enumerate(rows[order].split(ends)):
            if len(at):
                y = self.run(f"{name}_{k}_out", f(self.run(f"{name}_{k}_hidden", x[at])))
                out = out.index_add(0, at, y * gates[at, k:k + 1])
        return out

    @staticmethod
    def variation(x):
        return x.var() / (x.mean().square() + 1e-10)


class Flexmoe(Experts, Backbone):
    patches, count, top = 16, 16, 4

    def build(self):
        self.size = HIDDEN // self.patches
        for m in range(COUNT):
            self.linear(f"patch_m{m}", self.size, HIDDEN)
        self.param("bank", (1 << COUNT) * COUNT * self.patches, HIDDEN)
        self.param("position", COUNT * self.patches, HIDDEN)
        self.layer_norm("layer0_attention_norm", HIDDEN)
        self.attention_parts("layer0_attention", HIDDEN)
        self.layer_norm("layer0_norm", HIDDEN)
        self.param("layer0_scores", HIDDEN, self.count)
        self.param("layer0_noise", HIDDEN, self.count)
        for k in range(self.count):
            self.linear(f"layer0_expert_{k}_hidden", HIDDEN, 2 * HIDDEN)
            self.linear(f"layer0_expert_{k}_out", 2 * HIDDEN, HIDDEN)
        self.mlp("out", COUNT * HIDDEN, HIDDEN, WIDTH)
        # Combinations by size, descending, and by their bits.
        order = sorted(range(1 << COUNT), key=lambda p: -bin(p).count("1"))
        self.number = torch.tensor([order.index(p) for p in range(1 << COUNT)])

    def noise(self, draws, b):
        """Draws are for the tokens of modality after modality, those observed first."""
        place = []
        for observed in (True, False):
            for m in range(COUNT):
                rows = (b["observed"][:, m] == observed).nonzero()[:, 0]
                place.append((rows[:, None] * COUNT * self.patches + m * self.patches + torch.arange(self.patches)).flatten())
        draws = draws.view(-1, self.count)
        return torch.zeros_like(draws).index_copy(0, torch.cat(place), draws)

    def draw(self, b):
        return torch.randn(len(b["rows"]) * COUNT * self.patches, self.count)

    def fuse(self, xs, y, b):
        n, tokens = len(y), []
        number = self.number[b["pattern"]]
        bank = self.bank.view(1 << COUNT, COUNT, self.patches, HIDDEN)
        for m, x in enumerate(xs):
            token = self.run(f"patch_m{m}", self.encoded(x, m).view(-1, self.patches, self.size))
            if self.part(m):
                token = bank[number, m].index_copy(0, b["index"][m], token)
            elif not self.whole[m]:
                token = torch.where(b["observed"][:, m, None, None], token, bank[number, m])
            tokens.append(token)
        x = torch.cat(tokens, 1) + self.position
        z = self.layer0_attention_norm(x)
        x = (x + self.attend("layer0_attention", z, z, HEADS)).view(-1, HIDDEN)
        z = self.layer0_norm(x)
        scores = z @ self.layer0_scores
        gates, load, chosen = self.gates(scores, z, (self.layer0_noise, b["noise"]), self.top)
        x = x + self.experts("layer0_expert", z, gates, chosen, F.gelu)
        split = lambda v: v.view(n, -1, self.count).sum(1)
        complete = (number == 0).float()
        loss = 0
        for v in (split(gates), split(load)):
            if complete.any():
                loss = loss + self.variation(complete @ v)
            if not complete.all():
                loss = loss + self.variation(((1 - complete) @ v)[1:])
        if not complete.all():
            target = torch.where(number > 0, 1 + (number - 1) % (self.count - 1), -100)
            loss = loss + F.cross_entropy(scores, target.repeat_interleave(COUNT * self.patches))
        pooled = x.view(n, COUNT, self.patches, HIDDEN).mean(2).flatten(1)
        return self.run_mlp("out", pooled), 0.01 * loss


class Fusemoe(Experts, Backbone):
    count, top = 16, 4

    def build(self):
        self.param("router_centres", self.count, COUNT * HIDDEN)
        self.param("router_noise", COUNT * HIDDEN, self.count)
        for k in range(self.count):
            self.linear(f"expert_0_{k}_hidden", COUNT * HIDDEN, HIDDEN)
            self.linear(f"expert_0_{k}_out", HIDDEN, HIDDEN)
        self.linear("out", HIDDEN, WIDTH)

    def noise(self, draws, b):
        return draws.view(-1, self.count)

    def draw(self, b):
        return torch.randn(len(b["rows"]), self.count)

    def fuse(self, xs, y, b):
        x, w = torch.cat(self.embeddings(xs, b), 1), self.router_centres
        square = x.square().sum(1, keepdim=True) - 2 * x @ w.T + w.square().sum(1)
        scores = -(torch.relu(square) + 1e-12).sqrt()
        gates, load, chosen = self.gates(scores, x, (self.router_noise, b["noise"]), self.top)
        z = self.experts("expert_0", x, gates, chosen, torch.relu)
        return self.out(z), 0.01 * (self.variation(gates.sum(0)) + self.variation(load.sum(0)))


class Mult(Backbone):
    encoders = False
    embed, tokens, layers, heads = 30, 4, 3, 3

    def build(self):
        wide = (COUNT - 1) * self.embed
        for m, n in enumerate(MODALITIES):
            self.linear(f"token_m{m}", n, self.tokens * self.embed)
            self.layer_norm(f"norm_m{m}", self.embed)
            for source in range(COUNT):
                for k in range(self.layers if source != m else 0):
                    name = f"m{m}_from_m{source}_{k}"
                    self.layer_norm(name + "_norm", self.embed)
                    self.attention_parts(name + "_attention", self.embed, "out")
                    self.network(name + "_network", self.embed, 4 * self.embed)
            for k in range(self.layers):
                self.layer_norm(f"m{m}_self_{k}_attention_norm", wide)
                self.attention_parts(f"m{m}_self_{k}_attention", wide)
                self.network(f"m{m}_self_{k}_network", wide, 4 * wide)
        self.mlp("residual", COUNT * wide, COUNT * wide, COUNT * wide)
        self.linear("out", COUNT * wide, WIDTH)

    def cross(self, target, source, z, keys, b):
        x, y, index = z[target], keys[source], None
        if not (self.whole[target] and self.whole[source]):
            pair = target * COUNT + source
            if self.form == "gather":
                index = b["pair_index"][pair]
                x, y = x[index], y[index]
        own = x
        for k in range(self.layers):
            name = f"m{target}_from_m{source}_{k}"
            x = x + self.attend(name + "_attention", self.run(name + "_norm", x), y, self.heads, "out")
            x = self.run_network(name + "_network", x)
        if index is not None:
            return z[target].index_copy(0, index, x)
        if self.whole[target] and self.whole[source]:
            return x
        return torch.where(b["pairs"][pair][..., None] > 0, x, own)

    def fuse(self, xs, y, b):
        z = []
        for m, x in enumerate(xs):
            token = self.run(f"token_m{m}", x)
            z.append((self.spread(token, b, m) if self.form == "gather" else token).view(len(y), self.tokens, self.embed))
        keys, means = [self.run(f"norm_m{m}", x) for m, x in enumerate(z)], []
        for m in range(COUNT):
            x = torch.cat([self.cross(m, source, z, keys, b) for source in range(COUNT) if source != m], 2)
            if self.part(m):
                x = x[b["index"][m]]
            for k in range(self.layers):
                name = f"m{m}_self_{k}"
                w = self.run(name + "_attention_norm", x)
                x = self.run_network(name + "_network", x + self.attend(name + "_attention", w, w, self.heads))
            means.append(self.spread(x.mean(1), b, m))
        u = torch.cat(means, 1)
        return self.out(u + self.run_mlp("residual", u)), None


class Grape(Sage, Backbone):
    encoders = False
    d, rate = 16, 0.3

    def build(self):
        self.graph(sum(MODALITIES), 1, 3)
        self.mlp("impute", 2 * self.d, self.d, 1)
        self.linear("out", self.d, WIDTH)

    def noise(self, draws, b):
        """Which of the observed values keep their edges; they are drawn in order of modality, row and column."""
        kept, at = [], 0
        for m, n in enumerate(MODALITIES):
            part = torch.zeros(len(b["rows"]), n)
            count = len(b["index"][m]) * n
            part[b["index"][m]] = (draws[at:at + count] >= self.rate).float().view(-1, n)
            kept.append(part)
            at += count
        return torch.cat(kept, 1)

    def observed(self, b):
        return torch.cat([b["columns"][m].expand(len(b["rows"]), n) for m, n in enumerate(MODALITIES)], 1)

    def draw(self, b):
        return (torch.rand(len(b["rows"]), sum(MODALITIES)) >= self.rate) * self.observed(b)

    def fuse(self, xs, y, b):
        kept = b["noise"]
        values = torch.cat([self.spread(x, b, m) for m, x in enumerate(xs)], 1)
        if self.form == "mask":
            rows, nodes = self.pass_dense(values[..., None], kept, True)
        else:
            ends = kept.nonzero(as_tuple=True)
            rows, nodes = self.pass_list(values[ends][:, None], ends, len(y), True)
        row, node = (self.observed(b) - kept).nonzero(as_tuple=True)
        guess = self.run_mlp("impute", torch.cat([rows[row], nodes[node]], 1))[:, 0]
        return self.out(rows), (guess - values[row, node]).square().mean()


class Cmae(Backbone):
    """Without hiding modalities, whose draws depend on each other."""

    def build(self):
        self.linear("code", COUNT * HIDDEN, HIDDEN)
        for m, n in enumerate(MODALITIES):
            self.mlp(f"decoder_m{m}", HIDDEN, HIDDEN, n)
        self.linear("out", HIDDEN, WIDTH)

    def fuse(self, xs, y, b):
        z = torch.relu(self.code(torch.cat(self.embeddings(xs, b), 1)))
        loss = 0
        for m, x in enumerate(xs):
            guess = self.run_mlp(f"decoder_m{m}", z[b["index"][m]] if self.part(m) else z)
            loss = loss + self.mean((guess - x).square().mean(1), b, m)
        return self.out(z), loss


class Smil(Backbone):
    clusters, momentum = 10, 0.1

    def build(self):
        for m in range(COUNT):
            self.mlp(f"mixture_m{m}", COUNT * HIDDEN, HIDDEN, self.clusters)
        self.linear("fusion", COUNT * HIDDEN, HIDDEN)
        self.linear("noise_mean", HIDDEN, HIDDEN)
        self.linear("noise_scale", HIDDEN, HIDDEN)
        self.linear("out", HIDDEN, WIDTH)
        self.batches = 0

    def state(self, data):
        """Centres, after two counters each."""
        size = 8 + 4 * self.clusters * HIDDEN
        self.centres = [torch.from_numpy(np.frombuffer(data[m * size + 8:(m + 1) * size], np.float32).reshape(-1, HIDDEN).copy()) for m in range(COUNT)]

    def noise(self, draws, b):
        return draws.view(-1, HIDDEN)

    def draw(self, b):
        return torch.randn(len(b["rows"]), HIDDEN)

    def fuse(self, xs, y, b):
        own = [self.encoded(x, m) for m, x in enumerate(xs)]
        self.seen = [e.detach() for e in own]
        embedded = [self.spread(e, b, m) for m, e in enumerate(own)]
        have, filled = torch.cat(embedded, 1), []
        for m, e in enumerate(embedded):
            if self.whole[m]:
                filled.append(e)
                continue
            guess = torch.softmax(self.run_mlp(f"mixture_m{m}", have), 1) @ self.centres[m]
            filled.append(torch.where(b["observed"][:, m:m + 1], e, guess))
        u = torch.relu(self.fusion(torch.cat(filled, 1)))
        gain = self.noise_mean(u) + b["noise"] * F.softplus(self.noise_scale(u))
        return self.out(u * F.softplus(gain)), None

    @torch.no_grad()
    def after(self, b):
        """A step of k-means over batches."""
        self.batches += 1
        share = max(self.momentum, 1 / self.batches)
        for m, e in enumerate(self.seen):
            if self.form == "mask" and not self.whole[m]:
                e = e[b["index"][m]]
            if self.batches == 1:
                self.centres[m] = e[:self.clusters].clone()
            nearest = torch.cdist(e, self.centres[m]).argmin(1)
            sums = torch.zeros_like(self.centres[m]).index_add_(0, nearest, e)
            sizes = torch.bincount(nearest, minlength=self.clusters)[:, None]
            self.centres[m] = torch.where(sizes > 0, (1 - share) * self.centres[m] + share * sums / sizes.clamp(min=1), self.centres[m])


PUBLISHED = {
    "muse": Muse, "drfuse": Drfuse, "shaspec": Shaspec, "medfuse": Medfuse, "healnet": Healnet, "m3care": M3care, "lrtf": Lrtf,
    "prompts": Prompts, "flexmoe": Flexmoe, "fusemoe": Fusemoe, "mult": Mult, "grape": Grape, "cmae": Cmae, "smil": Smil,
}
