"""A request whose head repeats that of the last request on the fast path of its connection is not parsed again."""

import asyncio

import pytest

from ciphercanary.server.connections.byte_budget import Charge
from kernel.errors import Conflict
from kernel.http import fast_path
from tests.server.connection import Connection, request

BODY = b'{"a": 1}'


class Known(Connection):
    """Every caller is known, and requests begin at once: ``begun`` lists their bodies, ``waiting`` the connections."""

    def __init__(self, parser, **options):
        super().__init__(parser, **options)
        self.waiting, self.parsed, self.accepts, self.failures = [], 0, True, []

    def find_caller(self, _request):
        self.parsed += 1
        return "caller"

    def begin(self, caller, request_id, body, exchange):
        assert caller == "caller"
        if self.accepts:
            self.begun.append(body)
            self.waiting.append((request_id, exchange))
        return self.accepts

    async def __call__(self, request, body, failure=None):
        self.failures.append(failure)
        return fast_path.response(body, request.request_id)

    def respond_to_all(self):
        waiting, self.waiting = self.waiting, []
        for request_id, exchange in waiting:
            exchange.respond(fast_path.head_of(2, request_id, b""), b"{}")

    async def sends(self, *pieces):
        for piece in pieces:
            await self.receive(piece)
        self.respond_to_all()


def play(scene, parser, **options):
    async def run():
        connection = Known(parser, **options)
        await connection.sends(request("a", BODY))
        assert (connection.parsed, connection.begun) == (1, [BODY])
        await scene(connection)

    asyncio.run(run())


@pytest.mark.parametrize("cut", [None, 20, len(request("a", b"")), len(request("a", b"")) + 3])
def test_only_the_body_of_a_repeated_head_is_read(parser, cut):
    """The pieces of a head are parsed; the pieces of a body are not."""
    other = request("a", BODY[::-1])

    async def scene(connection):
        await connection.sends(*([other] if cut is None else [other[:cut], other[cut:]]))
        assert connection.begun == [BODY, BODY[::-1]]
        assert connection.parsed == (2 if cut == 20 else 1)
        assert connection.responded == ["a", "a"]
        assert connection.charged == (0, 0)

    play(scene, parser)


@pytest.mark.parametrize(
    "other",
    [
        request("a", b'{"a": 10}'),
        request("b", BODY),
        request("a", BODY).replace(b"Bearer x", b"Bearer y"),
        request("a", BODY) + request("c", BODY),
    ],
)
def test_any_other_data_is_parsed(parser, other):
    async def scene(connection):
        await connection.sends(other)
        await connection.settle()
        connection.respond_to_all()
        await connection.settle()
        assert connection.parsed > 1
        assert connection.responded[1] == ("b" if b": b" in other else "a")

    play(scene, parser)


def test_a_request_that_cannot_begin_at_once_is_parsed(parser):
    async def scene(connection):
        connection.accepts = False
        await connection.sends(request("a", BODY))
        assert (connection.parsed, connection.failures) == (2, [None])
        assert connection.responded == ["a", "a"]
        assert connection.charged == (0, 0)

    play(scene, parser)


def test_a_decision_that_fails_starts_over_with_the_reason(parser):
    error = Conflict("changed")

    async def scene(connection):
        for is_known in (True, False):  # the second head is parsed, because the first decision failed
            await connection.receive(request("a", BODY))
            assert connection.parsed == 1 + (not is_known)
            connection.waiting.pop()[1].retry(error)
        assert connection.failures == [error, error]
        assert connection.responded == ["a", "a", "a"]
        assert connection.charged == (0, 0)

    play(scene, parser)


def test_following_requests_wait_within_the_limit_and_reading_stops(parser):
    async def scene(connection):
        await connection.receive(request("a", BODY))
        await connection.receive(request("b", BODY))
        assert not connection.transport.reads
        assert connection.charged[0] > 0
        connection.respond_to_all()
        await connection.settle()
        connection.respond_to_all()
        assert connection.responded == ["a", "a", "b"]
        assert connection.transport.reads
        assert connection.charged == (0, 0)
        await connection.receive(request("a", BODY))
        assert Charge(connection.worker.heads).grow(2**20)
        await connection.receive(request("c", BODY))
        assert connection.transport.aborted

    play(scene, parser)


def test_a_late_body_is_left_to_the_application(parser, monkeypatch):
    for module in ("known_head", "fast_path_connection"):
        monkeypatch.setattr(f"ciphercanary.server.connections.{module}.BODY_SECONDS", 0.001)

    async def scene(connection):
        await connection.receive(request("a", BODY)[:-3])
        await asyncio.sleep(0.002)  # on a fast machine, settling takes less than a millisecond
        await connection.settle()
        assert connection.parsed == 1
        await connection.receive(BODY[-3:])
        await connection.settle()
        assert connection.transport.written.count(b"HTTP/1.1 200") == 2
        assert connection.charged == (0, 0)

    play(scene, parser)


@pytest.mark.parametrize("ends", ["respond", "retry"])
def test_a_client_that_left_gets_no_response_and_leaves_no_charge(parser, ends):
    async def scene(connection):
        await connection.receive(request("a", BODY))
        await connection.receive(request("b", BODY))
        connection.protocol.connection_lost(None)
        [(_, exchange)] = connection.waiting
        assert not exchange.is_open
        exchange.respond(b"", b"") if ends == "respond" else exchange.retry(None)
        assert connection.responded == ["a"]
        assert connection.charged == (0, 0)

    play(scene, parser)


def test_a_client_that_does_not_read_is_waited_for(parser):
    async def scene(connection):
        connection.protocol.pause_writing()
        await connection.sends(request("a", BODY))
        await connection.receive(request("a", BODY))
        assert len(connection.begun) == 2
        connection.protocol.resume_writing()
        await connection.settle()
        connection.respond_to_all()
        assert len(connection.begun) == 3
        assert connection.responded == ["a"] * 3

    play(scene, parser)
