"""The samplers of Optuna as a plugin: TPE, and what else proposes from finished trials."""

import math
import warnings

import deconfound
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

optuna.logging.set_verbosity(optuna.logging.WARNING)

STATES = {"pending": TrialState.RUNNING, "done": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


class Optuna(deconfound.Sampler):
    info = deconfound.Info(
        name="optuna", version="0.1.0", licence="MIT",
        citation="Akiba et al., Optuna: a next-generation hyperparameter optimization framework, KDD 2019, doi:10.1145/3292500.3330701",
        text="Samplers of Optuna. Each proposal makes a study of the trials so far and asks it for one more, so that nothing lives between two of them.",
        hyperparameters=(
            deconfound.String("method", "tpe", ("tpe", "random"), text="Sampler of Optuna."),
            deconfound.Int("startup", 10, 1, 1000, text="Trials that TPE draws at random first."),
            deconfound.Int("candidates", 24, 1, 1000, text="Points that TPE compares by their expected improvement."),
            deconfound.Bool("multivariate", False, text="Whether TPE models parameters together."),
            deconfound.Bool("liar", True, text="Whether TPE counts pending trials among the bad ones."),
        ),
    )

    def propose(self, p: deconfound.Proposal) -> dict:
        dimensions = {d.name: d for d in p.dimensions}
        distributions = {d.name: distribution(d) for d in p.dimensions}
        # Optuna takes 32 bits, and draws from the seed alone.
        seed = mix(p.seed, p.number, len(p.refused))
        study = optuna.create_study(direction="maximize" if p.maximize else "minimize", sampler=sampler(p.hyperparameters, seed))
        for t in p.trials:
            study.add_trial(frozen(t, dimensions, distributions))
        for point in p.refused:
            study.add_trial(create_trial(state=TrialState.FAIL, params=inner(point, dimensions), distributions=distributions))
        chosen = study.ask(distributions).params
        return {name: d.values[chosen[name]] if d.kind == "values" else chosen[name] for name, d in dimensions.items()}


def sampler(h: dict, seed: int) -> optuna.samplers.BaseSampler:
    if h["method"] == "random":
        return optuna.samplers.RandomSampler(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            n_startup_trials=h["startup"], n_ei_candidates=h["candidates"], multivariate=h["multivariate"], group=h["multivariate"],
            constant_liar=h["liar"], seed=seed)


def mix(*numbers: int) -> int:
    """A seed of 32 bits (FNV-1a over the bytes)."""
    out = 0x811C9DC5
    for n in numbers:
        for byte in int(n).to_bytes(8, "little"):
            out = ((out ^ byte) * 0x01000193) & 0xFFFFFFFF
    return out


def distribution(d: deconfound.Dimension):
    if d.kind == "values":
        # By place: True, 1 and 1.0 are one choice to Optuna.
        return CategoricalDistribution(range(len(d.values)))
    if d.kind == "int_uniform":
        step = max(int(d.step), 1)
        return IntDistribution(int(d.min), int(d.min) + (int(d.max) - int(d.min)) // step * step, step=step)
    if d.step > 0:
        return FloatDistribution(d.min, min(d.min + math.floor((d.max - d.min) / d.step + 1e-9) * d.step, d.max), step=d.step)
    return FloatDistribution(d.min, d.max, log=d.kind == "log_uniform")


def inner(point: dict, dimensions: dict) -> dict:
    """A point as Optuna has it."""
    return {name: place(dimensions[name], v) if dimensions[name].kind == "values" else v for name, v in point.items()}


def place(d: deconfound.Dimension, value) -> int:
    return next(i for i, v in enumerate(d.values) if type(v) is type(value) and v == value)


def frozen(t: deconfound.Trial, dimensions: dict, distributions: dict):
    """A trial as Optuna keeps it. One that is done without a value has failed to it."""
    params = inner(t.point, dimensions)
    state, known = STATES[t.state], t.epoch > 0 and math.isfinite(t.value)
    if state == TrialState.COMPLETE and not known:
        state = TrialState.FAIL
    return create_trial(
        state=state, value=t.value if state == TrialState.COMPLETE else None, params=params,
        distributions={name: distributions[name] for name in params},
        intermediate_values={t.epoch: t.value} if known and state == TrialState.PRUNED else None)


if __name__ == "__main__":
    deconfound.serve(Optuna)
