"""The streaming interface: when parts of a response are sent, and what remains of an unfinished stream."""

import asyncio
import json
import time
import uuid

import pytest
from django.conf import settings

from crypto_ops.streaming import endpoint as stream_endpoint
from crypto_ops.streaming import exchange as stream_exchange
from crypto_ops.streaming.services import spool, streams
from crypto_ops.streaming.services.streams import Decryption, Encryption
from kernel.crypto.errors import DecryptionFailed
from kernel.crypto.sealing.stream import sealed_size
from kernel.http import asgi_bodies
from tests.crypto_ops.stream_client import DECRYPT, carry, path
from tests.log_entries import log_rows

BLOCK = bytes(n % 251 for n in range(100_000))
BLOCKS = [BLOCK] * 10


@pytest.fixture
def token(bench):
    return bench.persona.api.token


def code(carried):
    assert carried.is_complete
    assert carried.headers["content-type"] == "application/problem+json", carried.content
    return carried.status, json.loads(carried.content)["code"]


def recorded(action):
    return list(
        log_rows().filter(action=f"crypto.stream.{action}").order_by("id").values_list("outcome", "code")
    )


def opens(principal, octets):
    with Decryption(principal) as stream:
        stream.write(octets)
        return b"".join(stream.finish())


def seal(bench, key, plaintext):
    with Encryption(bench.persona.principal, key_id=uuid.UUID(key["id"])) as stream:
        return stream.write(plaintext) + b"".join(stream.finish())


def in_blocks(octets, size=50_000):
    return [octets[at : at + size] for at in range(0, len(octets), size)]


# --- when data is sent


def test_a_response_begins_while_its_request_arrives(bench, key, token):
    sealed = carry(path(key), BLOCKS, token=token)
    assert sealed.is_complete
    assert sealed.responded_after < len(BLOCKS)
    assert sealed.headers["content-length"] == str(len(sealed.content)) == str(sealed_size(1_000_000))
    assert opens(bench.persona.principal, sealed.content) == BLOCK * 10


def test_without_a_length_of_the_request_there_is_none_of_the_response(bench, key, token):
    sealed = carry(path(key), BLOCKS, token=token, length=False)
    assert "content-length" not in sealed.headers
    assert opens(bench.persona.principal, sealed.content) == BLOCK * 10


def test_nothing_decrypted_leaves_before_the_stream_is_there_and_verified(bench, key, token):
    octets = seal(bench, key, BLOCK * 10)
    blocks = in_blocks(octets)
    opened = carry(DECRYPT, blocks, token=token)
    assert opened.responded_after == len(blocks)
    assert opened.content == BLOCK * 10
    altered = [*blocks[:-1], blocks[-1][:-1] + bytes([blocks[-1][-1] ^ 1])]
    assert code(carry(DECRYPT, altered, token=token)) == (400, "decryption_failed")


def test_the_record_is_there_before_the_last_chunk(bench, key, token):
    seen = []

    def look(number):
        if number == len(BLOCKS) - 1:
            seen.extend(recorded("encrypted"))

    carry(path(key), BLOCKS, token=token, between=look)
    assert seen == []
    assert recorded("encrypted") == [("ok", "")]


def test_behind_a_proxy_the_response_begins_when_the_request_is_complete(bench, key, token, monkeypatch):
    monkeypatch.setattr(settings, "CC_TRUSTED_PROXIES", 1)
    for blocks in (BLOCKS, [BLOCK] * 30):
        sealed = carry(path(key), blocks, token=token, length=False)
        assert sealed.responded_after == len(blocks)
        assert sealed.headers["content-length"] == str(len(sealed.content))
        assert opens(bench.persona.principal, sealed.content) == b"".join(blocks)


def test_a_client_that_sends_first_and_reads_then_is_served(bench, key, token, monkeypatch):
    monkeypatch.setattr(stream_exchange, "STALL_SECONDS", 0.05)
    sealed = carry(path(key), [BLOCK] * 30, token=token, reads_late=True)
    assert sealed.is_complete
    assert opens(bench.persona.principal, sealed.content) == BLOCK * 30


