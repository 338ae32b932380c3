"""One session: requests in, answers out, whatever carries them."""

import os
import sys
import traceback

from deconfound import plugin_pb2 as pb
from deconfound import wire
from deconfound.backbone import Backbone, BackboneSession
from deconfound.errors import Error, bad_request
from deconfound.sampler import Sampler, answer
from deconfound.strategy import Observation, Strategy, StrategySession

PACKAGE = os.path.dirname(os.path.abspath(__file__))


class Handler:
    """Answers the messages of one session, one after the other."""

    def __init__(self, plugin: type, arena: wire.Arena | None):
        self.plugin, self.arena = plugin, arena
        self.kind = kind_of(plugin)
        self.session: BackboneSession | StrategySession | None = None
        self.slab, self.limit = wire.Slab(), wire.MAX_MESSAGE

    def answer(self, m: pb.HostMessage) -> tuple[pb.PluginMessage, bool]:
        """The reply to a message, and whether the session ends with it."""
        code = ""
        try:
            reply = self._handle(m)
            reply.sequence = m.sequence
            if (size := reply.ByteSize()) > self.limit:
                raise Error("message_too_large", f"the answer to {m.WhichOneof('request')} takes {size} bytes, the limit is {self.limit}")
        except Exception as e:  # whatever the author's code raises
            code, text = describe(e)
            reply = pb.PluginMessage(sequence=m.sequence, error=pb.Error(code=code, message=text))
        return reply, self.session is None or code == "panic"

    def finish(self) -> None:
        """Closes a session that the host did not close."""
        session, self.session = self.session, None
        if session is not None:
            try:
                session.close()
            except Exception as e:
                describe(e)

    def _handle(self, m: pb.HostMessage) -> pb.PluginMessage:
        what = m.WhichOneof("request")
        if what in ("open_backbone", "open_strategy"):
            return self._open(m, what)
        if self.session is None:
            raise wire.protocol(f"{what} before the session was opened")
        method = getattr(self, f"_{what}", None) if what in COMMON + OWN[self.kind] else None
        if method is None:
            raise Error("unsupported", f"this session does not take {what}")
        reader = wire.Reader(self.slab, m.sequence)
        writer = wire.Writer(self.slab, m.sequence)
        return method(getattr(m, what), reader, writer)

    def _open(self, m, what: str) -> pb.PluginMessage:
        if self.session is not None:
            raise wire.protocol("the session is open already")
        if what != f"open_{self.kind}":
            raise Error("unsupported", f"this plugin is a {self.kind}")
        request = getattr(m, what)
        self.slab = wire.Slab.at(self.arena, request.channel)
        self.limit = request.channel.max_message or self.limit
        if self.kind == "backbone":
            self.session = BackboneSession(self.plugin, wire.config(request))
        else:
            self.session = StrategySession(self.plugin, wire.training(request))
        stages = getattr(self.session, "stages", [])
        return pb.PluginMessage(open=pb.OpenResponse(stages=[pb.Stage(start=int(at), restart=bool(anew)) for at, anew in stages]))

    def _forward(self, m, r, w) -> pb.PluginMessage:
        rows, availability = wire.rows(m)
        h, embeddings = self.session.forward(rows, availability, m.train, m.step, r.vector("labels", m, "labels"))
        return pb.PluginMessage(forward=pb.ForwardResponse(h=w.tensor(h), modality_embeddings=w.tensor(embeddings)))

    def _backward(self, m, r, w) -> pb.PluginMessage:
        terms, norm = self.session.backward(r.tensor("dh", m, "dh"), r.vector("weights", m, "weights"), m.reset_optimizer)
        return pb.PluginMessage(backward=pb.BackwardResponse(terms=wire.terms(terms), gradient_norm=norm))

    def _augment(self, m, r, w) -> pb.PluginMessage:
        availability = self.session.augment(*wire.rows(m), m.step)
        return pb.PluginMessage(augment=pb.AugmentResponse(availability=availability.astype("<u8").tobytes()))

    def _objective(self, m, r, w) -> pb.PluginMessage:
        rows, availability = wire.rows(m)
        o = self.session.objective(Observation(
            rows, r.tensor("h", m, "h"), r.tensor("logits", m, "logits"), r.vector("row loss", m, "row_loss"),
            r.vector("labels", m, "labels"), availability, wire.groups(m), m.step))
        return pb.PluginMessage(objective=pb.ObjectiveResponse(
            weights=w.tensor(o.weights), penalty=float(o.penalty), dh=w.tensor(o.dh), dlogits=w.tensor(o.dlogits), terms=wire.terms(o.terms),
            reset_optimizer=bool(o.reset_optimizer)))

    def _stage(self, m, r, w) -> pb.PluginMessage:
        terms = self.session.begin(m.stage, r.tensor("predictions", m, "predictions"))
        return pb.PluginMessage(stage=pb.StageResponse(terms=wire.terms(terms)))

    def _mix(self, m, r, w) -> pb.PluginMessage:
        rows, availability = wire.rows(m)
        partner, share = self.session.mix(rows, r.vector("labels", m, "labels"), availability, wire.groups(m), m.step)
        return pb.PluginMessage(mix=pb.MixResponse(partner=partner.astype("<i4").tobytes(), share=w.tensor(share)))

    def _fit(self, m, r, w) -> pb.PluginMessage:
        return pb.PluginMessage(fit=pb.FitResponse(terms=wire.terms(self.session.fit(wire.held(r, m)))))

    def _adjust(self, m, r, w) -> pb.PluginMessage:
        predictions, terms = self.session.adjust(wire.held(r, m))
        return pb.PluginMessage(adjust=pb.AdjustResponse(predictions=w.tensor(predictions), terms=wire.terms(terms)))

    def _snapshot(self, m, r, w) -> pb.PluginMessage:
        parameters, state = self.session.snapshot()
        named = [pb.NamedTensor(name=name, tensor=w.tensor(value)) for name, value in parameters.items()]
        return pb.PluginMessage(snapshot=pb.SnapshotResponse(parameters=named, state=state))

    def _restore(self, m, r, w) -> pb.PluginMessage:
        parameters = [(p.name, r.tensor(p.name, p, "tensor")) for p in m.parameters]
        if any(value is None for _, value in parameters):
            raise bad_request("a parameter has no values")
        self.session.restore(parameters, m.state)
        return pb.PluginMessage(restore=pb.RestoreResponse())

    def _close(self, m, r, w) -> pb.PluginMessage:
        session, self.session = self.session, None
        session.close()
        return pb.PluginMessage(close=pb.CloseResponse())


