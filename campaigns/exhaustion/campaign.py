"""Exhaust a server without credentials, and measure the memory of its web worker.

    python -m campaigns.exhaustion.campaign --rounds 10 --heads 2000 --readers 500 --overload 300

It starts the product on SQLite with one thread, and attacks it from this machine over loopback. It prints the
resident memory of the worker before, at its peak, and after each attack. It exits 1 if memory is not flat, if
a client gets an unexpected response, or if connections stay open. With 10 rounds it takes about eight minutes.
"""

import argparse
import contextlib
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.output import log
from tests.product import ADMIN, PASSWORD, Product

MIB = 1024 * 1024
BODY = 2 * MIB - 1
# MiB above the start: the budgets of bodies (64) and heads (32), one sign-in (64), and as much again for connections and
# for memory that the allocator keeps.
GROWTH_LIMIT = 256
# Bytes for a client that does not read: two responses of the schema, one of them in a write buffer.
UNREAD = 192 * 1024
RESPONSE_SECONDS = 60
CLOSED_SECONDS = 100  # 30 seconds without write progress, after a connection has been idle for up to 30
OPEN = {"01", "08"}  # in /proc/net/tcp: established, and closed by the client only


def main() -> int:
    """Return 0 if memory is flat, every response is as expected and no connection stays open."""
    options = parse()
    with (
        tempfile.TemporaryDirectory() as folder,
        Product(Path(folder), database="", CC_THREADS="1") as product,
    ):
        product.send("GET", "/livez")
        worker = Worker(product)
        slow = [worker.measure("31 slow senders", slow_senders) for _ in range(options.rounds)]
        overload = worker.measure(f"{options.overload} overload requests", overloaded, options.overload)
        heads = worker.measure(f"{options.heads} unfinished heads", unfinished_heads, options.heads)
        worker.limit += options.readers * UNREAD // MIB
        readers = [
            worker.measure(f"{options.readers} clients that never read", never_reading, options.readers)
            for _ in range(2)
        ]
        left = worker.connections()
        log(f"connections left: {left}")
        return 0 if all([*slow, overload, heads, *readers, not left]) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="of 31 slow senders")
    parser.add_argument("--overload", type=int, default=300, help="requests while all threads are busy")
    parser.add_argument("--heads", type=int, default=2000, help="requests whose head never ends")
    parser.add_argument("--readers", type=int, default=500, help="clients that never read")
    return parser.parse_args()


