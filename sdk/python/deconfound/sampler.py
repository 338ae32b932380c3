"""What an author of a sampler writes."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from deconfound.errors import bad_request, bad_shape, not_finite
from deconfound.info import Info

KINDS = ("values", "uniform", "log_uniform", "int_uniform")


@dataclass(frozen=True)
class Dimension:
    """One parameter to choose. kind is values (one of values, without order), uniform,
    log_uniform or int_uniform (from min to max, both inclusive; with a step above 0
    min, min + step, ...). Of a conditional one, other parameters decide whether the
    trial has it; a value is needed all the same."""

    name: str
    kind: str
    values: tuple = ()
    min: float = 0.0
    max: float = 0.0
    step: float = 0.0
    conditional: bool = False

    def validate(self) -> None:
        if self.kind not in KINDS:
            raise bad_request(f"dimension {self.name} has unknown kind {self.kind!r}")
        if self.kind == "values":
            if not self.values:
                raise bad_request(f"dimension {self.name} has no values")
        elif not (self.min <= self.max and math.isfinite(self.max - self.min) and self.step >= 0) or (self.kind == "log_uniform" and self.min <= 0):
            raise bad_request(f"dimension {self.name} goes from {self.min} to {self.max} in steps of {self.step}")

    def check(self, value):
        """The value in the type of the dimension; codes bad_shape and not_finite."""
        if self.kind == "values":
            for v in self.values:
                if type(v) is type(value) and v == value:
                    return v
            raise bad_shape(f"{self.name} is {value!r}, which is none of its values")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise bad_shape(f"{self.name} is {value!r}, it takes a number") from None
        if not math.isfinite(number):
            raise not_finite(f"{self.name} is {number}")
        if not self.min <= number <= self.max:
            raise bad_shape(f"{self.name} is {number}, outside {self.min} to {self.max}")
        if self.kind == "int_uniform":
            if number != int(number):
                raise bad_shape(f"{self.name} is {number}, it takes a whole number")
            return int(number)
        return number


@dataclass(frozen=True)
class Trial:
    """Another trial of the search. state is pending, done, pruned or failed; point
    lacks the parameters that the trial does without; value is that after epoch epochs,
    NaN if it is not defined, and epoch 0 says that nothing is known yet."""

    number: int
    state: str
    point: dict
    epoch: int
    value: float


@dataclass(frozen=True)
class Proposal:
    """What is asked: the point of trial number. trials are the others that count, by
    number; refused are the points proposed for this trial before, which a constraint
    does not allow. Draw from seed, number and len(refused)."""

    hyperparameters: dict
    dimensions: tuple[Dimension, ...]
    maximize: bool
    epochs: int
    trials: tuple[Trial, ...]
    number: int
    seed: int
    refused: tuple[dict, ...]


class Sampler(ABC):
    """Chooses the configurations of a search. An instance is made for each proposal:
    the same proposal has the same answer, in this process and in any other."""

    info: Info

    @abstractmethod
    def propose(self, p: Proposal) -> dict:
        """A value for each of p.dimensions, by name."""


def answer(plugin: type[Sampler], p: Proposal) -> dict:
    """The checked point of a checked proposal."""
    p.hyperparameters.update(plugin.info.complete(p.hyperparameters))
    names = {d.name for d in p.dimensions}
    if len(names) != len(p.dimensions):
        raise bad_request("a dimension occurs twice")
    for d in p.dimensions:
        d.validate()
    point = plugin().propose(p)
    if not isinstance(point, dict):
        raise bad_shape(f"propose answers {type(point).__name__}, want a dict")
    for name in point:
        if name not in names:
            raise bad_shape(f"the point has a value of {name!r}, which was not asked for")
    for name in sorted(names - point.keys()):
        raise bad_shape(f"the point has no value of {name}")
    return {d.name: d.check(point[d.name]) for d in p.dimensions}
