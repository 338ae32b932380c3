"""What a process owes its host before anything else is imported."""

import os
import signal
import sys
import threading

COOKIE_KEY, COOKIE_VALUE = "DECONFOUND_PLUGIN_COOKIE", "6a0c1a5be6d2a1f2c7f84f3d0a91c3a4"
ARENA, DOOR, PARENT = "DECONFOUND_PLUGIN_ARENA_FD", "DECONFOUND_PLUGIN_DOOR_FD", "DECONFOUND_PLUGIN_PARENT_FD"

# The standard output that the host reads, a file descriptor; None in a process that
# was not started as a plugin.
handshake = None


def started() -> bool:
    """Whether a host started this process as a plugin."""
    return os.environ.get(COOKIE_KEY) == COOKIE_VALUE


def prepare() -> None:
    """Diverts standard output, watches the host and sets what must be set before
    numpy and torch are imported. A second call does nothing."""
    global handshake
    if handshake is not None or not started():
        return
    # Sessions are what runs beside each other; a byte-compiled file would change
    # the hash of the plugin's directory.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    sys.dont_write_bytecode = True
    sys.stdout.flush()
    handshake = os.dup(1)  # not inheritable
    os.dup2(2, 1)
    watch_parent()


def inherited(variable: str) -> int | None:
    """The file descriptor that the host names in a variable; both are kept from
    the plugin's own children."""
    try:
        fd = int(os.environ.pop(variable))
    except (KeyError, ValueError):
        return None
    if fd < 3:
        return None
    os.set_inheritable(fd, False)
    return fd


def watch_parent() -> None:
    """Ends the process, and its children if it leads a process group, when the
    host's end of the inherited pipe closes: the host is gone. On Linux the host has
    the kernel kill the process it starts, too."""
    fd = inherited(PARENT)
    if fd is None:
        return

    def watch() -> None:
        while os.read(fd, 1):
            pass
        if os.getpgrp() == os.getpid():
            os.kill(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, name="host", daemon=True).start()
