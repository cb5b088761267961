"""The fast path in one event loop, without a server: which requests it handles, and which it passes on."""

import asyncio
import gc
import json
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection

from accounts.principals import Principal
from accounts.second_factors.services.totp import reset_totp
from audit.commit import loop_writer
from audit.log import refusals
from audit.usage.tokens import last_token_uses
from crypto_ops import actions
from crypto_ops.deciding.context import MAX_PERMITS, CachedDecisionContext, Permit
from crypto_ops.fast_path.routes import ROUTES
from kernel import runtime
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing.aead import Cipher
from kernel.http.fast_path import FastRequest
from kernel.throttle import budget_state
from keys.errors import KeyNotUsable
from keys.models import Key
from keys.ring import keyring, primitives
from tests.accounts.test_totp import enrol
from tests.audit.conftest import log_out_of_reach
from tests.crypto_ops.connections import FastPathConnection
from tests.factories import GrantFactory, PolicyFactory, TokenFactory
from tests.log_entries import log_rows
from tests.personas import ApiClient, b64
from tests.waiting import wait_until

DATA = b64(b"canary")


def ask(bench, *requests, token=None):
    """``(status, body)`` of each (operation, body), in sequence; None if the fast path passes the request on."""

    async def play():
        responses, connection = [], FastPathConnection()
        try:
            for operation, body in requests:
                sent = FastRequest(
                    token=token or bench.persona.api.token,
                    client_ip="192.0.2.1",
                    user_agent="t",
                    request_id="r",
                )
                route = ROUTES["POST", f"/api/v1/{operation}"]
                response = await connection.send(route, sent, json.dumps(body).encode())
                responses.append(response and (response.status, json.loads(response.body)))
            return responses
        finally:
            await loop_writer.close()

    return asyncio.run(play())


def sealing(key, **fields):
    return {"algorithm": "aes-256-gcm", "key_id": key["id"], "data": DATA, **fields}


def test_the_fast_path_loads_an_uncached_key_and_responds(bench):
    key = bench.key()
    [(status, sealed)] = ask(bench, ("encrypt", sealing(key, aad=b64(b"row"))))
    assert status == 200
    parts = {
        name: sealed[name] for name in ("encrypted_data", "iv", "tag", "key_id", "algorithm", "key_version")
    }
    whole = {"ciphertext": sealed["ciphertext"], "aad": b64(b"row")}
    opened = ask(bench, ("decrypt", whole), ("decrypt", {**parts, "aad": b64(b"row")}))
    assert [body["data"] for _, body in opened] == [DATA, DATA]


def test_both_paths_decide_with_the_address_and_record_its_network(bench, stranger, settings):
    settings.CC_AUDIT_ADDRESSES, settings.CC_AUDIT_USER_AGENTS = "network", "none"
    key, networks = bench.key(), ["192.0.2.1/32", "127.0.0.1/32"]
    GrantFactory(key=Key.objects.get(id=key["id"]), to=stranger.principal, networks=networks)
    created = TokenFactory(principal=stranger.principal, networks=networks)
    encrypt = ("encrypt", sealing(key))

    responses = ask(bench, encrypt, encrypt, token=created.text)  # the second one without a load
    assert [status for status, _ in responses] == [200, 200]
    assert origins_of(created.token) == ([("192.0.2.0", "")] * 2, "192.0.2.0")
    assert ApiClient(created.text).post("/api/v1/encrypt", encrypt[1]).status == 200
    assert origins_of(created.token) == ([("192.0.2.0", "")] * 2 + [("127.0.0.0", "")], "127.0.0.0")


def origins_of(token):
    """Address and user agent of each entry with the token, and the address of its last use."""
    entries = log_rows().filter(token_id=str(token.id)).order_by("id")
    last = last_token_uses([token.id])[str(token.id)]
    return list(entries.values_list("client_ip", "user_agent")), last.client_ip


def test_a_cached_key_is_used_without_waiting(bench):
    key = bench.key()
    connection, body = FastPathConnection(), json.dumps(sealing(key)).encode()
    sent = FastRequest(token=bench.persona.api.token, client_ip="192.0.2.1", user_agent="t", request_id="r")

    async def play():
        try:
            for _ in range(3):
                await connection.send(ROUTES["POST", "/api/v1/encrypt"], sent, body)
        finally:
            await loop_writer.close()

    asyncio.run(play())
    assert connection.begun >= 1


