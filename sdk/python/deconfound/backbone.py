"""Backbones: fusion models as plugins."""

import math
import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

from deconfound.errors import bad_request, bad_shape, not_finite
from deconfound.features import KINDS, Scaling, Store
from deconfound.info import Info


@dataclass(frozen=True)
class Task:
    """What is predicted: kind is binary, multiclass or multilabel."""

    kind: str
    classes: int = 0

    @property
    def label_width(self) -> int:
        """The number of label values a row."""
        return self.classes if self.kind == "multilabel" else 1

    @property
    def outputs(self) -> int:
        """The number of logits a row."""
        return 1 if self.kind == "binary" else self.classes

    def validate(self) -> None:
        least = {"binary": 0, "multiclass": 2, "multilabel": 1}
        if self.kind not in least:
            raise bad_request(f'unknown task kind "{self.kind}"')
        if self.classes < least[self.kind]:
            raise bad_request(f"a {self.kind} task has {self.classes} classes, it needs at least {least[self.kind]}")


@dataclass(frozen=True)
class Optimizer:
    """How a session updates its parameters. name is adam, adamw or sgd; zero values
    mean the usual ones, which `resolved` fills in."""

    name: str
    learning_rate: float
    weight_decay: float = 0.0
    beta1: float = 0.0
    beta2: float = 0.0
    epsilon: float = 0.0
    momentum: float = 0.0
    clip_norm: float = 0.0

    def resolved(self) -> "Optimizer":
        """Checked, with the usual values for zeros; code bad_request."""
        o = Optimizer(self.name, self.learning_rate, self.weight_decay, self.beta1 or 0.9, self.beta2 or 0.999,
                      self.epsilon or 1e-8, self.momentum, self.clip_norm)
        if o.name not in ("adam", "adamw", "sgd"):
            raise bad_request(f'unknown optimiser "{o.name}", want adam, adamw or sgd')
        for what, value, fits in (
            ("learning rate", o.learning_rate, o.learning_rate > 0), ("weight decay", o.weight_decay, o.weight_decay >= 0),
            ("beta1", o.beta1, 0 <= o.beta1 < 1), ("beta2", o.beta2, 0 <= o.beta2 < 1), ("epsilon", o.epsilon, o.epsilon > 0),
            ("momentum", o.momentum, 0 <= o.momentum < 1), ("clip norm", o.clip_norm, o.clip_norm >= 0),
        ):
            if not fits or not math.isfinite(value):
                raise bad_request(f"the {what} of the optimiser is {value}, which is out of range")
        return o


@dataclass(frozen=True)
class Modality:
    """One modality, bit m of an availability mask for the m-th. width is the number
    of columns, of one time step for a sequence; length its largest number of steps,
    else 0."""

    name: str
    kind: str
    width: int
    length: int = 0
    scaling: Scaling = field(default_factory=Scaling, repr=False)

    @property
    def size(self) -> int:
        """The number of values of a row."""
        return self.width * max(self.length, 1)

    def validate(self) -> None:
        if self.kind not in KINDS:
            raise bad_request(f'modality {self.name}: unknown kind "{self.kind}"')
        if self.width < 1 or (self.kind == "sequence") != (self.length > 0):
            raise bad_request(f"modality {self.name}: width {self.width} and length {self.length} do not fit {self.kind}")
        s = self.scaling
        if (s.mean is None) != (s.scale is None) or (s.mean is not None and not s.mean.shape == s.scale.shape == (self.width,)):
            raise bad_request(f"modality {self.name}: means and scales do not fit {self.width} columns")
        if s.erasure is not None:
            shape = (s.erasure.offset.size, self.width)
            if s.erasure.read.shape != shape or s.erasure.write.shape != shape:
                raise bad_request(f"modality {self.name}: an erasure of {shape[0]} directions does not fit {self.width} columns")


