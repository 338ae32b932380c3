"""MUSE in PyTorch: patients and modalities are the nodes of a bipartite graph, an
observed modality is an edge with its embedding as attribute, and h is read from the
patient after some layers of message passing. As in the Go backbone muse, modality
nodes, which average over the patients of a batch, are frozen at their running mean
outside training, so that a prediction does not depend on who else is in the batch."""

from deconfound import Float, Int
from deconfound.torch import serve

import torch
import torch.nn.functional as F
from torch import nn


class Layer(nn.Module):
    """One round of messages (section 3.2 of the paper): every node takes the mean of
    what its edges bring, then edges are renewed from both ends."""

    def __init__(self, width, last):
        super().__init__()
        self.message, self.update = nn.Linear(2 * width, width), nn.Linear(2 * width, width)
        self.edge = None if last else nn.Linear(3 * width, width)

    def step(self, nodes, sent, mask):
        mean = (torch.relu(self.message(sent)) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp_min(1)
        return torch.relu(self.update(torch.cat([mean, nodes], -1)))

    def forward(self, rows, nodes, edges, mask):
        """rows [B, D], nodes [M, D], edges [B, M, D], mask [B, M]."""
        shape = edges.shape
        to_rows = self.step(rows, torch.cat([nodes.expand(shape), edges], -1), mask)
        if self.edge is None:
            return to_rows, nodes, edges
        to_nodes = self.step(nodes, torch.cat([rows[:, None].expand(shape), edges], -1).transpose(0, 1), mask.T)
        return to_rows, to_nodes, edges


class Muse(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, width = config, config["hidden"]
        layers, modalities = config["layers"], len(config.modalities)
        self.encoders = nn.ModuleList(
            nn.Sequential(nn.Linear(m.size, width), nn.ReLU(), nn.Dropout(config["dropout"]), nn.Linear(width, width))
            for m in config.modalities)
        self.nodes = nn.Parameter(torch.randn(modalities, width))
        self.layers = nn.ModuleList(Layer(width, i == layers - 1) for i in range(layers))
        self.project, self.out = nn.Linear(width, width), nn.Linear(width, config.width)
        self.register_buffer("running", torch.zeros(layers, modalities, width))
        self.register_buffer("seen", torch.zeros(()))

    def graph(self, edges, mask, track):
        """The last state of every patient, [B, D]. track has the running means of
        modality nodes take part."""
        rows, nodes = edges.new_ones(len(edges), edges.shape[2]), self.nodes
        for i, layer in enumerate(self.layers):
            new_rows, nodes, _ = layer(rows, nodes, edges, mask)
            if layer.edge is not None:
                if track:
                    self.running[i].lerp_(nodes.detach(), 1.0 if self.seen == 0 else 0.1)
                elif not self.training:
                    nodes = self.running[i]
                both = torch.cat([new_rows[:, None].expand(edges.shape), nodes.expand(edges.shape), edges], -1)
                edges = torch.relu(layer.edge(both))
                new_rows = F.dropout(new_rows, self.config["dropout"], self.training)
            rows = new_rows
        if track:
            self.seen.fill_(1)
        return rows

    def forward(self, modalities, availability):
        edges = torch.stack([encode(x.flatten(1)) for encode, x in zip(self.encoders, modalities)], 1)
        edges = edges * availability[..., None]
        z = self.graph(edges, availability, track=self.training)
        if self.training:
            other = self.graph(edges, self.view(availability), track=False)
            self.u, self.v = (F.normalize(torch.tanh(self.project(x)), dim=1) for x in (z, other))
        return self.out(z)

    def view(self, availability):
        """The second view: some patients keep 1 to all but one of their edges."""
        count = availability.sum(1, keepdim=True)
        keep = 1 + torch.floor(torch.rand_like(count) * (count - 1).clamp_min(0))
        order = (torch.rand_like(availability) + 2 * (1 - availability)).argsort(1).argsort(1)
        lost = (torch.rand_like(count) < self.config["edge_drop"]) & (count > 1)
        return torch.where(lost, (order < keep).float() * availability, availability)

    def auxiliary(self, labels):
        """Contrast of a patient with its second view, and of patients of one label
        with those of others (section 3.3), one value a row."""
        tau = self.config["temperature"]
        s, own = self.u @ self.v.T / tau, torch.arange(len(self.u))
        labels = labels.reshape(len(self.u), -1)
        known = labels.isfinite()
        both = known[:, None] & known[None]
        same = ((labels[:, None] == labels[None]) | ~both).all(2).float()
        counts = both.any(2).float()

        def pairs(x):
            loss = F.binary_cross_entropy_with_logits(x, same, reduction="none") * counts
            return loss.sum(1) / counts.sum(1).clamp_min(1)

        contrast = F.cross_entropy(s, own, reduction="none") + F.cross_entropy(s.T, own, reduction="none")
        supervised = 2 * pairs(self.u @ self.u.T / tau) + pairs(s) + pairs(s.T)
        return {"contrast": self.config["contrast"] * contrast / 2, "supervised": self.config["supervised"] * supervised / 4}


serve(
    Muse,
    name="torch_muse",
    version="0.1.0",
    licence="Apache-2.0",
    citation="Wu et al., Multimodal Patient Representation Learning with Missing Modalities and Labels, ICLR 2024",
    text=__doc__,
    hyperparameters=[
        Int("hidden", 128, 1, 1024, log=True, text="Width of nodes and edges."),
        Int("layers", 2, 1, 8, text="Number of layers of message passing."),
        Float("dropout", 0.25, 0, 0.9),
        Float("edge_drop", 0.5, 0, 1, text="Probability with which a patient loses edges in the second view."),
        Float("temperature", 0.07, 0.01, 10, log=True, text="Temperature of the contrastive losses."),
        Float("contrast", 0.5, 0, 100, text="Weight of the contrast between the two views."),
        Float("supervised", 0.5, 0, 100, text="Weight of the contrast between labels."),
    ],
    batch_independent=True,
)