@pytest.mark.skipif(connection.vendor == "sqlite", reason="the thread writes")
def test_a_client_that_left_leaves_no_record_and_is_released(bench):
    key, client = bench.key(), FastPathConnection()
    ask(bench, ("encrypt", sealing(key)))
    recorded = log_rows().filter(object_id=key["id"]).count()
    sent = FastRequest(token=bench.persona.api.token, client_ip="192.0.2.1", user_agent="t", request_id="r")
    route, client.is_open, retried = ROUTES["POST", "/api/v1/encrypt"], False, []
    client.retry = retried.append

    async def play():
        body = json.dumps(sealing(key)).encode()
        assert route.begin(route.find_caller(sent), "r", body, client)
        await loop_writer.close()

    asyncio.run(play())
    assert retried == [None]
    assert log_rows().filter(object_id=key["id"]).count() == recorded


class Exhausted:
    """A cipher that fails once."""

    def __init__(self, aead):
        self.aead, self.failures = aead, 1

    def encrypt(self, *message):
        self.failures -= 1
        if self.failures == 0:
            raise MemoryError
        return self.aead.encrypt(*message)


def test_an_operation_that_fails_after_its_record_is_corrected_and_repeated(bench):
    key = bench.key()
    ask(bench, *[("encrypt", sealing(key))] * 2)
    version = keyring._cache.current._cached[UUID(key["id"])].entry.versions[1]
    cipher = version.cached_primitive(primitives.cipher, SEALING_MODES["aes-256-gcm"])
    cipher._aead = Exhausted(cipher._aead)
    [(status, _)] = ask(bench, ("encrypt", sealing(key)))
    entries = log_rows().filter(object_id=key["id"], action=actions.MESSAGE_ENCRYPTED).order_by("-id")
    found = list(entries.values_list("outcome", "code", "size", "request_id")[:3])
    assert (status, cipher._aead.failures) == (200, -1)
    assert found == [
        ("ok", "", 6, "r"),
        ("error", "not_completed", 6, "r"),
        ("ok", "", 6, "r"),
    ]


def test_a_key_that_is_no_longer_used_leaves_nothing_in_memory(bench):
    def in_memory():
        gc.collect()
        return {id(each) for each in gc.get_objects() if type(each) in {Cipher, Permit}}

    key, of_other_tests = bench.key(), in_memory()
    ask(bench, *[("encrypt", sealing(key))] * 3)
    assert in_memory() > of_other_tests
    keyring._cache.current.drop_unused(float("inf"))
    wait_until(lambda: in_memory() <= of_other_tests)  # a thread drops its last batch after the responses


def cached_entry(key):
    return keyring._cache.current._cached[UUID(key["id"])].entry


def test_a_kept_decision_ends_with_the_grace_period(bench):
    """Nothing else ends it: the fast path decides again only after a change."""
    policy = PolicyFactory(principal=bench.persona.principal, rotation_policy={"grace_days": 1})
    key = bench.key(policy_id=str(policy.id))
    body = {"ciphertext": bench.encrypt(key["id"]).json["ciphertext"]}
    bench.change_key(key["id"], "rotate")
    assert [status for status, _ in ask(bench, *[("decrypt", body)] * 2)] == [200, 200]
    entry = cached_entry(key)
    end = entry.versions[2].created_at + timedelta(days=1)
    [grounds] = [permit.grounds for permit in entry.permits.values()]
    [deadline] = [each for each in grounds.deadlines if each.at == end]
    assert isinstance(deadline.error(), KeyNotUsable)


def test_a_key_keeps_a_bounded_number_of_decisions(bench):
    key = bench.key()
    ask(bench, *[("encrypt", sealing(key))] * 2)
    context, entry = CachedDecisionContext(bench.persona.principal), cached_entry(key)
    [permit] = entry.permits.values()
    for number in range(1, MAX_PERMITS):
        context.remember(("crypto.encrypt", None, None, number), permit)
    assert len(entry.permits) == MAX_PERMITS == 1000
    context.remember(("crypto.encrypt", None, None, 0), permit)
    assert len(entry.permits) == 1


def test_a_request_is_charged_once_even_if_it_is_decided_twice(bench, settings):
    settings.CC_THROTTLE_PRINCIPAL = "10/day"
    first, second = bench.key(), bench.key(name="second")
    runtime.fresh()
    first, second = ("encrypt", sealing(first)), ("encrypt", sealing(second))  # the second is not in memory
    assert [status for status, _ in ask(bench, first, second)] == [200, 200]
    assert budget_state(str(bench.persona.user.id)).remaining == 8


def test_a_request_that_is_passed_on_is_not_charged(bench, settings):
    settings.CC_THROTTLE_PRINCIPAL = "10/day"
    key = bench.key()
    runtime.fresh()
    unknown = ("encrypt", sealing(key, algorithm="chacha20-poly1305"))
    assert ask(bench, ("encrypt", sealing(key)), unknown)[1] is None
    assert budget_state(str(bench.persona.user.id)).remaining == 9


