"""Measures one large body through ``POST /api/v1/stream/encrypt``.

It sends and receives at the same time, because the server starts its response before the end of the request.
"""

import socket
import threading
import time
from dataclasses import dataclass
from statistics import median

from bench.product import CipherCanary
from bench.requests import Refused, Request
from bench.singles import Pace
from bench.watch import Watch

SIZE = 1 << 30
QUICK_SIZE = 128 << 20
BLOCK = 256 * 1024
PATH = "/api/v1/stream/encrypt"
NOT_FOUND = 404
SILENCE_SECONDS = 30


@dataclass(frozen=True)
class Stream:
    """Bytes of plaintext per second, and per second of CPU time of the web workers. ``growth`` is a worker's
    memory growth.
    """

    size: int
    rate: float
    rate_per_core: float
    growth: int


def measure(product: CipherCanary, size: int, pace: Pace) -> Stream | None:
    """Return None if the product has no such endpoint."""
    path = f"{PATH}?key_id={product.key_id}"
    headers = {"Content-Type": "application/octet-stream", **product.authorization}
    if Request(product.product.port, path, b"probe", headers).status() == NOT_FOUND:
        return None
    rates, per_core, growths = [], [], []
    for _ in range(pace.repeats):
        with Watch(product.workers()) as watch:
            began = time.monotonic()
            send_stream(product.product.port, path, headers, size)
            rates.append(size / (time.monotonic() - began))
        per_core.append(size / max(watch.cpu_seconds, 0.01))
        growths.append(watch.peak - watch.before)
        product.settle()
    return Stream(size, median(rates), median(per_core), max(growths))


def send_stream(port: int, path: str, headers: dict[str, str], size: int) -> int:
    """Send ``size`` bytes and return the number of bytes received. Raises Refused unless the response is a complete
    200.
    """
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Connection: close",
        f"Content-Length: {size}",
    ]
    head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""])
    with socket.create_connection(("127.0.0.1", port), timeout=SILENCE_SECONDS) as connection:
        connection.sendall(head.encode())
        sender = threading.Thread(target=send_zeros, args=(connection, size), daemon=True)
        sender.start()
        start, end, received = receive(connection)
        sender.join(SILENCE_SECONDS)
    if not start.startswith(b"HTTP/1.1 200 "):
        raise Refused(start.decode(errors="replace"))
    if received < size or (b"chunked" in start.lower() and not end.endswith(b"0\r\n\r\n")):
        raise Refused(f"the response was cut short after {received} bytes")
    return received


def send_zeros(connection: socket.socket, size: int) -> None:
    block = memoryview(bytes(BLOCK))
    try:
        while size:
            connection.sendall(block[: min(BLOCK, size)])
            size -= min(BLOCK, size)
    except OSError:
        return  # a server that refuses closes the connection early; the reader reports its response, or the missing one


def receive(connection: socket.socket) -> tuple[bytes, bytes, int]:
    """Return the first bytes of the response, the last bytes, and the total number."""
    buffer = memoryview(bytearray(4 * BLOCK))
    start, end, received = b"", b"", 0
    while count := connection.recv_into(buffer):
        received += count
        if len(start) < 1000:
            start += bytes(buffer[: min(count, 1000)])
        end = (end + bytes(buffer[max(0, count - 8) : count]))[-8:]
    return start, end, received
