"""Conditions that end a connection: heads without end, clients that do not read, and invalid requests."""

import asyncio
import socket
from types import SimpleNamespace

import pytest
import uvloop
from django.conf import settings

from accounts.rest import AuthView
from ciphercanary.server import gunicorn
from ciphercanary.server.connections import bounded_connection, bridge, write_watch
from ciphercanary.server.connections.bounded_parser import (
    ALL_HEADS,
    CHUNKED_BUFFER,
    HEAD_PIECE,
    LARGE_PIECE,
    MAX_HEAD,
    PIECE,
    BoundedParser,
)
from ciphercanary.server.connections.byte_budget import ByteBudget
from ciphercanary.server.connections.fast_path_connection import FastPathProtocol
from ciphercanary.server.connections.write_watch import WriteWatch
from tests.server.connection import Connection, request

GET = b"GET /x HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nX-Request-ID: mine\r\n\r\n"


def head(size):
    """A head of ``size`` bytes, with headers that are each small enough."""
    fields = [b"A: %b\r\n" % (b"x" * 995) for _ in range((size - len(GET) - 200) // 1000)]
    rest = size - len(GET) - sum(map(len, fields)) - 2
    return GET + b"".join(fields) + b"A: %b\r\n" % (b"x" * (rest - 5)) + b"\r\n"


def in_pieces(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


# --- heads


@pytest.mark.parametrize("piece", [1000, 10_000, 10**6])
def test_a_head_has_at_most_32_kib_however_it_arrives(parser, piece):
    async def scene(size):
        connection = Connection(parser)
        for part in in_pieces(head(size), piece):
            if not connection.transport.closed:
                connection.protocol.data_received(part)
        await connection.settle()
        return connection

    assert asyncio.run(scene(MAX_HEAD)).transport.written.startswith(b"HTTP/1.1 200")
    refused = asyncio.run(scene(MAX_HEAD + 1))
    assert (refused.problem()["status"], refused.problem()["code"]) == (431, "head_too_large")


def test_heads_that_are_not_complete_share_a_bound(parser):
    async def scene():
        connection = Connection(parser, heads=5000)
        first = connection.protocol
        await connection.receive(head(20_000)[:3000])
        connection.connect()
        await connection.receive(head(20_000)[:3000])
        assert (connection.problem()["status"], connection.problem()["code"]) == (503, "overloaded")
        assert b"retry-after: 1\r\n" in connection.transport.written
        first.connection_lost(None)
        connection.protocol.connection_lost(None)
        assert connection.charged == (0, 0)

    asyncio.run(scene())


def test_a_large_head_is_charged_until_its_request_has_a_response(parser):
    async def scene():
        connection = Connection(parser)
        connection.protocol.data_received(head(20_000))
        assert connection.charged[0] >= 20_000 - HEAD_PIECE
        await connection.settle()
        assert connection.transport.written.startswith(b"HTTP/1.1 200")
        assert connection.charged == (0, 0)
        await connection.receive(GET + b"\r\n")
        await connection.settle()
        assert connection.transport.written.count(b"HTTP/1.1 200") == 2

    asyncio.run(scene())


def test_a_parser_whose_buffer_has_grown_is_replaced(parser):
    async def scene():
        connection = Connection(parser)
        for sent, is_replaced in ((GET + b"\r\n", False), (head(20_000), True), (request("a"), False)):
            before = connection.protocol._parser
            await connection.receive(sent)
            await connection.settle()
            assert (connection.protocol._parser is not before) == is_replaced

    asyncio.run(scene())


class Pieces:
    """A parser that has read the head of a request, and notes the sizes of what follows."""

    is_complete = is_chunked = False

    def __init__(self, content_length):
        self.content_length = content_length
        self.fed = []

    def feed(self, data):
        self.fed.append(len(data))


def test_only_data_that_surely_belongs_to_the_body_is_parsed_in_large_pieces():
    pieces = Pieces(HEAD_PIECE + LARGE_PIECE + PIECE)
    bounded = BoundedParser(pieces, ByteBudget(ALL_HEADS), lambda: None)
    bounded.end_head()
    bounded.feed(bytes(LARGE_PIECE))
    bounded.feed(bytes(LARGE_PIECE))
    assert pieces.fed == [LARGE_PIECE, *[PIECE] * 4]


def test_a_head_that_does_not_end_in_time_is_408(parser, monkeypatch):
    monkeypatch.setattr(bounded_connection, "HEAD_SECONDS", 0.05)

    async def scene():
        connection = Connection(parser)
        await connection.receive(GET)
        while not connection.transport.closed:  # noqa: ASYNC110 - the transport has no event to wait for
            await asyncio.sleep(0.01)
        assert (connection.problem()["status"], connection.problem()["code"]) == (408, "request_timeout")

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_a_head_that_ends_in_time_has_no_deadline_left(parser):
    async def scene():
        connection = Connection(parser)
        await connection.receive(GET)
        assert connection.protocol._head_timer is not None
        connection.protocol.data_received(b"\r\n" + request("fast")[:50])
        assert connection.protocol._head_timer is None, "the next head waits behind a request"
        await connection.settle()
        assert connection.protocol._head_timer is not None
        await connection.receive(request("fast")[50:])
        assert connection.protocol._head_timer is None
        assert connection.responded == ["fast"]
        assert connection.charged == (0, 0)

    asyncio.run(scene())


def test_chunked_framing_is_charged_as_it_arrives(parser):
    """A chunk of one byte may have an extension of 8 KiB, and a body 64 trailers; the parser buffers them."""

    async def scene():
        connection = Connection(parser, heads=CHUNKED_BUFFER)
        first = connection.protocol
        await connection.receive(CHUNKED)
        assert connection.charged == (0, 0), "an idle client takes no room from others"
        await connection.receive(b"1;a=%b\r\nx\r\n" % (b"x" * 8000))
        await connection.receive(b"1;a=%b\r\n" % (b"x" * 8000))
        assert connection.charged[0] == CHUNKED_BUFFER
        connection.connect()
        await connection.receive(CHUNKED)
        await connection.receive(b"1\r\n")
        assert connection.problem()["code"] == "overloaded"
        assert connection.problem()["request_id"] == "mine"
        grown = first._parser
        first.data_received(b"x\r\n0\r\n\r\n")
        await connection.settle()
        assert connection.charged == (0, 0)
        assert first._parser is not grown

    asyncio.run(scene())


def test_waiting_requests_share_the_limit_of_heads(parser):
    async def scene():
        connection = Connection(parser, at_once=False, heads=200_000)
        first = connection.protocol
        first.pause_writing()
        await connection.receive(request("a") * 500)
        assert 0 < connection.charged[0] < 200_000
        connection.connect()
        connection.protocol.pause_writing()
        await connection.receive(request("b") * 1500)
        assert connection.transport.aborted
        assert not first.transport.closed

    asyncio.run(scene())


# --- bodies of the fast path


def test_a_short_body_for_which_there_is_no_room_is_left_to_the_application(parser):
    async def scene():
        connection = Connection(parser, bodies=10)
        for sent in (request("a", b"x" * 11), request("b", b"x" * 11)[:-1]):
            await connection.receive(sent)
            await connection.settle()
        await connection.receive(b"x" + request("c", b"x" * 10))
        await connection.settle()
        assert connection.begun == ["c"]
        assert connection.transport.written.count(b"HTTP/1.1 200") == 3
        assert connection.charged == (0, 0)

    asyncio.run(scene())


# --- invalid requests

IN_CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n"
NO_REQUESTS = {
    "no request line": (b"hello\r\n\r\n", 400, "invalid_request"),
    "a version that is none": (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400, "invalid_request"),
    "a header that is none": (GET + b"no header\r\n\r\n", 400, "invalid_request"),
    "two hosts": (GET + b"Host: other\r\n\r\n", 400, "invalid_request"),
    "no host": (b"GET /x HTTP/1.1\r\n\r\n", 400, "invalid_request"),
    "no host, fast path": (request("a").replace(b"Host: localhost\r\n", b""), 400, "invalid_request"),
    "two lengths": (GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "invalid_request"),
    # Two servers that read these differently disagree about where the next request begins.
    "a length and chunks": (GET + b"Content-Length: 1\r\n" + IN_CHUNKS, 400, "invalid_request"),
    "chunks and a length": (GET + IN_CHUNKS[:-2] + b"Content-Length: 1\r\n\r\n", 400, "invalid_request"),
    "chunked twice": (GET + IN_CHUNKS[:-2] + IN_CHUNKS, 400, "invalid_request"),
    "chunked in HTTP/1.0": (GET.replace(b"HTTP/1.1", b"HTTP/1.0") + IN_CHUNKS, 400, "invalid_request"),
    "a signed length": (GET + b"Content-Length: +1\r\n\r\nx", 400, "invalid_request"),
    "a length with an underscore": (GET + b"Content-Length: 1_0\r\n\r\n" + b"x" * 10, 400, "invalid_request"),
    "a list of lengths": (GET + b"Content-Length: 1, 1\r\n\r\nx", 400, "invalid_request"),
    "a space before the colon": (GET + b"Content-Length : 1\r\n\r\nx", 400, "invalid_request"),
    "a folded header": (GET + b"A: b\r\n c\r\n\r\n", 400, "invalid_request"),
    "a folded length": (GET + b"Content-Length:\r\n 1\r\n\r\nx", 400, "invalid_request"),
    "a bare line feed": (b"GET /x HTTP/1.1\nHost: localhost\n\n", 400, "invalid_request"),
    "a bare carriage return": (GET + b"A: b\rContent-Length: 1\r\n\r\n", 400, "invalid_request"),
    "a null in a header": (GET + b"A: b\x00c\r\n\r\n", 400, "invalid_request"),
    "a method in lower case": (b"get /x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "invalid_request"),
    "a chunk in another notation": (CHUNKED + b"0x1\r\nx\r\n", 400, "invalid_request"),
    "a signed chunk": (CHUNKED + b"+1\r\nx\r\n", 400, "invalid_request"),
    "a chunk longer than it says": (CHUNKED + b"1\r\nxy\r\n", 400, "invalid_request"),
    "a chunk that is none": (CHUNKED + b"zz\r\n", 400, "invalid_request"),
    "a long line": (b"GET /%b HTTP/1.1\r\n" % (b"x" * 9000), 414, "request_line_too_long"),
    "a long header": (GET + b"A: %b\r\n\r\n" % (b"x" * 9000), 431, "head_too_large"),
    "many headers": (GET + b"A: b\r\n" * 65 + b"\r\n", 431, "head_too_large"),
    "many trailers": (CHUNKED + b"0\r\n" + b"A: b\r\n" * 65 + b"\r\n", 431, "head_too_large"),
}


@pytest.mark.parametrize(("sent", "status", "code"), NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_an_invalid_request_gets_a_problem(parser, sent, status, code):
    async def scene():
        connection = Connection(parser)
        await connection.receive(sent)
        await connection.settle()
        document = connection.problem()
        assert (document["status"], document["code"]) == (status, code)
        assert set(document) == {"type", "title", "status", "detail", "code", "request_id"}
        assert (document["request_id"] == "mine") == sent.startswith(CHUNKED)

    asyncio.run(scene())


def test_an_unknown_coding_is_refused(parser):
    async def scene():
        connection = Connection(parser)
        await connection.receive(GET + b"Transfer-Encoding: x\r\n\r\n")
        expected = (501, "not_implemented") if parser == "python" else (400, "invalid_request")
        assert (connection.problem()["status"], connection.problem()["code"]) == expected

    asyncio.run(scene())


def test_http_1_0_needs_no_host(parser):
    async def scene():
        connection = Connection(parser)
        await connection.receive(b"GET /x HTTP/1.0\r\n\r\n")
        await connection.settle()
        assert connection.transport.written.startswith(b"HTTP/1.0 200")

    asyncio.run(scene())


def test_an_application_that_fails_is_a_problem_too(parser):
    async def fails(*_):
        raise ValueError("a defect")

    async def scene():
        connection = Connection(parser, app=fails)
        await connection.receive(GET + b"X-Request-ID: mine\r\n\r\n")
        await connection.settle()
        document = connection.problem()
        assert (document["status"], document["code"]) == (500, "internal")
        assert document["request_id"] == "mine"

    asyncio.run(scene())


def test_no_one_gets_a_websocket(parser):
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"

    async def scene():
        connection = Connection(parser)
        await connection.receive(GET + upgrade % b"AAAAAAAAAAAAAAAAAAAAAA==")
        await connection.settle()
        assert connection.transport.written.startswith(b"HTTP/1.1 200")

    asyncio.run(scene())


# --- clients that do not read


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(write_watch, "WRITE_SECONDS", 0.2)
    monkeypatch.setattr(write_watch, "CHECK_SECONDS", 0.02)


@pytest.mark.parametrize("read", [0, 1])
def test_only_a_client_that_reads_nothing_is_ended(impatient, read):
    """Reading one byte counts as progress."""

    async def scene():
        transport = SimpleNamespace(unread=1000, aborted=False)
        transport.get_write_buffer_size = lambda: transport.unread
        transport.abort = lambda: setattr(transport, "aborted", True)
        watch = WriteWatch(asyncio.get_running_loop(), transport)
        watch.start()
        for _ in range(50):
            await asyncio.sleep(0.02)
            transport.unread -= read
        watch.stop()
        return transport.aborted

    assert asyncio.run(scene()) == (read == 0)


def test_the_timer_ends_with_the_buffer(impatient):
    async def scene():
        transport = SimpleNamespace(unread=0)
        transport.get_write_buffer_size = lambda: transport.unread
        watch = WriteWatch(asyncio.get_running_loop(), transport)
        watch.start()
        assert watch._timer is None
        transport.unread = 10
        watch.start()
        assert watch._timer is not None
        transport.unread = 0
        while watch._timer is not None:  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(scene(), 60))


LARGE = bytes(2**20)


async def in_blocks(_scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(64):
        await send({"type": "http.response.body", "body": LARGE, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def at_once(_scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": LARGE * 16})


UNREAD = {
    "many responses of the fast path": (in_blocks, request("a") * 60_000),
    "blocks": (in_blocks, GET + b"\r\n"),
    "whole": (at_once, GET + b"\r\n"),
    "whole, and closed": (at_once, GET + b"Connection: close\r\n\r\n"),
}


@pytest.mark.parametrize(("app", "sent"), UNREAD.values(), ids=UNREAD)
def test_each_kind_of_response_that_no_one_reads_is_ended(impatient, app, sent):
    """On real sockets, with the event loop of the product."""

    async def scene():
        loop = asyncio.get_running_loop()
        worker = Connection("auto", app=app).worker
        server = await loop.create_server(lambda: FastPathProtocol(worker), "127.0.0.1", 0)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await loop.sock_connect(client, server.sockets[0].getsockname())
            sending = asyncio.create_task(loop.sock_sendall(client, sent))
            while worker.nr_conns < 2:  # noqa: ASYNC110 - the worker has no event to wait for
                await asyncio.sleep(0.01)
            while worker.nr_conns == 2:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
            sending.cancel()
        server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(scene(), 60))


def test_the_limits_that_are_documented_are_those_in_the_code():
    page = (settings.BASE_DIR / "docs" / "operations.md").read_text()
    section = page.partition("## Connection limits")[2].partition("\n## ")[0]
    assert f"{MAX_HEAD // 1024} KiB, {gunicorn.limit_request_fields} headers of 8,190 bytes" in section
    assert f"from its first byte | {bounded_connection.HEAD_SECONDS:.0f} seconds" in section
    assert (
        f"larger than {HEAD_PIECE // 1024} KiB, chunked framing (up to {CHUNKED_BUFFER // 1024} KiB each, as it arrives)"
        in section
    )
    assert f"| {ALL_HEADS // 1024**2} MiB |" in section
    assert f"{AuthView.max_body_bytes // 1024} KiB under `/auth/`" in section
    assert f"time for a body | {bridge.BODY_SECONDS:.0f} seconds" in section
    assert f"| {bridge.ALL_BODIES} · `CC_MAX_BODY_BYTES` |" in section
    assert f"{bridge.WAITING_PER_THREAD} for each of" in section
    until = write_watch.WRITE_SECONDS + write_watch.CHECK_SECONDS
    assert f"{write_watch.WRITE_SECONDS:.0f} to {until:.0f} seconds without progress" in section
    assert gunicorn.limit_request_line == gunicorn.limit_request_field_size == 8190


# --- status lines


def test_each_status_has_its_phrase():
    line = bounded_connection.protocol._get_cached_status_line((1, 1), 412)
    assert line == b"HTTP/1.1 412 Precondition Failed\r\n"
