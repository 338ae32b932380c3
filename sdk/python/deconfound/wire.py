"""The messages of a session: tensors in shared memory or in messages, and frames on
a socket. The contract is sdk/pb/v1/plugin.proto."""

import mmap
import os
import struct
from dataclasses import dataclass

import numpy as np

from deconfound import plugin_pb2 as pb
from deconfound.backbone import Config, Modality, Optimizer, Task
from deconfound.errors import Error, bad_shape
from deconfound.features import Erasure, Scaling
from deconfound.info import Info
from deconfound.sampler import Dimension, Proposal, Trial
from deconfound.strategy import Held, Training

MAX_MESSAGE = 1 << 30
CONTRACT = 2  # minor version of the contract
MAX_ERROR_TEXT = 16 << 10
ALIGNMENT = 64
FROM_HOST, FROM_PLUGIN = 0, 2


def protocol(message: str) -> Error:
    return Error("protocol", message)


class Arena:
    """The memory that the host shares with this process."""

    def __init__(self, fd: int):
        self.memory = np.frombuffer(mmap.mmap(fd, os.fstat(fd).st_size), np.uint8)
        os.close(fd)


@dataclass
class Slab:
    """A session's part of the arena: two alternating slots a direction. Without
    slot_size, tensors travel inside messages."""

    memory: np.ndarray | None = None
    offset: int = 0
    slot_size: int = 0

    @staticmethod
    def at(arena: Arena | None, channel) -> "Slab":
        """Checks the slab that the host named."""
        if channel.slot_size == 0:
            return Slab()
        if arena is None:
            raise protocol("a session with shared memory in a process without")
        if channel.offset % ALIGNMENT or channel.slot_size % ALIGNMENT or channel.offset + 4 * channel.slot_size > len(arena.memory):
            raise protocol(f"a slab of 4 slots of {channel.slot_size} bytes at {channel.offset} is outside the shared memory")
        return Slab(arena.memory, channel.offset, channel.slot_size)

    def slot(self, direction: int, sequence: int) -> tuple[np.ndarray, int]:
        """The memory of the slot of a message and its offset in the arena."""
        if not self.slot_size:
            return np.empty(0, np.uint8), 0
        start = self.offset + (direction + sequence % 2) * self.slot_size
        return self.memory[start:start + self.slot_size], start


