"""What deconfound.torch does for a module."""

import pathlib

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import deconfound  # noqa: E402
from deconfound.backbone import BackboneSession  # noqa: E402
from deconfound.torch import backbone  # noqa: E402

GATHER = pathlib.Path(__file__).parents[2] / "features" / "testdata" / "gather"


class Module(torch.nn.Module):
    """With dropout, running statistics, a frozen parameter, and losses of both forms."""

    def __init__(self, config):
        super().__init__()
        self.lengths = None
        self.encode = torch.nn.ModuleList(torch.nn.Linear(m.size, 8) for m in config.modalities)
        self.norm = torch.nn.BatchNorm1d(8)
        self.out = torch.nn.Linear(8, config.width)
        self.frozen = torch.nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, modalities, availability):
        self.lengths = modalities.lengths
        e = sum(f(x.flatten(1)) * a[:, None] for f, x, a in zip(self.encode, modalities, availability.T))
        h = self.out(torch.nn.functional.dropout(self.norm(e), 0.3, self.training))
        return h, {"size": 0.1 * h.square().sum(1)}

    def auxiliary(self, labels):
        return {"label": (labels - self.out.bias.sum()).square().mean()}


def session(**optimizer):
    config = deconfound.Config(
        modalities=(deconfound.Modality("table", "tabular", 7), deconfound.Modality("series", "sequence", 3, 5)),
        width=4, task=deconfound.Task("binary"), hyperparameters={}, seed=3, max_batch=16, feature_store=str(GATHER),
        optimizer=deconfound.Optimizer(**{"name": "adam", "learning_rate": 0.01, **optimizer}))
    return BackboneSession(backbone(Module, name="module", version="1", licence="MIT"), config)


def step(s, n, weights=None):
    rows = np.arange(n, n + 8, dtype=np.int32)
    h, _ = s.forward(rows, np.arange(8, dtype=np.uint64) % 4, True, n, np.ones(8, np.float32))
    return h, s.backward(np.full((8, 4), 0.1, np.float32), weights)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_restored_session_goes_on_with_the_same_bits(name):
    first, second = session(name=name, momentum=0.5, weight_decay=0.01), session(name=name, momentum=0.5, weight_decay=0.01)
    for n in range(3):
        step(first, n)
    parameters, state = first.snapshot()
    saved = [(k, v.copy()) for k, v in parameters.items()]
    step(second, 9)
    second.restore(saved, state)
    for n in range(3, 6):
        a, b = step(first, n), step(second, n)
        assert a[0].tobytes() == b[0].tobytes() and a[1] == b[1]
    assert first.snapshot()[1] == second.snapshot()[1]


def test_terms_weights_and_norm():
    a, b = session(name="sgd", learning_rate=1e-6), session(name="sgd", learning_rate=1e-6)
    h, (terms, norm) = step(a, 0)
    assert set(terms) == {"size", "label"} and norm > 0
    assert terms["size"] == pytest.approx(0.1 * (h**2).sum(1).mean(), rel=1e-5)
    weights = np.zeros(8, np.float32)
    weights[2] = 3
    h, (terms, _) = step(b, 0, weights)
    assert terms["size"] == pytest.approx(0.1 * (h[2] ** 2).sum(), rel=1e-5)
    assert a.model.module.lengths[0] is None and a.model.module.lengths[1].tolist()[:4] == [0, 0, 2, 3]


def test_gradient_is_clipped_together():
    s = session(name="sgd", learning_rate=1.0, clip_norm=0.05)
    before = {k: v.copy() for k, v in s.snapshot()[0].items()}
    _, (_, norm) = step(s, 0)
    moved = np.sqrt(sum(((v - before[k]) ** 2).sum() for k, v in s.snapshot()[0].items()))
    assert norm > 0.05 and moved == pytest.approx(0.05, rel=1e-3)


def test_optimizer_forgets_when_told():
    def moments(reset):
        s = session(name="adam", learning_rate=1e-3)
        step(s, 0)
        rows, all = np.arange(8, dtype=np.int32), np.full(8, 3, np.uint64)
        h = s.forward(rows, all, True, 1, np.ones(8, np.float32))[0]
        s.backward(np.ones_like(h), None, reset)
        return {int(state["step"]) for state in s.model.optimizer.state.values()}

    assert moments(False) == {2} and moments(True) == {1}


def test_batch_without_backward_leaves_no_trace():
    s = session()
    rows, all = np.arange(8, dtype=np.int32), np.full(8, 3, np.uint64)
    want = s.forward(rows, all, False, 0, None)[0].tobytes()
    s.forward(rows, all, True, 1, np.ones(8, np.float32))
    assert s.forward(rows, all, False, 0, None)[0].tobytes() == want
    step(s, 1)
    assert s.model.module.norm.num_batches_tracked == 1


def test_panic_names_the_line_of_the_author():
    from deconfound.session import describe

    s = session()
    s.model.module.norm = None
    with pytest.raises(TypeError) as e:
        step(s, 0)
    code, text = describe(e.value)
    assert code == "panic" and "test_torch.py:" in text