def kind_of(plugin: type) -> str:
    """The kind of a plugin by its class."""
    return next(kind for kind, base in (("backbone", Backbone), ("strategy", Strategy), ("sampler", Sampler)) if issubclass(plugin, base))


def propose(plugin: type, m: pb.ProposeRequest) -> pb.ProposeResponse:
    """The answer of a sampler."""
    try:
        if kind_of(plugin) != "sampler":
            raise Error("unsupported", "this plugin is no sampler")
        point = answer(plugin, wire.proposal(m))
        return pb.ProposeResponse(point=wire.point(point))
    except Exception as e:  # whatever the author's code raises
        code, text = describe(e)
        return pb.ProposeResponse(error=pb.Error(code=code, message=text))


COMMON = ("snapshot", "restore", "close")
OWN = {"backbone": ("forward", "backward"), "strategy": ("augment", "objective", "stage", "mix", "fit", "adjust"), "sampler": ()}


def describe(e: Exception) -> tuple[str, str]:
    """Code and text of an exception. One without a code is a panic: its traceback
    goes to the log, and the text names the author's line."""
    if isinstance(e, Error):
        return e.code, str(e)[:wire.MAX_ERROR_TEXT]
    traceback.print_exception(e, file=sys.stderr)
    calls = traceback.extract_tb(e.__traceback__)
    own = [c for c in calls if not os.path.abspath(c.filename).startswith((PACKAGE, sys.prefix))] or calls[-1:]
    at = f" at {os.path.basename(own[-1].filename)}:{own[-1].lineno}" if own else ""
    return "panic", f"the plugin raised {type(e).__name__}{at}: {e}"[:wire.MAX_ERROR_TEXT]