# --- unfinished streams


def test_a_request_that_is_cut_leaves_nothing_that_opens(bench, key, token):
    sealed = carry(path(key), BLOCKS, token=token, cut=True)
    assert sealed.status == 200
    assert not sealed.is_complete
    with pytest.raises(DecryptionFailed):
        opens(bench.persona.principal, sealed.content)
    assert recorded("encrypted") == [("error", "stream_cut")]


def test_a_cut_decryption_shows_nothing(bench, key, token):
    octets = seal(bench, key, BLOCK * 10)
    assert not carry(DECRYPT, in_blocks(octets), token=token, cut=True).content
    assert recorded("decrypted") == [("error", "stream_cut")]
    assert not streams._running.current._counts
    assert list((settings.CC_HOME / "spool").iterdir()) == []


@pytest.mark.parametrize(
    ("verb", "expected"), [("disable", "key_not_active"), ("rotate", "version_conflict")]
)
def test_a_change_in_between_takes_the_end_away(bench, key, token, verb, expected):
    def change(number):
        if number == len(BLOCKS) - 1:
            bench.change_key(key["id"], verb)

    sealed = carry(path(key), BLOCKS, token=token, between=change)
    assert sealed.status == 200
    assert not sealed.is_complete
    assert recorded("encrypted") == [("denied", expected)]
    if verb == "rotate":
        with pytest.raises(DecryptionFailed):
            opens(bench.persona.principal, sealed.content)


def test_a_change_is_noticed_before_the_end(bench, key, token, monkeypatch):
    monkeypatch.setattr(stream_endpoint, "CHECK_SECONDS", 0.0)

    def change(number):
        if number == 5:
            bench.change_key(key["id"], "disable")

    sealed = carry(path(key), BLOCKS, token=token, between=change)
    assert not sealed.is_complete
    assert sealed.server.given == 6


def test_a_user_who_signs_out_ends_their_streams(bench, key, token):
    def sign_out(number):
        if number == 9:
            bench.persona.api.post("/auth/logout", {"refresh_token": bench.persona.refresh_token})

    sealed = carry(path(key), BLOCKS, token=token, between=sign_out)
    assert not sealed.is_complete
    assert recorded("encrypted") == [("denied", "authentication_failed")]


def test_a_refusal_of_what_has_not_begun_is_a_problem_document(bench, key, token):
    def change(number):
        if number == 1:
            bench.change_key(key["id"], "disable")

    refused = carry(path(key), [b"x", b"y"], token=token, between=change, headers={"x-request-id": "late"})
    assert code(refused) == (409, "key_not_active")
    assert refused.headers["x-request-id"] == json.loads(refused.content)["request_id"] == "late"
    assert refused.headers["cache-control"] == "no-store"
    assert refused.headers["content-length"] == str(len(refused.content))


# --- limits


def test_a_body_beyond_the_limit_is_refused(key, token, monkeypatch):
    monkeypatch.setattr(settings, "CC_MAX_STREAM_BYTES", 150_000)
    declared = carry(path(key), BLOCKS, token=token)
    assert code(declared) == (413, "request_too_large")
    assert declared.responded_after == 0
    assert code(carry(path(key), BLOCKS, token=token, length=False)) == (413, "request_too_large")
    assert recorded("encrypted") == [("error", "request_too_large")]  # the second is counted with the first
    monkeypatch.setattr(settings, "CC_MAX_STREAM_BYTES", 700_000)
    assert not carry(path(key), BLOCKS, token=token, length=False).is_complete


def test_a_refused_request_is_read_on_so_that_its_response_can_be_read(key):
    refused = carry(path(key), BLOCKS)
    assert code(refused) == (401, "authentication_failed")
    assert refused.headers["connection"] == "close"
    assert refused.server.given == len(BLOCKS)


