"""Debiasing strategies as plugins."""

from dataclasses import dataclass, field

import numpy as np

from deconfound.backbone import Optimizer, Task
from deconfound.errors import Error, bad_request, bad_shape, not_finite
from deconfound.info import Info


@dataclass(frozen=True)
class Training:
    """What a strategy learns of the N training rows, by position 0 to N-1.
    covariates are [N, p], standardised; groups are None without groups; prior is the
    share of each pattern that predictions should be fair to."""

    availability: np.ndarray  # [N], uint64
    labels: np.ndarray  # [N * task.label_width], float32
    covariates: np.ndarray
    groups: np.ndarray | None  # [N], int32
    prior: dict[int, float]
    modalities: int
    task: Task
    hyperparameters: dict
    optimizer: Optimizer
    seed: int
    width: int
    epochs: int = 0  # planned length of training

    def __getitem__(self, name: str):
        return self.hyperparameters[name]

    def random(self, *key: int) -> np.random.Generator:
        """A generator keyed by the seed and, for example, a step; see Config.random."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, *key])))


@dataclass(frozen=True)
class Observation:
    """A training batch of B rows after the forward pass of the whole model."""

    rows: np.ndarray  # [B], int32, positions in the training split
    h: np.ndarray  # [B, width]
    logits: np.ndarray  # [B, task.outputs]
    row_loss: np.ndarray  # [B]
    labels: np.ndarray  # [B * task.label_width]
    availability: np.ndarray  # [B], uint64, the data's own
    groups: np.ndarray | None  # [B], int32
    step: int


@dataclass(frozen=True)
class Held:
    """Rows that were not trained on. h is None unless post_hoc is representation;
    labels and groups are None where rows are only predicted."""

    predictions: np.ndarray  # [n, task.outputs], probabilities
    h: np.ndarray | None  # [n, width]
    availability: np.ndarray  # [n], uint64
    labels: np.ndarray | None  # [n * task.label_width]
    groups: np.ndarray | None  # [n], int32


@dataclass
class Objective:
    """Changes the objective to sum_i w_i loss_i / sum_i w_i + penalty(h, logits).
    What is None leaves that part alone; dh and dlogits are gradients of the penalty."""

    weights: np.ndarray | None = None
    penalty: float = 0.0
    dh: np.ndarray | None = None
    dlogits: np.ndarray | None = None
    terms: dict[str, float] = field(default_factory=dict)
    reset_optimizer: bool = False  # head and backbone forget their running moments before this update


class Strategy:
    """A debiasing strategy. The class is the plugin, an instance one session. Every
    method has a default that changes nothing and keeps no state."""

    info: Info

    def open(self, training: Training) -> None:
        """Looks at the training rows."""

    def augment(self, rows: np.ndarray, availability: np.ndarray, step: int) -> np.ndarray:
        """The availability to train with: a subset of each row's own, and not empty
        unless the row's own is."""
        return availability

    def objective(self, observation: Observation) -> Objective:
        """Turns per-row losses into weights and a penalty."""
        return Objective()

    def stages(self) -> list[tuple[int, bool]]:
        """With the capability stages: for every stage after the first the epoch it
        begins with, and whether backbone and head begin anew."""
        return []

    def begin(self, stage: int, predictions: np.ndarray) -> dict[str, float]:
        """A stage begins, counted from 1; predictions are the model's probabilities of
        all training rows, [N, task.outputs]. Answers terms."""
        return {}

    def mix(self, rows: np.ndarray, labels: np.ndarray, availability: np.ndarray, groups: np.ndarray | None,
            step: int) -> tuple[np.ndarray, np.ndarray]:
        """With the capability mixes: for every row of a batch a partner, as a place in
        it, and the share from 0 to 1 that the row keeps of itself. h and losses are
        mixed; the objective that follows has the rows and then their partners."""
        raise NotImplementedError

    def fit(self, held: Held) -> dict[str, float]:
        """With the capability post_hoc: learns from validation rows after training,
        forgetting an earlier fit. Answers terms."""
        raise NotImplementedError

    def adjust(self, held: Held) -> tuple[np.ndarray, dict[str, float]]:
        """Probabilities, [n, task.outputs], each of its own row alone, and terms."""
        raise NotImplementedError

    def snapshot(self) -> tuple[dict[str, np.ndarray], bytes]:
        """Parameters by name, float32, and all other state."""
        return {}, b""

    def restore(self, parameters: dict[str, np.ndarray], state: bytes) -> None:
        """Takes a snapshot; a ValueError or KeyError says that it does not fit."""
        if parameters or state:
            raise ValueError("a state for a session that has none")

    def close(self) -> None:
        """Releases what the strategy holds."""


