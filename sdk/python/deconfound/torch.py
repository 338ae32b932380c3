"""A torch.nn.Module as a backbone::

    class Mean(torch.nn.Module):
        def __init__(self, config): ...
        def forward(self, modalities, availability): ...  # h, [B, config.width]

    serve(Mean, name="mean", version="0.1.0", licence="Apache-2.0")

modalities is a list of tensors in the order of config.modalities, [B, width] or
[B, length, width], standardised, zero in rows that do not have the modality;
modalities.lengths has the number of steps of sequences. availability is [B,
modalities], 1 or 0. forward answers h, or h and a dictionary of auxiliary losses to
add to the objective, each a scalar or one value a row; a module with a method
auxiliary(labels) answers them there, after forward, labels being [B] or [B, classes].
Values a row are averaged with the weights that the strategy gives the rows.

Gradients, the optimiser with the host's settings, clipping, seeds, eval mode and
snapshots are done here. Random draws are keyed by seed and step, so a restored
session goes on with the same bits. Every session computes in one thread: sessions
run beside each other.
"""

import gc
import json
import random
import threading

import numpy as np
import torch

from deconfound import server
from deconfound.backbone import Backbone, Batch, Config
from deconfound.errors import not_finite
from deconfound.info import Capabilities, Info

# The generators of torch, numpy and random belong to the process: whoever draws
# holds this lock.
_drawing = threading.RLock()


class Modalities(list):
    """The features of a batch, one tensor a modality, and lengths: for a sequence the
    number of steps of each row, [B] int64, else None."""

    lengths: list


