"""What a sampler answers is checked before it leaves the plugin."""

import math

import pytest

import deconfound
from deconfound import plugin_pb2 as pb
from deconfound import session, wire


def propose(answer, **changes):
    """The reply of a sampler that answers something."""

    class Fixed(deconfound.Sampler):
        info = deconfound.Info(name="fixed", version="1", licence="MIT", hyperparameters=(deconfound.Int("startup", 3, 1, 9),))

        def propose(self, p):
            return answer(p) if callable(answer) else answer

    request = pb.ProposeRequest(
        dimensions=[
            pb.Dimension(name="kind", kind="values", values=[wire.value("a"), wire.value(True), wire.value(1), wire.value(1.0)]),
            pb.Dimension(name="lr", kind="log_uniform", min=0.1, max=1.0), pb.Dimension(name="width", kind="int_uniform", min=1, max=8, step=1)],
        trials=[pb.Trial(number=0, state="done", point=wire.point({"lr": 0.5}), epoch=3, value=math.nan)],
        maximize=True, epochs=3, number=1, seed=2**64 - 1, refused=[wire.point({"width": 8})])
    for name, value in changes.items():
        getattr(request, name).MergeFrom(value)
    return session.propose(Fixed, pb.ProposeRequest.FromString(request.SerializeToString()))


@pytest.mark.parametrize("kind", ["a", True, 1, 1.0])
def test_types(kind):
    reply = propose({"kind": kind, "lr": 1, "width": 4.0})
    point = wire.mapping(reply.point.values)
    assert not reply.HasField("error") and point == {"kind": kind, "lr": 1.0, "width": 4}
    assert type(point["kind"]) is type(kind) and type(point["lr"]) is float and type(point["width"]) is int


def test_request():
    seen = []
    propose(lambda p: seen.append(p) or {})
    p, = seen
    assert p.hyperparameters == {"startup": 3} and p.maximize and p.epochs == 3 and p.number == 1 and p.seed == 2**64 - 1
    assert p.dimensions[0].values == ("a", True, 1, 1.0) and p.refused == ({"width": 8},)
    assert p.trials[0].point == {"lr": 0.5} and math.isnan(p.trials[0].value)


@pytest.mark.parametrize("code, answer", [
    ("not_finite", {"kind": "a", "lr": math.nan, "width": 1}),
    ("bad_shape", {"kind": "a", "lr": 2.0, "width": 1}),
    ("bad_shape", {"kind": "a", "lr": "fast", "width": 1}),
    ("bad_shape", {"kind": "a", "lr": None, "width": 1}),
    ("bad_shape", {"kind": "b", "lr": 0.5, "width": 1}),
    ("bad_shape", {"kind": "a", "lr": 0.5, "width": 1.5}),
    ("bad_shape", {"kind": "a", "lr": 0.5}),
    ("bad_shape", {"kind": "a", "lr": 0.5, "width": 1, "more": 1}),
    ("bad_shape", None),
    ("panic", lambda p: 1 / 0),
])
def test_mistakes(code, answer):
    assert propose(answer).error.code == code


def test_another_kind():
    class Other(deconfound.Strategy):
        info = deconfound.Info(name="other", version="1", licence="MIT")

        def objective(self, o):
            return deconfound.Objective()

    assert session.propose(Other, pb.ProposeRequest()).error.code == "unsupported"