class StrategySession:
    """Checks what goes into a strategy and what comes out of it."""

    def __init__(self, plugin: type[Strategy], training: Training):
        n, task = len(training.availability), training.task
        plugin.info.accept(task, ())
        task.validate()
        training.hyperparameters.update(plugin.info.complete(training.hyperparameters))
        if n < 1 or not 1 <= training.modalities <= 64:
            raise bad_request(f"{n} training rows and {training.modalities} modalities, want at least 1 row and 1 to 64 modalities")
        if training.labels.size != n * task.label_width:
            raise bad_shape(f"{training.labels.size} labels for {n} rows")
        if training.covariates.ndim != 2 or len(training.covariates) != n:
            raise bad_shape(f"covariates have shape {training.covariates.shape}, want {n} rows")
        if training.groups is not None and len(training.groups) != n:
            raise bad_shape(f"{len(training.groups)} groups for {n} rows")
        if training.modalities < 64 and (training.availability >> np.uint64(training.modalities)).any():
            raise bad_request(f"availability has bits beyond the {training.modalities} modalities")
        self.training = training
        self.capabilities = plugin.info.capabilities
        self.rule = plugin()
        self.rule.open(training)
        self.stages = self.rule.stages() if self.capabilities.stages else []

    def _rows(self, rows, availability) -> None:
        n = len(self.training.availability)
        if len(rows) < 1:
            raise bad_request("the batch is empty")
        if len(rows) != len(availability):
            raise bad_shape(f"{len(availability)} availability masks for {len(rows)} rows")
        if rows.min() < 0 or rows.max() >= n:
            raise bad_request(f"a row of {rows.min()} to {rows.max()} is none of the {n} training rows")
        if self.training.modalities < 64 and (availability >> np.uint64(self.training.modalities)).any():
            raise bad_request(f"availability has bits beyond the {self.training.modalities} modalities")

    def augment(self, rows, availability, step: int) -> np.ndarray:
        self._rows(rows, availability)
        out = np.ascontiguousarray(self.rule.augment(rows, availability, step), np.uint64)
        if out.shape != availability.shape:
            raise bad_shape(f"augment answers {out.shape} masks for {len(rows)} rows")
        return out

    def objective(self, o: Observation) -> Objective:
        self._rows(o.rows, o.availability)
        n, t = len(o.rows), self.training
        for name, value, shape in (("h", o.h, (n, t.width)), ("logits", o.logits, (n, t.task.outputs)),
                                   ("row loss", o.row_loss, (n,)), ("labels", o.labels, (n * t.task.label_width,))):
            if value is None or value.shape != shape:
                raise bad_shape(f"{name} has shape {None if value is None else value.shape}, want {shape}")
        for name, value in (("h", o.h), ("logits", o.logits), ("row loss", o.row_loss)):
            if not np.isfinite(value).all():
                raise not_finite(f"{name} is not finite")
        if o.groups is not None and len(o.groups) != n:
            raise bad_shape(f"{len(o.groups)} groups for {n} rows")
        return self.rule.objective(o)

    def _probabilities(self, name: str, p, rows: int) -> None:
        task = self.training.task
        if p is None or p.shape != (rows, task.outputs):
            raise bad_shape(f"{name} have shape {None if p is None else p.shape}, want {(rows, task.outputs)}")
        if not ((p >= 0) & (p <= 1)).all() or (task.kind == "multiclass" and (abs(p.sum(1, dtype=np.float64) - 1) > 1e-4).any()):
            raise not_finite(f"{name} are no probabilities")

    def _can(self, what: str, able) -> None:
        if not able:
            raise Error("unsupported", f"the strategy has no {what}")

    def begin(self, stage: int, predictions) -> dict[str, float]:
        self._can("stages", self.capabilities.stages)
        if not 1 <= stage <= len(self.stages):
            raise bad_request(f"stage {stage} begins, there are {len(self.stages)} after the first")
        self._probabilities("predictions", predictions, len(self.training.availability))
        return self.rule.begin(stage, predictions)

    def mix(self, rows, labels, availability, groups, step: int) -> tuple[np.ndarray, np.ndarray]:
        self._can("mixing", self.capabilities.mixes)
        self._rows(rows, availability)
        n = len(rows)
        if labels is None or len(labels) != n * self.training.task.label_width or (groups is not None and len(groups) != n):
            raise bad_shape(f"labels or groups do not fit {n} rows")
        partner, share = self.rule.mix(rows, labels, availability, groups, step)
        partner, share = np.ascontiguousarray(partner, np.int32), np.ascontiguousarray(share, np.float32)
        if partner.shape != (n,) or share.shape != (n,) or (partner < 0).any() or (partner >= n).any() or not ((share >= 0) & (share <= 1)).all():
            raise bad_shape(f"partners or shares do not fit {n} rows")
        return partner, share

    def _held(self, held: Held) -> None:
        self._can("post-hoc fitting", self.capabilities.post_hoc)
        n = len(held.availability)
        self._probabilities("predictions", held.predictions, n)
        if self.capabilities.post_hoc == "representation":
            if held.h is None or held.h.shape != (n, self.training.width):
                raise bad_shape(f"h has shape {None if held.h is None else held.h.shape}, want {(n, self.training.width)}")
            if not np.isfinite(held.h).all():
                raise not_finite("h is not finite")

    def fit(self, held: Held) -> dict[str, float]:
        self._held(held)
        n = len(held.availability)
        if n < 1:
            raise bad_request("fit to no validation rows")
        if held.labels is None or len(held.labels) != n * self.training.task.label_width or (held.groups is not None and len(held.groups) != n):
            raise bad_shape(f"labels or groups do not fit {n} rows")
        return self.rule.fit(held)

    def adjust(self, held: Held) -> tuple[np.ndarray, dict[str, float]]:
        self._held(held)
        predictions, terms = self.rule.adjust(held)
        predictions = np.ascontiguousarray(predictions, np.float32)
        self._probabilities("adjusted predictions", predictions, len(held.availability))
        return predictions, terms

    def snapshot(self) -> tuple[dict[str, np.ndarray], bytes]:
        return self.rule.snapshot()

    def restore(self, parameters: list[tuple[str, np.ndarray]], state: bytes) -> None:
        own = self.rule.snapshot()[0]
        if [name for name, _ in parameters] != list(own):
            raise bad_request("the snapshot has other parameters than the strategy")
        for name, value in parameters:
            if value.shape != own[name].shape:
                raise bad_shape(f"parameter {name} has shape {value.shape}, want {own[name].shape}")
        try:
            self.rule.restore(dict(parameters), state)
        except (ValueError, KeyError) as e:
            raise bad_request(f"the state of the snapshot is damaged: {e}") from e

    def close(self) -> None:
        self.rule.close()
