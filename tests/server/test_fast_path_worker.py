"""The fast path in gunicorn's parser, with its real parsers and a transport that the test controls."""

import asyncio
import gc
import weakref

import pytest

from ciphercanary.server.connections.bridge import DECLINED
from tests.server.connection import Connection, request


@pytest.mark.parametrize("at_once", [True, False])
def test_data_that_arrives_without_a_reader_starts_no_request_twice(parser, at_once):
    async def scene():
        connection = Connection(parser, at_once=at_once)
        connection.protocol.pause_writing()
        await connection.receive(request("a"))
        for byte in request("b")[:6]:
            await connection.receive(bytes([byte]))
        await connection.receive(request("b")[6:] + request("c"))
        assert (connection.begun, connection.responded) == (["a"], ["a"])
        assert not connection.transport.reads
        connection.protocol.resume_writing()
        await connection.settle()
        assert connection.begun == connection.responded == ["a", "b", "c"]
        assert connection.transport.reads

    asyncio.run(scene())


@pytest.mark.parametrize("at_once", [True, False])
def test_thousands_behind_each_other_do_not_nest(parser, at_once):
    names = [f"n{number}" for number in range(3000)]

    async def scene():
        connection = Connection(parser, at_once=at_once)
        blob = b"".join(map(request, names))
        for begin in range(0, len(blob), 250_000):
            await connection.receive(blob[begin : begin + 250_000])
            while not connection.transport.reads:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.001)
        await connection.settle()
        assert connection.responded == names

    asyncio.run(scene())


def test_reading_pauses_while_a_request_waits(parser):
    async def scene():
        connection = Connection(parser, at_once=False)
        connection.protocol.data_received(request("a") + request("b")[:30])
        assert not connection.transport.reads
        await connection.settle()
        assert connection.transport.reads, "the rest of b has to come"
        await connection.receive(request("b")[30:])
        await connection.settle()
        assert connection.responded == ["a", "b"]

    asyncio.run(scene())


def test_the_c_parser_is_used_where_it_is_installed():
    h1c = pytest.importorskip("gunicorn_h1c")

    async def scene():
        assert isinstance(Connection("auto", at_once=True).protocol._parser, h1c.H1CProtocol)

    asyncio.run(scene())


def test_a_body_behind_its_head_is_waited_for(parser):
    async def scene():
        connection = Connection(parser, at_once=True)
        whole = request("a", b'{"data": "QQ=="}')
        await connection.receive(whole[:-10])
        assert connection.begun == []
        await connection.receive(whole[-10:])
        assert connection.responded == ["a"]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("size", "is_whole", "begins"),
    [
        (64 * 1024, True, True),
        (64 * 1024 + 1, True, False),
        (16 * 1024, False, True),
        (16 * 1024 + 1, False, False),
    ],
)
def test_the_fast_path_takes_bodies_of_64_kib_and_waits_for_16(parser, size, is_whole, begins):
    async def scene():
        connection = Connection(parser, at_once=True, bodies=1 << 20)
        whole = request("a", b"x" * size)
        head = whole if is_whole else whole[:-1]
        await connection.receive(head)
        await connection.receive(whole[len(head) :])
        await connection.settle()
        assert connection.begun == (["a"] if begins else [])
        assert connection.transport.written.count(b"HTTP/1.1 200") == 1

    asyncio.run(scene())


def test_the_fast_path_gets_no_request_again_that_it_has_declined(parser):
    """The second time would cost a decision for nothing, and charge for it."""

    class Declined(Connection):
        async def __call__(self, request, _body, _failure=None):
            self.begun.append(request.request_id)

    async def scene():
        connection, scopes = Declined(parser, at_once=True), []

        async def application(scope, receive, send):
            scopes.append(scope)
            await receive()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

        connection.protocol.app = application
        await connection.receive(request("a"))
        await connection.settle()
        await connection.receive(request("b").replace(b"/encrypt", b"/other"))
        await connection.settle()
        assert connection.begun == ["a"]
        assert [scope[DECLINED] for scope in scopes] == [True, False]

    asyncio.run(scene())


def a_request_of_django(*headers):
    return b"\r\n".join([b"GET /livez HTTP/1.1", b"Host: localhost", *headers, b"", b""])


async def after_a_response(connection):
    await connection.receive(request("a"))
    assert connection.responded == ["a"]


async def within_a_head(connection):
    await connection.receive(request("a")[:40])


async def while_it_is_decided(connection):
    connection.at_once = False
    connection.protocol.data_received(request("a"))


async def before_the_response_is_read(connection):
    connection.protocol.pause_writing()
    await connection.receive(request("a"))


async def after_the_last_response(connection):
    await connection.receive(a_request_of_django(b"Connection: close"))


async def within_a_body(connection):
    await connection.receive(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")


WAYS_OUT = [
    after_a_response,
    within_a_head,
    while_it_is_decided,
    before_the_response_is_read,
    after_the_last_response,
    within_a_body,
]


@pytest.mark.parametrize("begins", WAYS_OUT, ids=lambda way: way.__name__)
def test_a_lost_connection_is_gone_without_a_look_for_garbage(parser, begins):
    async def scene():
        connection = Connection(parser, at_once=True)
        connection.protocol.cfg.set("asgi_disconnect_grace_period", 0)
        await begins(connection)
        left = weakref.ref(connection.protocol)
        connection.protocol.connection_lost(None)
        assert connection.protocol.worker.nr_conns == 0
        del connection.protocol
        for _ in range(100):
            await asyncio.sleep(0.001)
        return left()

    gc.disable()
    try:
        assert asyncio.run(scene()) is None
    finally:
        gc.enable()