@dataclass(frozen=True)
class Config:
    """What model to build. width is that of h, seed keys every random draw,
    max_batch is the largest number of rows of a batch. config["hidden"] is a
    hyperparameter."""

    modalities: tuple[Modality, ...]
    width: int
    task: Task
    hyperparameters: dict
    optimizer: Optimizer
    seed: int
    max_batch: int
    feature_store: str

    def __getitem__(self, name: str):
        return self.hyperparameters[name]

    def random(self, *key: int) -> np.random.Generator:
        """A generator for one purpose, keyed by the seed and, for example, a step.
        Make it anew in every call: one that lives across steps would make a
        restored session go on differently."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, *key])))


class Source:
    """A feature store seen through the modalities and scaling of a session. Tables
    that fit into KEPT bytes together are standardised once and kept."""

    KEPT = 64 << 20

    def __init__(self, directory: str, modalities: tuple[Modality, ...]):
        self.store, self.modalities = Store(directory), modalities
        for m in modalities:
            s = self.store.lookup(m.name)
            if (s.kind, s.width, s.length) != (m.kind, m.width, m.length):
                raise bad_request(f"modality {m.name} is {s.kind} of width {s.width} and length {s.length} in the feature store, "
                                  f"but {m.kind} of width {m.width} and length {m.length} in the request")
        self.tables: list[np.ndarray] | None = None
        self.kept = 4 * self.store.rows * sum(m.size for m in modalities) <= self.KEPT

    def gather(self, m: int, rows: np.ndarray) -> np.ndarray:
        """The standardised values of rows of modality m, a copy."""
        if not self.kept:
            return self.store.gather(self.modalities[m].name, rows, self.modalities[m].scaling)
        if self.tables is None:
            every = np.arange(self.store.rows)
            self.tables = [self.store.gather(x.name, every, x.scaling) for x in self.modalities]
        return self.tables[m].take(rows, axis=0)


@dataclass
class Batch:
    """One request of B rows. Arrays must not be written to, nor kept after the call
    of forward, but by backward of the same batch. labels, [B * task.label_width]
    float32, come in training and only if the plugin needs them."""

    rows: np.ndarray  # [B], int32, row numbers in the feature store
    availability: np.ndarray  # [B], uint64
    train: bool
    step: int
    labels: np.ndarray | None
    modalities: tuple[Modality, ...] = field(repr=False)
    source: "Source" = field(repr=False)
    weights: np.ndarray | None = None  # [B], of the rows, known from backward on
    reset_optimizer: bool = False  # known from backward on: forget the running moments before the update

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def mask(self) -> np.ndarray:
        """Which row has which modality, [B, modalities], bool."""
        bits = np.arange(len(self.modalities), dtype=np.uint64)
        return (self.availability[:, None] >> bits & np.uint64(1)).astype(bool)

    def features(self, m: int) -> np.ndarray:
        """The standardised features of modality m, [B, width] or [B, length, width],
        zero in rows that do not have it."""
        values = self.source.gather(m, self.rows)
        values[self.availability >> np.uint64(m) & np.uint64(1) == 0] = 0
        return values

    def lengths(self, m: int) -> np.ndarray:
        """The number of steps of sequence m, [B], 0 in rows that do not have it."""
        out = self.source.store.lengths(self.modalities[m].name, self.rows)
        return np.where(self.availability >> np.uint64(m) & np.uint64(1), out, 0).astype(np.int32)


class Backbone:
    """A fusion model. The class is the plugin, an instance one model in training;
    instances of one process run beside each other in threads of their own. Requests
    and answers are checked around it: methods see what fits the contract."""

    info: Info

    def open(self, config: Config) -> None:
        """Builds the model."""
        raise NotImplementedError

    def forward(self, batch: Batch):
        """h, [B, config.width] float32, or (h, embeddings) with embeddings
        [B, modalities, d] if the capabilities promise them. A modality that a row
        does not have must not influence its h. If batch.train is set, backward for
        the same batch may follow."""
        raise NotImplementedError

    def backward(self, dh: np.ndarray, batch: Batch) -> tuple[dict[str, float], float]:
        """Takes the gradient of the loss with respect to h and updates the
        parameters; batch.weights has the strategy's weights of the rows, and
        batch.reset_optimizer is set if the objective has changed so much that the
        optimiser must forget its running moments before the update. Answers the
        model's own auxiliary losses, which it added to the gradient, and the norm of
        the whole gradient before clipping."""
        raise NotImplementedError

    def snapshot(self) -> tuple[dict[str, np.ndarray], bytes]:
        """The parameters by name, float32, and everything else later steps depend
        on, in a form that only the plugin reads. Arrays may be live ones."""
        raise NotImplementedError

    def restore(self, parameters: dict[str, np.ndarray], state: bytes) -> None:
        """Takes the snapshot of a session that was opened with the same config. Names
        and shapes fit those of snapshot; arrays must be copied. A ValueError or
        KeyError says that the state is damaged."""
        raise NotImplementedError

    def close(self) -> None:
        """Releases what the model holds."""


_STATE = struct.Struct("<4sI")
_MAGIC = b"dcf1"


class BackboneSession:
    """Checks what goes into a backbone and what comes out of it."""

    def __init__(self, plugin: type[Backbone], config: Config):
        info = plugin.info
        if config.width < 1 or config.max_batch < 1:
            raise bad_request(f"width is {config.width} and max batch {config.max_batch}, both must be at least 1")
        if not 1 <= len(config.modalities) <= 64:
            raise bad_request(f"{len(config.modalities)} modalities, there must be 1 to 64")
        info.accept(config.task, config.modalities)
        for m in config.modalities:
            m.validate()
        config.task.validate()
        config.hyperparameters.update(info.complete(config.hyperparameters))
        config.optimizer.resolved()
        self.config, self.capabilities = config, info.capabilities
        self.source = Source(config.feature_store, config.modalities)
        self.waiting: Batch | None = None
        self.model = plugin()
        self.model.open(config)

    def forward(self, rows, availability, train: bool, step: int, labels):
        self.waiting = None
        batch = self._batch(rows, availability, train, step, labels)
        answer = self.model.forward(batch)
        h, embeddings = answer if isinstance(answer, tuple) else (answer, None)
        h = _array("h", h, (len(batch), self.config.width))
        if embeddings is not None:
            shape = np.shape(embeddings)
            if len(shape) != 3:
                raise bad_shape(f"modality embeddings have shape {shape}, want three dimensions")
            embeddings = _array("modality embeddings", embeddings, (len(batch), len(self.config.modalities), shape[2]))
        elif self.capabilities.modality_embeddings:
            raise bad_shape("forward answers no modality embeddings, which the capabilities promise")
        if train:
            self.waiting = batch
        return h, embeddings

    def _batch(self, rows, availability, train, step, labels) -> Batch:
        if not 1 <= len(rows) <= self.config.max_batch:
            raise bad_request(f"the batch has {len(rows)} rows, the session takes 1 to {self.config.max_batch}")
        if len(availability) != len(rows):
            raise bad_shape(f"{len(availability)} availability masks for {len(rows)} rows")
        if rows.min() < 0 or rows.max() >= self.source.store.rows:
            raise bad_request(f"a row of {rows.min()} to {rows.max()} is not in the feature store, which has {self.source.store.rows} rows")
        modalities = len(self.config.modalities)
        if modalities < 64 and (availability >> np.uint64(modalities)).any():
            raise bad_request(f"availability has bits beyond the {modalities} modalities")
        if not train or not self.capabilities.needs_labels:
            labels = None
        elif labels is None or labels.size != len(rows) * self.config.task.label_width:
            raise bad_shape(f"{0 if labels is None else labels.size} labels for {len(rows)} rows")
        else:
            labels = labels.copy()
        return Batch(rows, availability, train, step, labels, self.config.modalities, self.source)

    def backward(self, dh, weights, reset_optimizer=False) -> tuple[dict[str, float], float]:
        batch, width = self.waiting, self.config.width
        if batch is None:
            raise bad_request("backward without a forward in train mode just before it")
        if dh is None or dh.shape != (len(batch), width):
            raise bad_shape(f"dh has shape {None if dh is None else dh.shape}, want {(len(batch), width)}")
        if not np.isfinite(dh).all():
            raise not_finite("dh is not finite")
        if weights is not None:
            if weights.shape != (len(batch),):
                raise bad_shape(f"{weights.size} weights for {len(batch)} rows")
            if not (np.isfinite(weights).all() and (weights >= 0).all()):
                raise not_finite("a weight is negative or not finite")
        self.waiting = None
        batch.weights, batch.reset_optimizer = weights, reset_optimizer
        terms, norm = self.model.backward(dh, batch)
        return terms, float(norm)

    def snapshot(self) -> tuple[dict[str, np.ndarray], bytes]:
        parameters, state = self.model.snapshot()
        return parameters, _STATE.pack(_MAGIC, zlib.crc32(state)) + state

    def restore(self, parameters: list[tuple[str, np.ndarray]], state: bytes) -> None:
        own = self.model.snapshot()[0]
        if [name for name, _ in parameters] != list(own):
            raise bad_request(f"the snapshot has the parameters {[name for name, _ in parameters]}, the model has {list(own)}")
        for name, value in parameters:
            if value.shape != own[name].shape:
                raise bad_shape(f"parameter {name} has shape {value.shape}, want {own[name].shape}")
        if len(state) < _STATE.size or _STATE.unpack_from(state) != (_MAGIC, zlib.crc32(state[_STATE.size:])):
            raise bad_request("the state of the snapshot is damaged")
        self.waiting = None
        try:
            self.model.restore(dict(parameters), state[_STATE.size:])
        except (ValueError, KeyError) as e:
            raise bad_request(f"the state of the snapshot is damaged: {e}") from e

    def close(self) -> None:
        self.waiting = None
        self.model.close()


def _array(name: str, value, shape: tuple[int, ...]) -> np.ndarray:
    out = np.ascontiguousarray(value, np.float32)
    if out.shape != shape:
        raise bad_shape(f"{name} has shape {out.shape}, want {shape}")
    if not np.isfinite(out).all():
        row = int(np.argwhere(~np.isfinite(out))[0][0])
        raise not_finite(f"{name} is not finite in row {row}")
    return out


__all__ = ["Backbone", "BackboneSession", "Batch", "Config", "Modality", "Optimizer", "Task"]