def serve(module: type[torch.nn.Module], **info) -> None:
    """Serves a module until the host is done with it. What it takes beside the module
    is what `backbone` takes."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if hasattr(torch.utils, "deterministic"):  # not in PyTorch 1: memory that nobody reads need not be filled
        torch.utils.deterministic.fill_uninitialized_memory = False
    gc.freeze()  # what imports have made stays: collections need not look at it
    server.serve(backbone(module, **info))


def backbone(module: type[torch.nn.Module], *, name: str, version: str, licence: str, citation: str = "", text: str = "",
             hyperparameters=(), batch_independent: bool = False, deterministic: bool = True, modality_kinds=(), tasks=()) -> type[Backbone]:
    """A plugin whose sessions are module(config). Claim batch_independent unless the
    module couples the rows of a batch in eval mode."""
    needs_labels = hasattr(module, "auxiliary")
    described = Info(name, version, licence, citation, text, tuple(hyperparameters), Capabilities(
        needs_labels=needs_labels, batch_independent=batch_independent, deterministic=deterministic,
        modality_kinds=tuple(modality_kinds), tasks=tuple(tasks)))
    return type(module.__name__, (TorchBackbone,), {"info": described, "module_class": module})


class TorchBackbone(Backbone):
    """A module in training."""

    module_class: type[torch.nn.Module]

    def open(self, config: Config) -> None:
        torch.set_num_threads(1)  # of this thread
        self.config = config
        with _drawing:
            _seed(config.seed, 0)
            self.module = self.module_class(config).to(torch.float32)
        self.parameters = dict(self.module.named_parameters())
        trained = [p for p in self.parameters.values() if p.requires_grad]
        self.optimizer = _optimizer(trained, config.optimizer) if trained else None
        self.trained, self.h, self.losses, self.after = trained, None, {}, []
        self.training: bool | None = None  # what the module was told last

    def forward(self, batch: Batch):
        self.h, self.losses = None, {}
        modalities = Modalities(torch.from_numpy(batch.features(m)) for m in range(len(batch.modalities)))
        modalities.lengths = [torch.from_numpy(batch.lengths(m)).long() if x.kind == "sequence" else None
                              for m, x in enumerate(batch.modalities)]
        availability = torch.from_numpy(batch.mask.astype(np.float32))
        if self.training != batch.train:
            self.training = batch.train
            self.module.train(batch.train)
        if not batch.train:
            with torch.no_grad():
                answer = self.module(modalities, availability)
            return (answer[0] if isinstance(answer, tuple) else answer).numpy()
        before = self._buffers()
        for module, name, b in before:
            module._buffers[name] = b.clone()
        try:
            with _drawing:
                _seed(self.config.seed, 1 + batch.step)
                answer = self.module(modalities, availability)
                h, losses = answer if isinstance(answer, tuple) else (answer, {})
                losses = dict(losses)
                if batch.labels is not None:
                    labels = torch.from_numpy(batch.labels)
                    if self.config.task.kind == "multilabel":
                        labels = labels.view(len(batch), -1)
                    losses.update(self.module.auxiliary(labels))
        finally:
            after = [(module, name, module._buffers[name]) for module, name, _ in before]
            _put(before)
        self.h, self.losses, self.after = h, losses, after
        return h.detach().numpy()

    def _buffers(self) -> list[tuple[torch.nn.Module, str, torch.Tensor]]:
        """Where the module keeps its running statistics. What a batch does to them
        counts from its backward on: until then it may be dropped."""
        return [(m, name, b) for m in self.module.modules() for name, b in m._buffers.items() if b is not None]

    def backward(self, dh: np.ndarray, batch: Batch) -> tuple[dict[str, float], float]:
        if not self.trained:
            _put(self.after)
            return {name: float(loss.detach().mean()) for name, loss in self.losses.items()}, 0.0
        weights = None
        roots, gradients, terms = [], [], {}
        if self.h.requires_grad:
            roots, gradients = [self.h], [torch.from_numpy(dh.copy())]
        for name, loss in self.losses.items():
            if loss.ndim > 0:
                if weights is None:
                    weights = torch.ones(len(batch)) if batch.weights is None else torch.from_numpy(batch.weights.copy())
                loss = (loss.reshape(len(batch)) * weights).sum() / weights.sum().clamp_min(1e-12)
            terms[name] = float(loss.detach())
            if loss.requires_grad:
                roots.append(loss)
                gradients.append(torch.ones_like(loss))
        self.h, self.losses = None, {}
        self.module.zero_grad(set_to_none=True)
        if roots:
            torch.autograd.backward(roots, gradients)
        for p in self.trained:
            if p.grad is None:  # a part that this batch did not reach; the moments go on
                p.grad = torch.zeros_like(p)
        norm = float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(p.grad) for p in self.trained])))
        if not np.isfinite(norm):
            raise not_finite(f"the norm of the backbone's gradient is {norm}")
        _put(self.after)
        clip = self.config.optimizer.clip_norm
        if 0 < clip < norm:
            for p in self.trained:
                p.grad.mul_(clip / norm)
        if batch.reset_optimizer:
            self.optimizer.state.clear()
        self.optimizer.step()
        return terms, norm

    def snapshot(self) -> tuple[dict[str, np.ndarray], bytes]:
        state = {f"buffer.{name}": b for name, b in self.module.named_buffers()}
        if self.optimizer is not None:
            for i, values in self.optimizer.state_dict()["state"].items():
                state.update({f"optimizer.{i}.{key}": v for key, v in values.items() if v is not None})
        return {name: p.detach().numpy() for name, p in self.parameters.items()}, _encode(state)

    def restore(self, parameters: dict[str, np.ndarray], state: bytes) -> None:
        values = _decode(state)
        moments, buffers = {}, dict(self.module.named_buffers())
        for name, value in values.items():
            kind, _, rest = name.partition(".")
            if kind == "optimizer":
                i, _, key = rest.partition(".")
                moments.setdefault(int(i), {})[key] = value
            elif buffers[rest].shape != value.shape:
                raise ValueError(f"buffer {rest} has another shape")
        with torch.no_grad():
            for name, p in self.parameters.items():
                p.copy_(torch.from_numpy(parameters[name].copy()))
            for name, b in buffers.items():
                b.copy_(values[f"buffer.{name}"])
        if self.optimizer is not None:
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.h, self.losses = None, {}


def _put(buffers: list[tuple[torch.nn.Module, str, torch.Tensor]]) -> None:
    for module, name, b in buffers:
        module._buffers[name] = b


# Without an accelerator its generators need no seed: torch.manual_seed would note one
# for later, with a traceback, in every step.
_seed_torch = torch.manual_seed if torch.cuda.is_available() or getattr(getattr(torch, "mps", None), "is_available", bool)() \
    else torch.default_generator.manual_seed


def _seed(seed: int, step: int) -> None:
    key = int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0])
    _seed_torch(key)
    np.random.seed(key & 0xFFFFFFFF)
    random.seed(key)


def _optimizer(parameters, settings) -> torch.optim.Optimizer:
    o = settings.resolved()
    if o.name == "sgd":
        make, own = torch.optim.SGD, {"momentum": o.momentum}
    else:
        make, own = torch.optim.Adam if o.name == "adam" else torch.optim.AdamW, {"betas": (o.beta1, o.beta2), "eps": o.epsilon}
    own |= {"lr": o.learning_rate, "weight_decay": o.weight_decay}
    try:
        return make(parameters, fused=True, **own)  # one kernel for an update, not ten
    except (RuntimeError, TypeError):  # an older PyTorch, or a device without it
        return make(parameters, **own)


def _encode(tensors: dict[str, torch.Tensor]) -> bytes:
    """Tensors as a line of JSON and their bytes: equal tensors give equal bytes."""
    arrays = {name: np.asarray(t.detach().cpu().numpy()) for name, t in tensors.items()}
    head = [[name, a.dtype.str, list(a.shape)] for name, a in arrays.items()]
    return json.dumps(head).encode() + b"\n" + b"".join(a.tobytes() for a in arrays.values())


def _decode(data: bytes) -> dict[str, torch.Tensor]:
    """What _encode took; a ValueError if data is not what it gave."""
    head, _, body = data.partition(b"\n")
    out, at = {}, 0
    for name, dtype, shape in json.loads(head):
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        out[name] = torch.from_numpy(np.frombuffer(body[at:at + size], dtype).reshape(shape).copy())
        at += size
    return out
