"""An error from the server means that nothing was stored; if a session ends silently, that is unknown."""

import asyncio
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest
from django.db import connection

from audit.commit.loop_connection import ConnectionLost, LoopConnection, StatementFailed

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="on SQLite the thread writes"),
]

ONE = (b"SELECT 1", ())
END_YOURSELF = (b"SELECT pg_terminate_backend(pg_backend_pid())", ())
LARGE = 16 * 2**20  # bytes: several times the buffers of a loopback socket


def error(state, text):
    """The server's message that ends a session, as bytes on the wire."""
    fields = b"SFATAL\0VFATAL\0C" + state + b"\0M" + text + b"\0\0"
    return b"E" + (4 + len(fields)).to_bytes(4) + fields


# The message of a pooler to its client when it loses the server.
GONE = error(b"08P01", b"server conn crashed?")
ENDING = error(b"57P01", b"terminating connection due to administrator command")


class Relay:
    """A relay between a session and the server. ``holds`` names what it holds back: "requests" or "responses"."""

    def __init__(self):
        self.holds = set()
        self.moved = asyncio.Event()
        self.tasks = []
        self._clients = []

    async def serve(self, reader, writer):
        self.tasks.append(asyncio.current_task())
        self._clients.append(writer)
        params = connection.get_connection_params()
        responses, requests = await asyncio.open_connection(params["host"], params["port"])
        await asyncio.gather(
            self.pass_on("requests", reader, requests), self.pass_on("responses", responses, writer)
        )

    async def pass_on(self, what, source, target):
        try:
            while octets := await source.read(1 << 16):
                while what in self.holds:
                    self.moved.clear()
                    await self.moved.wait()
                target.write(octets)
                await target.drain()
        except ConnectionError:
            pass
        target.close()
        with suppress(ConnectionError):
            await target.wait_closed()

    def release(self):
        self.holds.clear()
        self.moved.set()

    def send(self, words):
        for client in self._clients:
            client.write(words)

    def end(self):
        for client in self._clients:
            client.close()


@asynccontextmanager
async def session_through_a_relay():
    relay = Relay()
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    detour = {"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1]}
    session = await LoopConnection.connect({**connection.get_connection_params(), **detour})
    try:
        yield session, relay
    finally:
        session.close()
        relay.release()
        server.close()
        await asyncio.gather(*relay.tasks)


def play(scene):
    async def bounded():
        async with asyncio.timeout(20), session_through_a_relay() as (session, relay):
            return await scene(session, relay)

    return asyncio.run(bounded())


def values(results):
    return [result.get_value(0, 0) for result in results if result.ntuples]


def test_a_server_that_ends_the_session_before_the_last_statement_has_stored_nothing():
    async def scene(session, _relay):
        with pytest.raises(StatementFailed, match="terminating connection"):
            await session.run((b"BEGIN", ()), END_YOURSELF, (b"COMMIT", ()))
        return session.is_broken

    assert play(scene), "the next message goes to a new session"


def test_a_server_that_ends_the_session_in_a_statement_has_committed_nothing():
    async def scene(session, _relay):
        with pytest.raises(StatementFailed):
            await session.run(ONE, END_YOURSELF)
        with pytest.raises(ConnectionLost):
            await session.run(ONE)

    play(scene)


def test_a_session_that_the_server_ends_while_it_rests_is_broken_before_anything_is_sent():
    async def scene(session, _relay):
        [pid] = values(await session.run((b"SELECT pg_backend_pid()", ())))
        await asyncio.to_thread(end_session, int(pid))
        while not session.is_broken:  # noqa: ASYNC110 - no query is sent; the session must notice by itself
            await asyncio.sleep(0.01)
        with pytest.raises(ConnectionLost):
            await session.run(ONE)

    play(scene)


def end_session(pid):
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as another:
        another.execute("SELECT pg_terminate_backend(%s)", [pid])


def test_an_unrequested_message_of_the_server_breaks_the_session():
    async def scene(session, relay):
        await session.run(ONE)
        relay.send(ENDING)
        await asyncio.sleep(0.1)
        return session.is_broken

    assert play(scene)


@pytest.mark.parametrize("last_words", [b"", GONE], ids=["silence", "08P01"])
def test_a_lost_connection_raises_connection_lost_with_any_forged_last_message(last_words):
    async def scene(session, relay):
        await session.run((b"BEGIN", ()), ONE, (b"COMMIT", ()))  # prepared by now, as the writer's are
        relay.holds = {"responses"}
        sent = asyncio.create_task(session.run((b"BEGIN", ()), ONE, (b"COMMIT", ())))
        await asyncio.sleep(0.1)
        relay.send(last_words)
        relay.end()
        with pytest.raises(ConnectionLost):
            await sent
        return session.is_broken

    assert play(scene)


def test_a_message_larger_than_the_buffers_waits_for_room_and_holds_up_no_one():
    async def scene(session, relay):
        relay.holds = {"requests"}
        text = b"x" * LARGE
        sent = asyncio.create_task(session.run((b"SELECT length($1::text)", [text]), ONE))
        done, _ = await asyncio.wait([sent], timeout=0.3)  # the loop continues meanwhile
        assert not done
        relay.release()
        return values(await sent) + values(await session.run(ONE))

    assert play(scene) == [b"%d" % LARGE, b"1", b"1"]


def test_a_response_larger_than_the_buffers_arrives_whole():
    async def scene(session, relay):
        relay.holds = {"responses"}
        asked = asyncio.create_task(session.run((b"SELECT repeat('x', $1::int)", [b"%d" % LARGE]), ONE))
        done, _ = await asyncio.wait([asked], timeout=0.3)
        assert not done
        relay.release()
        return [len(value) for value in values(await asked)]

    assert play(scene) == [LARGE, 1]
