"""How a plugin describes itself."""

import difflib
import math
import numbers
from dataclasses import dataclass, field

from deconfound.errors import Error, bad_request


@dataclass(frozen=True)
class Hyperparameter:
    """One setting of a plugin. type is float, int, bool or string; min and max are
    inclusive, both 0 means no bounds; values are the choices of a string."""

    name: str
    type: str
    default: float | int | bool | str
    min: float = 0.0
    max: float = 0.0
    values: tuple[str, ...] = ()
    log: bool = False
    text: str = ""
    unit: str = ""  # steps or epochs, of a number that counts these

    def check(self, value):
        """The value in its canonical type; code bad_request if it does not fit."""
        bounded = self.min != 0 or self.max != 0
        if self.type in ("float", "int"):
            fits = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
            if fits and self.type == "int":
                fits = value == int(value)
            if not fits or (bounded and not self.min <= value <= self.max):
                kind = "an integer" if self.type == "int" else "a number"
                limits = f" from {self.min:g} to {self.max:g}" if bounded else ""
                raise bad_request(f"hyperparameter {self.name} is {value!r}, it takes {kind}{limits}")
            return int(value) if self.type == "int" else float(value)
        if self.type == "bool":
            if not isinstance(value, bool):
                raise bad_request(f"hyperparameter {self.name} is {value!r}, it takes true or false")
            return value
        if not isinstance(value, str) or (self.values and value not in self.values):
            choices = "one of " + ", ".join(self.values) if self.values else "a string"
            raise bad_request(f"hyperparameter {self.name} is {value!r}, it takes {choices}")
        return value


def Float(name: str, default: float, min: float = 0.0, max: float = 0.0, *, log: bool = False, text: str = "") -> Hyperparameter:  # noqa: N802
    """A hyperparameter that is a number."""
    return Hyperparameter(name, "float", float(default), min, max, log=log, text=text)


def Int(name: str, default: int, min: float = 0, max: float = 0, *, log: bool = False, text: str = "") -> Hyperparameter:  # noqa: N802
    """A hyperparameter that is an integer."""
    return Hyperparameter(name, "int", default, min, max, log=log, text=text)


def Bool(name: str, default: bool, *, text: str = "") -> Hyperparameter:  # noqa: N802
    """A hyperparameter that is true or false."""
    return Hyperparameter(name, "bool", default, text=text)


def String(name: str, default: str, values: tuple[str, ...] = (), *, text: str = "") -> Hyperparameter:  # noqa: N802
    """A hyperparameter that is a string, one of values unless they are empty."""
    return Hyperparameter(name, "string", default, values=tuple(values), text=text)


@dataclass(frozen=True)
class Capabilities:
    """What a plugin can or needs. needs_labels asks for the labels of training
    batches; batch_independent promises that in eval mode a row's h does not depend
    on the other rows; deterministic promises the same bits for the same requests;
    modality_embeddings says that forward answers them; reveals_availability asks,
    of a strategy, to give the head the mask. Empty modality_kinds and tasks mean
    all. erasure is promised by every backbone that reads features through a batch.
    stages, mixes and post_hoc (scores or representation) say which of the optional
    methods of a strategy the host calls."""

    needs_labels: bool = False
    batch_independent: bool = False
    deterministic: bool = True
    modality_embeddings: bool = False
    modality_kinds: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    reveals_availability: bool = False
    erasure: bool = True
    stages: bool = False
    mixes: bool = False
    post_hoc: str = ""


@dataclass(frozen=True)
class Info:
    """Describes a plugin. name is what a sweep file says, licence an SPDX
    identifier, citation the paper, text one paragraph for people."""

    name: str
    version: str
    licence: str
    citation: str = ""
    text: str = ""
    hyperparameters: tuple[Hyperparameter, ...] = ()
    capabilities: Capabilities = field(default_factory=Capabilities)

    def complete(self, values: dict) -> dict:
        """Checked values, with defaults for those not given."""
        out = {h.name: h.check(values.get(h.name, h.default)) for h in self.hyperparameters}
        for name in values:
            if name not in out:
                near = difflib.get_close_matches(name, out, 1)
                hint = f'did you mean "{near[0]}"?' if near else f"it has {', '.join(out) or 'none'}"
                raise bad_request(f'{self.name} has no hyperparameter "{name}"; {hint}')
        return out

    def accept(self, task, modalities) -> None:
        """Refuses a task or a modality that the plugin does not take."""
        c = self.capabilities
        if c.tasks and task.kind not in c.tasks:
            raise Error("unsupported", f"{task.kind} tasks are not supported, only {', '.join(c.tasks)}")
        for m in modalities:
            if c.modality_kinds and m.kind not in c.modality_kinds:
                raise Error("unsupported", f"modality {m.name} is {m.kind}, only {', '.join(c.modality_kinds)} is supported")
