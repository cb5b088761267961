"""Streams as clients send them: over sockets, to a server that has little memory and may be killed."""

import hashlib
import os
import signal
import socket
import threading
import uuid

import pytest

from kernel.crypto.sealing.stream import sealed_size
from tests.crypto_ops.stream_client import DECRYPT, ENCRYPT
from tests.product import Product
from tests.waiting import wait_until

pytestmark = pytest.mark.process

BLOCK = bytes(n % 251 for n in range(100_000))


def access(product):
    """A token, and a key that it may use."""
    token = product.token()
    body = {"name": "streams", "algorithm": "aes-256"}
    return token, product.send("POST", "/api/v1/keys", body, token=token).json["id"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Product(tmp_path_factory.mktemp("streams")) as product:
        yield product


@pytest.fixture(scope="module")
def network(server):
    return access(server)


OCTETS = {"Content-Type": "application/octet-stream"}
LARGE = os.urandom(1024 * 1024) * 24  # more than all buffers between two sockets hold


def test_an_ordinary_client_that_sends_all_before_it_reads_is_served(server, network):
    token, key_id = network
    sealed = server.send("POST", f"{ENCRYPT}?key_id={key_id}", LARGE, token=token, headers=OCTETS)
    assert (sealed.status, len(sealed.content)) == (200, sealed_size(len(LARGE)))
    opened = server.send("POST", DECRYPT, sealed.content, token=token, headers=OCTETS)
    assert opened.status == 200
    assert hashlib.sha256(opened.content).digest() == hashlib.sha256(LARGE).digest()


def test_a_client_that_waits_for_100_continue_is_refused_first(server, network):
    token, key_id = network
    refused = by_hand(server, f"{ENCRYPT}?key_id={uuid.uuid4()}", token, "Expect: 100-continue\r\n")
    assert refused.startswith(b"HTTP/1.1 404 ")
    accepted = by_hand(server, f"{ENCRYPT}?key_id={key_id}", token, "Expect: 100-continue\r\n")
    assert accepted.startswith(b"HTTP/1.1 100 Continue")


def head(path, token, size, more=""):
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {size}\r\n{more}\r\n"
    ).encode()


def by_hand(server, path, token, more):
    """Send only the head of a request; return the response."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head(path, token, 10, more))
        return connection.recv(4096)


def test_memory_does_not_grow_with_the_stream(server, network):
    token, key_id = network
    [worker] = server.processes_of("gunicorn: worker")
    pump(server, f"{ENCRYPT}?key_id={key_id}", token, LARGE)
    before = peak(worker)
    for _ in range(4):
        pump(server, f"{ENCRYPT}?key_id={key_id}", token, LARGE * 8)
    assert peak(worker) - before < 24 * 1024  # KiB, while almost 200 MiB pass at a time


def pump(server, path, token, body):
    """Send and read at once, as a client of large streams does."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        sending = threading.Thread(target=connection.sendall, args=(head(path, token, len(body)) + body,))
        sending.start()
        left, received = sealed_size(len(body)), b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        left -= len(received.partition(b"\r\n\r\n")[2])
        while left:
            part = connection.recv(1024 * 1024)
            assert part
            left -= len(part)
        sending.join()


def peak(pid):
    """The peak memory of the process, in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123 - only one line is needed
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def test_a_server_that_ends_ends_its_streams_and_a_kill_leaves_nothing_of_them(tmp_path):
    with Product(tmp_path) as product:
        token, key_id = access(product)
        sealed = product.send(
            "POST", f"{ENCRYPT}?key_id={key_id}", LARGE, token=token, headers=OCTETS
        ).content
        with socket.create_connection(("127.0.0.1", product.port)) as connection:
            connection.sendall(head(DECRYPT, token, len(sealed)) + sealed[:-1])
            [worker] = product.processes_of("gunicorn: worker")
            wait_until(lambda: any("spool" in where for where in open_files(worker)))
            assert list((product.home / "spool").iterdir()) == []
            product.kill()
        assert list((product.home / "spool").iterdir()) == []
        product.start()
        opened = product.send("POST", DECRYPT, sealed, token=token, headers=OCTETS)
        assert opened.content == LARGE

        with socket.create_connection(("127.0.0.1", product.port), timeout=60) as connection:
            connection.sendall(head(f"{ENCRYPT}?key_id={key_id}", token, 10 * len(BLOCK)) + BLOCK * 5)
            assert connection.recv(4096)
            product.stop(signal.SIGINT)  # SIGTERM would give the stream 20 s to end by itself
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        assert len(received) < sealed_size(10 * len(BLOCK))


def open_files(pid):
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - links of a process
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))  # noqa: PTH115
        except OSError:
            continue
    return found
