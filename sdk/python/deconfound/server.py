"""The whole main program of a plugin."""

import os
import socket
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

from deconfound import plugin_pb2 as pb
from deconfound import process, wire
from deconfound.backbone import Backbone
from deconfound.sampler import Sampler
from deconfound.session import Handler, propose
from deconfound.strategy import Strategy

VERSION = 1  # of the contract
CORE_VERSION = 1  # of go-plugin's handshake
GREETING = b"\x01"
WORKERS = 512  # sessions at the same time, on gRPC
KEPT = [
    ("grpc.max_receive_message_length", wire.MAX_MESSAGE),
    ("grpc.max_send_message_length", wire.MAX_MESSAGE),
    ("grpc.so_reuseport", 0),
]


def serve(plugin: type) -> None:
    """Serves a subclass of Backbone, Strategy or Sampler until the host is done with it, and
    then ends the process. A process that no host started ends with status 1."""
    if not process.started():
        print("This program is a deconfound plugin; it is started by the host. Try: deconfound plugin check DIRECTORY", file=sys.stderr)
        sys.exit(1)
    if not (isinstance(plugin, type) and issubclass(plugin, (Backbone, Strategy, Sampler))):
        raise TypeError(f"serve takes a subclass of Backbone, Strategy or Sampler, not {plugin!r}")
    process.prepare()
    arena = process.inherited(process.ARENA)
    server = Server(plugin, wire.Arena(arena) if arena is not None else None)
    door = process.inherited(process.DOOR)
    if door is not None:
        server.open_door(socket.socket(fileno=door))
    server.shake_hands()
    os.environ.pop(process.COOKIE_KEY, None)  # the plugin's own children are no plugins
    server.done.wait()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads of sessions and of libraries have nothing left to do


class Server:
    """Serves the sessions of one process."""

    def __init__(self, plugin: type, arena: wire.Arena | None):
        self.plugin, self.arena = plugin, arena
        self.kind = Handler(plugin, arena).kind
        self.done = threading.Event()

    def open_door(self, door: socket.socket) -> None:
        """Takes sessions from the door, each with a socket and a thread of its own."""
        door.setblocking(True)
        door.sendall(GREETING)

        def take() -> None:
            while True:
                message, fds, _, _ = socket.recv_fds(door, 1, 1, socket.MSG_CMSG_CLOEXEC)
                if not message:
                    return
                for fd in fds:
                    connection = socket.socket(fileno=fd)
                    connection.setblocking(True)
                    threading.Thread(target=self.serve_socket, args=(connection,), name="session", daemon=True).start()

        threading.Thread(target=take, name="door", daemon=True).start()

    def serve_socket(self, connection: socket.socket) -> None:
        """Serves one session on a socket."""
        frames, handler = wire.Frames(connection), Handler(self.plugin, self.arena)
        try:
            while (message := frames.receive()) is not None:
                reply, last = handler.answer(message)
                frames.send(reply)
                if last:
                    break
            frames.end()
        except OSError:
            pass  # the host is gone or has given the session up
        finally:
            handler.finish()
            frames.reader.close()
            connection.close()

    def serve_stream(self, messages, _context):
        """Serves one session on a gRPC stream."""
        handler = Handler(self.plugin, self.arena)
        try:
            for message in messages:
                reply, last = handler.answer(message)
                yield reply
                if last:
                    return
        finally:
            handler.finish()

    def shake_hands(self) -> None:
        """Starts the gRPC server and prints go-plugin's handshake."""
        import grpc

        client = os.environ.pop("PLUGIN_CLIENT_CERT", "")
        directory = os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.mkdtemp(prefix="deconfound-")
        outside, inside = (os.path.join(directory, f"{os.getpid()}.{x}") for x in ("s", "g"))
        server = grpc.server(ThreadPoolExecutor(WORKERS), options=KEPT)
        server.add_generic_rpc_handlers(self._services(grpc))
        server.add_insecure_port(f"unix:{inside if client else outside}")
        server.start()
        certificate = ""
        if client:
            from deconfound import tls

            context, certificate = tls.context(client, directory)
            tls.relay(context, outside, inside)
        # It begins a line whatever was printed before this package was imported.
        line = f"\n{CORE_VERSION}|{VERSION}|unix|{outside}|grpc|{certificate}\n"
        os.write(process.handshake, line.encode())
        self.grpc = server  # it stops when nobody refers to it

    def _services(self, grpc):
        """The contract, and what go-plugin's own client calls."""

        def shutdown(_request, _context) -> bytes:
            threading.Timer(0.05, self.done.set).start()  # after the answer is on its way
            return b""

        def stdio(_request, _context):
            self.done.wait()  # output goes to the log by itself
            yield from ()

        def raw(handler, behaviour):
            return handler(behaviour, request_deserializer=bytes, response_serializer=bytes)

        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        service = grpc.method_handlers_generic_handler
        return (
            service("deconfound.plugin.v1.Plugin", {
                "Info": unary(lambda _request, _context: wire.info(self.kind, self.plugin.info),
                              pb.InfoRequest.FromString, pb.InfoResponse.SerializeToString),
                "Propose": unary(lambda request, _context: propose(self.plugin, request),
                                 pb.ProposeRequest.FromString, pb.ProposeResponse.SerializeToString),
                "Session": grpc.stream_stream_rpc_method_handler(
                    self.serve_stream, pb.HostMessage.FromString, pb.PluginMessage.SerializeToString),
            }),
            service("plugin.GRPCController", {"Shutdown": raw(unary, shutdown)}),
            service("plugin.GRPCStdio", {"StreamStdio": raw(stream, stdio)}),
            # HealthCheckResponse with status = SERVING.
            service("grpc.health.v1.Health", {"Check": raw(unary, lambda _request, _context: b"\x08\x01")}),
        )
