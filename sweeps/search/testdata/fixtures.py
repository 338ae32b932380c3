"""Reference values of SciPy and Optuna for the tests of this directory.

    pip install scipy==1.17.1 optuna==5.0.0
    python fixtures.py            # writes sobol.json, parzen.json, regret.json
"""

import json
import math
import sys
import warnings

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import default_weights
from scipy.stats import qmc

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)


def write(name, value):
    with open(name, "w") as f:
        json.dump(value, f, separators=(",", ":"))
        f.write("\n")


def sobol():
    points = qmc.Sobol(d=128, scramble=False, bits=32).random(64)
    write("sobol.json", (points * 2**32).astype(np.int64).tolist())


def parzen():
    parameters = _ParzenEstimatorParameters(
        prior_weight=1.0, consider_magic_clip=True, consider_endpoints=False, weights=default_weights, multivariate=True
    )
    space = {
        "a": FloatDistribution(-2.0, 5.0),
        "b": FloatDistribution(1e-5, 1e-1, log=True),
        "c": IntDistribution(1, 900),
        "d": FloatDistribution(0.0, 1.0, step=0.0078125),
        "e": CategoricalDistribution(["x", "y", "z"]),
        "f": IntDistribution(1, 4096, log=True),
    }
    rng = np.random.RandomState(3)

    # No value twice: which of two equal ones is the first is a matter of NumPy's
    # unstable sort.
    def draw(n):
        return {
            "a": rng.uniform(-2, 5, n),
            "b": np.exp(rng.uniform(math.log(1e-5), math.log(1e-1), n)),
            "c": rng.choice(np.arange(1.0, 901), n, replace=False),
            "d": rng.choice(129, n, replace=False) * 0.0078125,
            "e": rng.randint(0, 3, n).astype(float),
            "f": rng.choice(np.unique(np.round(np.exp(np.linspace(0, math.log(4096), 200)))), n, replace=False),
        }

    cases = []
    for n in [0, 1, 2, 7, 24, 25, 26, 60]:
        seen, at = draw(n), draw(12)
        estimator = _ParzenEstimator(seen, space, parameters)
        rows = lambda d: np.array([d[k] for k in space]).T.tolist()
        cases.append({"seen": rows(seen), "at": rows(at), "log_density": estimator.log_pdf(at).tolist()})
    write("parzen.json", cases)


def ackley(x):
    return -20 * math.exp(-0.2 * math.sqrt(sum(v * v for v in x) / len(x))) - math.exp(
        sum(math.cos(2 * math.pi * v) for v in x) / len(x)) + 20 + math.e


def hartmann6(x):
    a = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    p = [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
         [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]
    c = [1.0, 1.2, 3.0, 3.2]
    return 3.32237 - sum(c[i] * math.exp(-sum(a[i][j] * (x[j] - 1e-4 * p[i][j]) ** 2 for j in range(6))) for i in range(4))


def levy(x):
    w = [1 + (v - 1) / 4 for v in x]
    return (math.sin(math.pi * w[0]) ** 2
            + sum((v - 1) ** 2 * (1 + 10 * math.sin(math.pi * v + 1) ** 2) for v in w[:-1])
            + (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2))


FUNCTIONS = {
    "sphere": (4, -5, 10, lambda x: sum(v * v for v in x)),
    "rosenbrock": (3, -5, 10, lambda x: sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(len(x) - 1))),
    "branin": (2, -5, 15, lambda x: (x[1] - 5.1 / (4 * math.pi**2) * x[0] ** 2 + 5 / math.pi * x[0] - 6) ** 2
               + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10 - 0.397887),
    "hartmann6": (6, 0, 1, hartmann6),
    "ackley": (4, -15, 30, ackley),
    "rastrigin": (3, -5.12, 5.12, lambda x: 10 * len(x) + sum(v * v - 10 * math.cos(2 * math.pi * v) for v in x)),
    "styblinski": (4, -5, 5, lambda x: sum(v**4 - 16 * v * v + 5 * v for v in x) / 2 + 39.16617 * len(x)),
    "levy": (4, -10, 10, levy),
    "camel": (2, -3, 3, lambda x: (4 - 2.1 * x[0] ** 2 + x[0] ** 4 / 3) * x[0] ** 2 + x[0] * x[1]
              + (-4 + 4 * x[1] ** 2) * x[1] ** 2 + 1.031628),
    "griewank": (4, -60, 60, lambda x: sum(v * v for v in x) / 4000
                 - math.prod(math.cos(v / math.sqrt(i + 1)) for i, v in enumerate(x)) + 1),
}


def regret(seeds=30, trials=100):
    out = {}
    for name, (n, low, high, f) in FUNCTIONS.items():
        best = []
        for seed in range(seeds):
            study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
            study.optimize(lambda t: f([t.suggest_float(f"x{i}", low, high) for i in range(n)]), n_trials=trials)
            best.append(study.best_value)
        out[name] = best
        print(name, sum(best) / seeds, file=sys.stderr)
    write("regret.json", out)


if __name__ == "__main__":
    sobol()
    parzen()
    regret()