def test_an_idle_request_is_ended(key, token, monkeypatch):
    monkeypatch.setattr(stream_exchange, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(asgi_bodies, "LINGER_SECONDS", 0.1)

    def dawdle(number):
        if number == 1:
            time.sleep(1)

    assert code(carry(path(key), [b"x", b"y"], token=token, between=dawdle)) == (408, "request_timeout")
    assert recorded("encrypted") == [("error", "request_timeout")]


def test_a_request_that_drips_is_ended(key, token, monkeypatch):
    monkeypatch.setattr(stream_exchange, "IDLE_SECONDS", 0.5)
    monkeypatch.setattr(asgi_bodies, "LINGER_SECONDS", 0.1)
    dripping = carry(path(key), [b"x"] * 100, token=token, between=lambda _: time.sleep(0.02))
    assert code(dripping) == (408, "request_timeout")


def test_a_slow_request_that_goes_on_is_not_ended():
    """Every 64 KiB of progress extends the deadline; less does not."""

    sizes = (stream_exchange.PROGRESS - 1, 1)

    async def nothing(*_):
        pass

    async def ends_at(move):
        exchange = stream_exchange.Exchange(None, {"headers": []}, coming(sizes), nothing)
        outlet = stream_exchange.Outlet(exchange, None)
        outlet.has_begun = outlet._is_released = True
        async with exchange.idle_timeout() as idle_timeout:
            deadlines = [idle_timeout.when()]
            for size in sizes:
                await asyncio.sleep(0.01)
                await move(exchange, outlet, size)
                deadlines.append(idle_timeout.when())
        return deadlines

    for move in (
        lambda exchange, _, __: exchange.next_block(2 * stream_exchange.PROGRESS),
        lambda _, outlet, size: outlet.write(bytes(size)),
    ):
        begun, with_less, with_all = asyncio.run(ends_at(move))
        assert begun == with_less < with_all


def coming(sizes):
    parts = iter(sizes)

    async def receive():
        return {"type": "http.request", "body": bytes(next(parts)), "more_body": True}

    return receive


def test_more_streams_than_there_are_places_are_refused_unseen(key, token, monkeypatch):
    monkeypatch.setattr(stream_endpoint, "MAX_STREAMS", 0)
    refused = carry(path(key), [b"x"], token=token, headers={"x-request-id": "unseen"})
    assert code(refused) == (503, "overloaded")
    assert refused.headers["retry-after"]
    assert refused.headers["x-request-id"] == "unseen"


def test_one_principal_does_not_take_all_places(key, token, monkeypatch):
    monkeypatch.setattr(streams, "MAX_OF_ONE", 0)
    refused = carry(path(key), [b"x"], token=token)
    assert code(refused) == (429, "throttled")
    assert refused.headers["retry-after"]


def test_a_full_disk_does_not_begin_a_response(bench, key, token, monkeypatch):
    octets = seal(bench, key, bytes(2 * spool.IN_MEMORY))
    monkeypatch.setattr(spool, "RESERVE", 2**60)
    assert code(carry(DECRYPT, in_blocks(octets), token=token)) == (503, "spool_not_written")


def test_every_way_to_end_gives_the_place_back(key, token):
    for headers in ({}, {"x-aad": "no"}, {"content-type": "text/plain"}):
        for cut in (False, True):
            carry(path(key), [b"x"], token=token, cut=cut, headers=headers)
            carry(DECRYPT, [b"x"], token=token, cut=cut, headers=headers)
    assert not streams._running.current._counts


def test_the_sizes_that_are_documented_are_those_in_the_code():
    page = (settings.BASE_DIR / "docs" / "api.md").read_text()
    section = page.partition("### `POST /api/v1/stream/encrypt`")[2].partition("### `POST /api/v1/inspect`")[
        0
    ]
    assert f"without progress for {stream_exchange.IDLE_SECONDS:.0f} seconds" in section
    assert f"at least {stream_exchange.PROGRESS // 1024} KiB" in section
    assert f"at most {streams.MAX_OF_ONE} streams at once" in section
    assert f"all together {stream_endpoint.MAX_STREAMS}" in section
    assert f"up to {spool.IN_MEMORY // 1024**2} MiB in memory" in section
    assert f"up to {streams.DELAYED_BYTES // 1024} KiB" in section
