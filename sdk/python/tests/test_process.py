"""Handshake, sessions and end of a real process, without a Go host."""

import mmap
import os
import pathlib
import socket
import struct
import subprocess
import sys

import grpc
import numpy as np
import pytest

from deconfound import plugin_pb2 as pb
from deconfound import process

HERE = pathlib.Path(__file__).parent
GATHER = HERE.parents[1] / "features" / "testdata" / "gather"
SLOT = 1 << 16


class Plugin:
    """A started plugin, with what it inherits."""

    def __init__(self, script, directory):
        self.arena = os.memfd_create("arena")
        os.ftruncate(self.arena, 4 * SLOT)
        self.memory = mmap.mmap(self.arena, 4 * SLOT)
        self.door, other = socket.socketpair()
        self.door.settimeout(60)
        read, self.parent = os.pipe()
        fds = {process.ARENA: self.arena, process.DOOR: other.fileno(), process.PARENT: read}
        env = {
            **os.environ, process.COOKIE_KEY: process.COOKIE_VALUE, "PYTHONPATH": str(HERE.parent),
            "PLUGIN_UNIX_SOCKET_DIR": str(directory), **{name: str(fd) for name, fd in fds.items()},
        }
        self.process = subprocess.Popen([sys.executable, "-B", str(script)], env=env, pass_fds=fds.values(),
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        other.close()
        os.close(read)

    def handshake(self):
        """The fields of the line of the handshake."""
        for line in self.process.stdout:
            if line.startswith(b"1|1|unix|"):
                return line.decode().strip().split("|")
        raise AssertionError(self.process.stderr.read().decode())

    def session(self):
        """A socket of a new session."""
        mine, theirs = socket.socketpair()
        mine.settimeout(60)
        socket.send_fds(self.door, [b"\1"], [theirs.fileno()])
        theirs.close()
        return mine

    def end(self):
        os.close(self.parent)
        return self.process.wait(60)


@pytest.fixture
def linear(tmp_path):
    plugin = Plugin(HERE / "plugins" / "linear" / "model.py", tmp_path)
    yield plugin
    if plugin.process.poll() is None:
        plugin.process.kill()
        plugin.process.wait()


def ask(connection, **request):
    data = pb.HostMessage(**request).SerializeToString()
    connection.sendall(struct.pack("<I", len(data)) + data)
    (size,) = struct.unpack("<I", connection.recv(4, socket.MSG_WAITALL))
    return pb.PluginMessage.FromString(connection.recv(size, socket.MSG_WAITALL))


OPEN = pb.OpenBackboneRequest(
    channel=pb.Channel(max_message=1 << 20, offset=0, slot_size=SLOT), feature_store=str(GATHER),
    modalities=[pb.Modality(name="table", kind="tabular", width=7)], width=3, task=pb.Task(kind="binary"),
    optimizer=pb.OptimizerSettings(name="sgd", learning_rate=0.1), seed=1, max_batch=8)


def test_sessions_and_the_end_of_the_host(linear):
    fields = linear.handshake()
    assert fields[4] == "grpc" and fields[5] == ""
    assert linear.door.recv(1) == b"\1"
    s = linear.session()
    assert ask(s, sequence=1, open_backbone=OPEN).WhichOneof("reply") == "open"
    forward = pb.ForwardRequest(rows=np.arange(4, dtype="<i4").tobytes(), availability=np.array([1, 0, 1, 1], "<u8").tobytes(), train=True)
    region = ask(s, sequence=2, forward=forward).forward.h.region
    assert region.offset == 2 * SLOT and region.length == 4 * 3 * 4
    h = np.frombuffer(linear.memory, "<f4", 12, region.offset).reshape(4, 3)
    assert np.isfinite(h).all() and (h[1] == 0).all() and (h[0] != 0).all()

    outside = pb.Tensor(shape=[4, 3], region=pb.Region(offset=0, length=48))
    assert ask(s, sequence=3, backward=pb.BackwardRequest(dh=outside)).error.code == "protocol"
    linear.memory[:48] = np.full(12, np.nan, "<f4").tobytes()
    assert ask(s, sequence=4, backward=pb.BackwardRequest(dh=outside)).error.code == "not_finite"
    assert ask(s, sequence=5, forward=forward).WhichOneof("reply") == "forward"
    linear.memory[:48] = np.ones(12, "<f4").tobytes()
    assert ask(s, sequence=6, backward=pb.BackwardRequest(dh=outside)).backward.gradient_norm > 0

    other = linear.session()  # with an error of its own, which is not that of the first
    assert ask(other, sequence=1, forward=forward).error.code == "protocol"
    assert ask(s, sequence=7, close=pb.CloseRequest()).WhichOneof("reply") == "close"
    assert linear.end() != 0  # the host is gone


def test_info_and_shutdown_over_grpc(linear):
    fields = linear.handshake()
    with grpc.insecure_channel(f"unix:{fields[3]}") as channel:
        info = channel.unary_unary("/deconfound.plugin.v1.Plugin/Info", pb.InfoRequest.SerializeToString, pb.InfoResponse.FromString)
        assert info(pb.InfoRequest(), timeout=60).name == "linear"
        session = channel.stream_stream("/deconfound.plugin.v1.Plugin/Session", pb.HostMessage.SerializeToString, pb.PluginMessage.FromString)
        bare = pb.OpenBackboneRequest.FromString(OPEN.SerializeToString())
        bare.channel.slot_size = 0
        replies = list(session(iter([pb.HostMessage(sequence=1, open_backbone=bare), pb.HostMessage(sequence=2, close=pb.CloseRequest())]), timeout=60))
        assert [r.WhichOneof("reply") for r in replies] == ["open", "close"]
        channel.unary_unary("/plugin.GRPCController/Shutdown")(b"", timeout=60)
    assert linear.process.wait(60) == 0


def test_by_hand():
    env = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run([sys.executable, "-B", str(HERE / "plugins" / "linear" / "model.py")], env=env, capture_output=True, text=True)
    assert done.returncode == 1 and "deconfound plugin check" in done.stderr