class Worker:
    """The only web worker of a product."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.pid = max(product.processes_of("gunicorn"), key=lambda pid: self._memory(pid, "VmRSS"))
        self.limit = self._memory(self.pid, "VmRSS") + GROWTH_LIMIT

    def measure(self, name: str, attack: Callable[..., tuple[str, bool]], *arguments: int) -> bool:
        """Run one attack, print its cost, and return whether it is within the limits."""
        before = self._memory(self.pid, "VmRSS")
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # reset the peak: proc_pid_clear_refs(5)
        result, is_well = attack(self.product, *arguments)
        after, peak = self._memory(self.pid, "VmRSS"), self._memory(self.pid, "VmHWM")
        log(f"{name}: {before} MiB before, {peak} at the peak, {after} after; {result}")
        return peak <= self.limit and is_well

    def connections(self) -> int:
        """The number of connections that the server has not closed."""
        ours = f"0100007F:{self.product.port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(local == ours and state in OPEN for _, local, _, state, *_ in rows)

    def _memory(self, pid: int, what: str) -> int:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return int(status[what].split()[0]) // 1024


def slow_senders(product: Product) -> tuple[str, bool]:
    """Each client sends a body of the largest size except for its last byte."""
    with connections(product, 31) as clients:
        for client in clients:
            client.sendall(post("/api/v1/keys", BODY) + bytes(BODY - 1))
        return judged(statuses(clients), {"408"})


def overloaded(product: Product, count: int) -> tuple[str, bool]:
    """Complete requests with a body of 1 MiB each, while the only thread waits for the database."""
    with locked(product), ThreadPoolExecutor(50) as pool, connections(product, count) as clients:
        request = post("/api/v1/keys", MIB) + bytes(MIB)
        list(pool.map(lambda client: send_some(client, request), clients))
        # 401 for requests that a thread took once the lock was free.
        return judged(statuses(clients), {"503"}, {"401"})


def unfinished_heads(product: Product, count: int) -> tuple[str, bool]:
    """Half of the heads stay below 32 KiB, half are as large as possible."""
    fields = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 8000) for number in range(40))
    start = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
    with connections(product, count) as clients:
        for number, client in enumerate(clients):
            send_some(client, start + (fields if number % 2 else fields[:24_000]))
        # A client that still sends when its connection is closed may see a reset and not the response.
        return judged(statuses(clients, seconds=30), {"408", "431"}, {"503", "closed", "reset"})


def never_reading(product: Product, count: int) -> tuple[str, bool]:
    """Each client requests a large document ten times, and reads none of the responses."""
    request = b"GET /api/schema/ HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n"
    with connections(product, count, receive=4096) as clients:
        for client in clients:
            client.sendall(request * 10)
            client.recv(1, socket.MSG_PEEK)  # until the response: the server has one thread
        worker, began = Worker(product), time.monotonic()
        while (left := worker.connections()) and time.monotonic() - began < CLOSED_SECONDS:
            time.sleep(1)
        return f"{left} of {count} open after {time.monotonic() - began:.0f} s", not left


@contextlib.contextmanager
def locked(product: Product) -> Iterator[None]:
    """Hold the database's lock while a sign-in waits for it in the product's only thread."""
    database = sqlite3.connect(product.sqlite_file, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    waiting = [threading.Thread(target=sign_in, args=[product]) for _ in range(3)]
    for thread in waiting:
        thread.start()
    time.sleep(1)  # until the first holds the thread, which cannot be observed
    try:
        yield
    finally:
        database.rollback()
        database.close()
        for thread in waiting:
            thread.join()


def sign_in(product: Product) -> None:
    with contextlib.suppress(Exception):
        product.send("POST", "/auth/login", {"username": ADMIN, "password": PASSWORD})


@contextlib.contextmanager
def connections(product: Product, count: int, *, receive: int = 0) -> Iterator[list[socket.socket]]:
    """Open connections; ``receive`` is the size of their receive buffer in bytes, or 0 for the default."""
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            if receive:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
                # As over a network: with the segment size of loopback, the kernel would accept megabytes from
                # the server.
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
            client.settimeout(RESPONSE_SECONDS)
            client.connect(("127.0.0.1", product.port))
            clients.append(client)
        yield clients


def post(path: str, length: int) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def send_some(client: socket.socket, data: bytes) -> None:
    """Send as much as the server accepts."""
    with contextlib.suppress(OSError):
        client.sendall(data)


def statuses(clients: list[socket.socket], seconds: float = RESPONSE_SECONDS) -> Counter[str]:
    """Count the clients by their response."""
    counts: Counter[str] = Counter()
    deadline = time.monotonic() + seconds
    for client in clients:
        client.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            response = client.recv(64).split(b" ")[1:2]
            status = response[0].decode() if response else "closed"
        except TimeoutError:
            status = "no response"
        except OSError:
            status = "reset"
        counts[status] += 1
    return counts


def judged(
    counts: Counter[str], expected: set[str], allowed: frozenset[str] | set[str] = frozenset()
) -> tuple[str, bool]:
    """The counts as text, and whether all expected responses occurred, and no others except the allowed ones."""
    text = ", ".join(f"{count} got {status}" for status, count in sorted(counts.items()))
    return text, expected <= counts.keys() <= expected | allowed


if __name__ == "__main__":
    sys.exit(main())