class Writer:
    """Packs the tensors of one message into its slot."""

    def __init__(self, slab: Slab, sequence: int):
        self.memory, self.offset = slab.slot(FROM_PLUGIN, sequence)
        self.used = 0

    def tensor(self, array) -> pb.Tensor | None:
        if array is None:
            return None
        array = np.ascontiguousarray(array, "<f4")
        n = array.nbytes
        if 0 < n <= len(self.memory) - self.used:
            self.memory[self.used:self.used + n] = array.reshape(-1).view(np.uint8)
            region = pb.Region(offset=self.offset + self.used, length=n)
            self.used += -(-n // ALIGNMENT) * ALIGNMENT
            return pb.Tensor(shape=array.shape, region=region)
        return pb.Tensor(shape=array.shape, data=array.tobytes())


class Reader:
    """Unpacks the tensors of one message; what it answers may be views of its slot."""

    def __init__(self, slab: Slab, sequence: int):
        self.memory, self.offset = slab.slot(FROM_HOST, sequence)

    def tensor(self, name: str, message: pb.HostMessage, field: str) -> np.ndarray | None:
        """The tensor in a field of a message, None if it is absent."""
        if not message.HasField(field):
            return None
        t = getattr(message, field)
        shape, count = tuple(t.shape), 1
        for n in shape:
            count *= n
            if n < 0 or count > MAX_MESSAGE:
                raise bad_shape(f"{name} has an impossible shape {shape}")
        if t.WhichOneof("storage") != "region":
            if len(t.data) != 4 * count:
                raise bad_shape(f"{name} of shape {shape} has {len(t.data)} bytes, want {4 * count}")
            return np.frombuffer(t.data, "<f4").reshape(shape)
        at = t.region.offset - self.offset
        if t.region.length != 4 * count:
            raise bad_shape(f"{name} of shape {shape} refers to {t.region.length} bytes, want {4 * count}")
        if at < 0 or at % 4 or at + 4 * count > len(self.memory):
            raise protocol(f"{name} refers to {4 * count} bytes at {t.region.offset}, outside its slot")
        out = self.memory[at:at + 4 * count].view("<f4").reshape(shape)
        out.flags.writeable = False
        return out

    def vector(self, name: str, message, field: str) -> np.ndarray | None:
        """A tensor that must have one dimension."""
        out = self.tensor(name, message, field)
        if out is not None and out.ndim != 1:
            raise bad_shape(f"{name} has shape {out.shape}, want one dimension")
        return out


def numbers(name: str, data: bytes, dtype: str) -> np.ndarray:
    """An array of numbers on the wire."""
    if len(data) % np.dtype(dtype).itemsize:
        raise protocol(f"{name} has {len(data)} bytes")
    return np.frombuffer(data, dtype)


def rows(m) -> tuple[np.ndarray, np.ndarray]:
    """What every request about a batch begins with."""
    r, a = numbers("rows", m.rows, "<i4"), numbers("availability", m.availability, "<u8")
    if len(r) != len(a):
        raise protocol(f"{len(r)} rows with {len(a)} availability masks")
    return r, a


def groups(m) -> np.ndarray | None:
    """Group numbers, None without groups."""
    return numbers("groups", m.groups, "<i4") if m.groups else None


def config(m) -> Config:
    """What an OpenBackboneRequest asks for."""
    r, modalities = Reader(Slab(), 0), []
    for x in m.modalities:
        erasure = None
        if x.HasField("erasure"):
            parts = [r.tensor("erasure", x.erasure, f) for f in ("read", "write", "offset")]
            if any(p is None for p in parts):
                raise bad_shape(f"modality {x.name}: the erasure lacks an array")
            erasure = Erasure(*parts)
        scaling = Scaling(r.vector("mean", x, "mean"), r.vector("scale", x, "scale"), erasure)
        modalities.append(Modality(x.name, x.kind, x.width, x.length, scaling))
    return Config(tuple(modalities), m.width, Task(m.task.kind, m.task.classes), values(m), optimizer(m), m.seed,
                  m.max_batch, m.feature_store)


def training(m) -> Training:
    """What an OpenStrategyRequest tells."""
    r = Reader(Slab(), 0)
    availability = numbers("availability", m.availability, "<u8")
    labels, covariates = r.vector("labels", m, "labels"), r.tensor("covariates", m, "covariates")
    if labels is None:
        labels = np.empty(0, np.float32)
    if covariates is None:
        covariates = np.empty((len(availability), 0), np.float32)
    return Training(availability, labels, covariates, groups(m), dict(m.prior), m.modalities, Task(m.task.kind, m.task.classes),
                    values(m), optimizer(m), m.seed, m.width, m.epochs)


def held(r: "Reader", m) -> Held:
    """What a FitRequest or an AdjustRequest shows."""
    labels = r.vector("labels", m, "labels") if "labels" in m.DESCRIPTOR.fields_by_name else None
    predictions = r.tensor("predictions", m, "predictions")
    if predictions is None:
        raise bad_shape("there are no predictions")
    return Held(predictions, r.tensor("h", m, "h"), numbers("availability", m.availability, "<u8"), labels,
                groups(m) if "groups" in m.DESCRIPTOR.fields_by_name else None)


def proposal(m) -> Proposal:
    """What a ProposeRequest asks for."""
    dimensions = tuple(Dimension(d.name, d.kind, tuple(plain(v) for v in d.values), d.min, d.max, d.step, d.conditional) for d in m.dimensions)
    trials = tuple(Trial(t.number, t.state, mapping(t.point.values), t.epoch, t.value) for t in m.trials)
    return Proposal(values(m), dimensions, m.maximize, m.epochs, trials, m.number, m.seed, tuple(mapping(p.values) for p in m.refused))


def point(values: dict) -> pb.Point:
    return pb.Point(values={name: value(v) for name, v in values.items()})


def plain(v):
    """The Python value of a Value."""
    kind = v.WhichOneof("kind")
    return getattr(v, kind) if kind else None


def mapping(m) -> dict:
    return {name: plain(v) for name, v in m.items()}


def values(m) -> dict:
    return mapping(m.hyperparameters)


def optimizer(m) -> Optimizer:
    o = m.optimizer
    return Optimizer(o.name, o.learning_rate, o.weight_decay, o.beta1, o.beta2, o.epsilon, o.momentum, o.clip_norm)


def value(v) -> pb.Value:
    if isinstance(v, bool):
        return pb.Value(bool=v)
    if isinstance(v, int):
        return pb.Value(int=v)
    return pb.Value(float=v) if isinstance(v, float) else pb.Value(string=v)


def info(kind: str, i: Info) -> pb.InfoResponse:
    c = i.capabilities
    return pb.InfoResponse(
        kind=kind, name=i.name, version=i.version, licence=i.licence, citation=i.citation, text=i.text,
        hyperparameters=[
            pb.Hyperparameter(name=h.name, type=h.type, default=value(h.default), min=h.min, max=h.max, values=h.values, log=h.log, text=h.text, unit=h.unit)
            for h in i.hyperparameters
        ],
        capabilities=pb.Capabilities(
            needs_labels=c.needs_labels, batch_independent=c.batch_independent, deterministic=c.deterministic,
            modality_embeddings=c.modality_embeddings, modality_kinds=c.modality_kinds, tasks=c.tasks,
            reveals_availability=c.reveals_availability, erasure=c.erasure and kind == "backbone",
            stages=c.stages, mixes=c.mixes, post_hoc=c.post_hoc),
        contract=CONTRACT,
    )


def terms(values: dict[str, float]) -> list:
    return [pb.Term(name=name, value=float(v)) for name, v in values.items()]


class Frames:
    """Messages on a socket: four bytes of length, little-endian, and the message.
    Length 0 says that none will follow."""

    def __init__(self, connection):
        self.connection = connection
        self.reader = connection.makefile("rb", buffering=16 << 10)

    def receive(self) -> pb.HostMessage | None:
        """The next message, None after the last one or when the host is gone."""
        header = self.reader.read(4)
        if len(header) < 4:
            return None
        (size,) = struct.unpack("<I", header)
        if size == 0:
            return None
        if size > MAX_MESSAGE:
            raise protocol(f"a frame claims {size} bytes")
        data = self.reader.read(size)
        return pb.HostMessage.FromString(data) if len(data) == size else None

    def send(self, message: pb.PluginMessage) -> None:
        data = message.SerializeToString()
        self.connection.sendall(struct.pack("<I", len(data)) + data)

    def end(self) -> None:
        self.connection.sendall(b"\0\0\0\0")