def test_without_a_key_the_default_key_is_made(bench):
    body = {"algorithm": "aes-256-gcm", "data": DATA}
    (_, first), (_, second) = ask(bench, ("encrypt", body), ("encrypt", body))
    assert first["key_id"] == second["key_id"]


def test_batches_respond_item_by_item(bench):
    batch = {"algorithm": "aes-256-gcm", "key_id": bench.key()["id"]}
    items = [{"data": DATA, "reference": "a"}, {"data": "?"}]
    [(_, sealed)] = ask(bench, ("encrypt/batch", {**batch, "items": items}))
    good, bad = sealed["results"]
    assert (good["reference"], bad["problem"]["code"]) == ("a", "invalid_request")
    [(_, opened)] = ask(bench, ("decrypt/batch", {**batch, "items": [{"ciphertext": good["ciphertext"]}]}))
    assert opened["results"] == [{"data": DATA}]
    split = bench.encrypt(batch["key_id"]).json
    parts = {name: split[name] for name in ("encrypted_data", "iv", "tag")}
    [(_, opened)] = ask(bench, ("decrypt/batch", {**batch, "items": [parts]}))
    assert "data" in opened["results"][0]


def test_the_fast_path_declines_every_unusual_request(bench):
    key = bench.key()
    sealed = bench.encrypt(key["id"]).json
    parts = {name: sealed[name] for name in ("encrypted_data", "iv", "tag", "key_id", "algorithm")}
    batch = {"algorithm": "aes-256-gcm", "key_id": key["id"]}
    bench.change_key(key["id"], "rotate")
    refused = [
        ("encrypt", sealing(key, data="?")),
        ("encrypt", sealing(key, unknown=1)),
        ("encrypt", sealing(key, aad='"')),
        ("decrypt", {"ciphertext": sealed["ciphertext"], "iv": "QQ=="}),
        ("decrypt", {"iv": "QQ=="}),
        ("decrypt", {"ciphertext": sealed["ciphertext"], "aad": b64(b"other")}),
        ("decrypt", parts),
        ("decrypt/batch", {**batch, "items": [{"iv": "QQ=="}]}),
        ("decrypt/batch", {**batch, "items": [{"ciphertext": "cc1.", "key_version": 1}]}),
    ]
    assert ask(bench, *refused) == [None] * len(refused)
    assert ask(bench, ("encrypt", sealing(key)), token="a.b.c") == [None]


def test_a_rotation_is_seen_at_once(bench):
    key = bench.key()
    [(_, before)] = ask(bench, ("encrypt", sealing(key)))
    bench.change_key(key["id"], "rotate")
    [(_, after)] = ask(bench, ("encrypt", sealing(key)))
    assert (before["key_version"], after["key_version"]) == (1, 2)


def test_a_spent_budget_is_refused_by_the_fast_path_itself(bench, settings):
    key = bench.key()
    settings.CC_THROTTLE_PRINCIPAL = "2/day"
    responses = ask(bench, *[("encrypt", sealing(key))] * 4)
    assert [status for status, _ in responses] == [200, 200, 429, 429]
    assert responses[3][1]["code"] == "throttled"
    assert log_rows().get(code="throttled").object_id == key["id"]


def test_the_fast_path_returns_no_data_without_a_record(bench):
    key = bench.key()
    ask(bench, ("encrypt", sealing(key)))
    with log_out_of_reach():
        [(status, body), _] = ask(bench, *[("encrypt", sealing(key))] * 2)
    assert (status, body["code"]) == (503, "audit_unavailable")
    assert DATA not in json.dumps(body)
    refusals.flush()
    assert log_rows().get(code="audit_unavailable").object_id == key["id"]


@pytest.mark.parametrize("count", [1, 100, 101, 1000])
def test_a_batch_costs_a_request_for_each_hundred(bench, settings, count):
    settings.CC_THROTTLE_PRINCIPAL = "10/day"
    key = bench.key()
    runtime.fresh()
    items = [{"data": ""}] * count
    ask(bench, ("encrypt/batch", {"algorithm": "aes-256-gcm", "key_id": key["id"], "items": items}))
    left = budget_state(str(bench.persona.user.id)).remaining
    assert left == 10 - -(-count // 100)


def test_a_user_without_a_required_second_factor_gets_no_response(bench, settings):
    key, system = bench.key(), Principal.system("test", "command")
    assert ask(bench, ("encrypt", sealing(key)))[0][0] == 200
    settings.CC_REQUIRE_SECOND_FACTOR = {bench.persona.user.role}
    runtime.fresh()  # a setting never changes in a running process
    assert ask(bench, ("encrypt", sealing(key))) == [None]
    enrol(bench.persona)
    assert ask(bench, ("encrypt", sealing(key)))[0][0] == 200
    reset_totp(principal=system, user_id=bench.persona.user.id)
    assert ask(bench, ("encrypt", sealing(key))) == [None]
