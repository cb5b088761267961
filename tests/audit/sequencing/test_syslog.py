"""A syslog server that accepts and reads nothing delays the log by the timeout only."""

import socket
import time
from contextlib import ExitStack, suppress

import pytest

from audit.sequencing.checkpoints import syslog

LONG = 20.0  # seconds: the timeout of a socket that has none of its own


def fill(server, client):
    """Connect and send until the server, which reads nothing, has no room left."""
    client.settimeout(0.01)
    with suppress(TimeoutError, BlockingIOError):
        client.connect(server.getsockname())
        while client.type == socket.SOCK_DGRAM:
            client.send(b"x")


@pytest.mark.parametrize(
    ("family", "kind"), [(socket.AF_INET, socket.SOCK_STREAM), (socket.AF_UNIX, socket.SOCK_DGRAM)]
)
def test_a_server_that_reads_nothing_is_a_timeout(family, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(syslog, "_TIMEOUT", 0.02)
    with socket.socket(family, kind) as server, ExitStack() as clients:
        server.bind(str(tmp_path / "log") if family == socket.AF_UNIX else ("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            server.listen(0)
        for _ in range(2):
            fill(server, clients.enter_context(socket.socket(family, kind)))
        name, began = server.getsockname(), time.monotonic()
        socket.setdefaulttimeout(LONG)
        try:
            with pytest.raises(TimeoutError):
                syslog.send(name if family == socket.AF_UNIX else f"tcp://{name[0]}:{name[1]}", "m", "x")
        finally:
            socket.setdefaulttimeout(None)
    assert time.monotonic() - began < LONG / 2
