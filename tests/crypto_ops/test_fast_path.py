"""The fast path responds exactly as the REST interface does, and leaves all other requests to it."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from tests.crypto_ops.two_path_batches import GOOD_BATCHES
from tests.crypto_ops.two_path_requests import BAD_BODIES, GOOD, OPERATIONS
from tests.crypto_ops.two_paths import PLAINTEXT, SLOW, WAYS, TwoPaths, assert_same
from tests.personas import b64
from tests.product import Product

pytestmark = pytest.mark.process


@pytest.fixture(scope="module", params=WAYS)
def server(request, tmp_path_factory):
    """A server for each implementation of the fast path."""
    folder = tmp_path_factory.mktemp("fast-path")
    with Product(folder, **WAYS[request.param]) as product, product.connect() as connection:
        yield TwoPaths(product, connection)


@pytest.mark.parametrize("case", GOOD | GOOD_BATCHES)
def test_both_paths_give_the_same_response(server, case):
    operation, make = (GOOD | GOOD_BATCHES)[case]
    server.fast(operation, make(server))  # cache misses are loaded once
    is_short = len(json.dumps(make(server))) < 16 * 1024
    before, by_fast_path = server.requests_of_django(), server.responses_of_the_fast_path(is_short=is_short)
    fast = server.fast(operation, make(server))
    assert server.requests_of_django() - before == 2, (
        "the fast path responds by itself: Django saw the metrics only"
    )
    assert server.responses_of_the_fast_path(is_short=is_short) - by_fast_path == 1
    slow = server.fast(operation, make(server), headers=SLOW)
    assert fast.status == 200
    assert_same(fast, slow)


def test_each_path_decrypts_the_ciphertext_of_the_other(server):
    fast, slow = server.both("encrypt", server.good("encrypt", aad=b64(b"aad")))
    for sealed in (fast, slow):
        opened = server.both("decrypt", {"ciphertext": sealed.json["ciphertext"], "aad": b64(b"aad")})
        assert [response.json["data"] for response in opened] == [PLAINTEXT, PLAINTEXT]


@pytest.mark.parametrize("case", BAD_BODIES)
def test_both_paths_refuse_a_bad_body_with_the_same_response(server, case):
    fast, slow = server.both("encrypt", BAD_BODIES[case](json.dumps(server.good("encrypt")).encode()))
    assert fast.status == 400
    assert_same(fast, slow)


def test_both_paths_refuse_a_missing_or_invisible_key_with_the_same_response(server):
    server.product.create_user("fast-path-stranger", "developer")
    stranger = server.product.token("fast-path-stranger")
    for operation in OPERATIONS:
        assert_same(*server.both(operation, server.good(operation), token=stranger))
    named = [
        server.both("encrypt", server.good("encrypt", key_id=f"name:{n}"), token=stranger)
        for n in ("fast-path", "none")
    ]
    for fast, slow in named:
        assert fast.status == 404
        assert_same(fast, slow)
        assert_same(fast, named[0][0])
    assert_same(*server.both("encrypt", server.good("encrypt", key_id=str(uuid.uuid4()))))
    ends = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    limits = {"name": "limited", "scopes": ["encrypt"], "keys": [server.key_id], "expires_at": ends}
    limited = server.product.send("POST", "/api/v1/tokens", limits, token=stranger).json["token"]
    for reference in (server.key_id, "name:fast-path"):
        fast, slow = server.both("encrypt", server.good("encrypt", key_id=reference), token=limited)
        assert (fast.status, fast.json["rule"]) == (403, "no-grant")
        assert_same(fast, slow)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 5000])
def test_both_paths_refuse_a_bad_token_with_the_same_response(server, token):
    fast, slow = server.both("encrypt", server.good("encrypt"), token=token)
    assert fast.status == 401
    assert_same(fast, slow)


def test_an_altered_message_is_one_refusal_on_both_paths(server):
    for part in ("encrypted_data", "iv", "tag"):
        altered = (
            "B" + server.encrypted[part][1:]
            if server.encrypted[part][0] != "B"
            else "C" + server.encrypted[part][1:]
        )
        fast, slow = server.both("decrypt", server.split(**{part: altered}))
        assert fast.code == "decryption_failed"
        assert_same(fast, slow)
    assert_same(*server.both("decrypt", server.good("decrypt", aad=b64(b"other"))))
    assert_same(*server.both("decrypt", server.split(key_version=7)))


UNUSUAL = {
    "accepts nothing we have": {"Accept": "text/html"},
    "from another site": {"Sec-Fetch-Site": "cross-site"},
    "encoded": {"Content-Encoding": "gzip"},
    "for another host": {"Host": "elsewhere.example"},
    "a request id of its own": {"X-Request-ID": "mine-7"},
    "a request id that is none": {"X-Request-ID": "no id"},
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_both_paths_read_the_head_in_the_same_way(server, case):
    assert_same(*server.both("encrypt", server.good("encrypt"), headers=UNUSUAL[case]))


def test_both_paths_sign_a_digest_in_the_same_way(server):
    digest = b64(bytes(range(32)))
    body = {"key_id": server.signing_id, "signing_algorithm": "ecdsa-sha256", "digest": digest}
    fast, slow = server.both("sign", body)
    assert fast.status == 200
    assert fast.json["signature"] == slow.json["signature"]  # ECDSA is deterministic here
    verified = server.both("verify", {**body, "signature": fast.json["signature"]})
    assert [response.json["valid"] for response in verified] == [True, True]


def test_another_method_or_a_query_is_left_to_django(server):
    assert server.product.send("GET", "/api/v1/encrypt", token=server.token).status == 405
    response = server.product.send(
        "POST", "/api/v1/encrypt?format=xml", server.good("encrypt"), token=server.token
    )
    assert response.status == 200


def test_the_fast_path_records_what_the_rest_interface_records(server):
    agent = {"User-Agent": "curl/8 “quoted”".encode().decode("latin-1")}
    for headers in (
        agent | {"X-Request-ID": "fast-path-fast"},
        agent | {"X-Request-ID": "fast-path-slow"} | SLOW,
    ):
        assert server.fast("encrypt", server.good("encrypt", aad=b64(b"1")), headers=headers).status == 200
    columns = (
        "action, object_type, object_id, object_version, outcome, code, count, size, meta, user_id, actor_type, "
        "actor_name, auth_method, token_id, client_ip, user_agent, source"
    )
    rows = [
        server.product.query_log(f"SELECT {columns} FROM audit_logs WHERE request_id = '{name}'")  # noqa: S608 - constants
        for name in ("fast-path-fast", "fast-path-slow")
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 1


_REFUSED = {
    "wrong aad": lambda text, key_id: {"ciphertext": text, "aad": b64(b"other")},
    "invalid aad": lambda text, key_id: {"ciphertext": text, "aad": "?"},
    "cut off": lambda text, key_id: {"ciphertext": text[:34]},
    "a field too many": lambda text, key_id: {"ciphertext": text, "key_version": 1},
    "no JSON": lambda text, key_id: f'{{"ciphertext": "{text}"'.encode(),
    "parts without a tag": lambda text, key_id: {"encrypted_data": "", "iv": "", "key_id": key_id},
}


def test_a_refused_decryption_names_its_key_on_both_paths(server):
    callers = [(server.token, 400), (server.token_without_rights, 403), ("", 401)]
    expected = {}
    for path, headers in (("fast", {}), ("slow", SLOW)):
        # A key for each path, because equal refusals share an entry.
        body = {"name": f"refused-{path}", "algorithm": "aes-256"}
        key_id = server.product.send("POST", "/api/v1/keys", body, token=server.token).json["id"]
        text = server.fast("encrypt", server.good("encrypt", key_id=key_id)).json["ciphertext"]
        for case, make in _REFUSED.items():
            for token, status in callers:
                name = f"refused-{len(expected)}"
                sent = headers | {"X-Request-ID": name}
                refused = server.fast("decrypt", make(text, key_id), token=token, headers=sent)
                assert refused.status == status, case
                expected[name] = ("key", key_id)
    found = server.product.query_log(
        "SELECT request_id, object_type, object_id FROM audit_logs WHERE request_id LIKE 'refused-%'"
    )
    assert {name: tuple(key) for name, *key in found} == {name: expected[name] for name, *_ in found}
    assert len(found) >= 10  # three kinds of the owner, and one of each other caller


@pytest.mark.parametrize("verb", ["disable", "revoke"])
def test_a_key_that_was_taken_away_gets_no_more_responses(server, verb):
    body = {"name": f"fast-path-{verb}", "algorithm": "aes-256"}
    key_id = server.product.send("POST", "/api/v1/keys", body, token=server.token).json["id"]
    admin = server.product.token()
    for reference in (key_id, key_id, f"name:fast-path-{verb}"):
        assert server.fast("encrypt", server.good("encrypt", key_id=reference)).status == 200
    done = server.product.send("POST", f"/api/v1/keys/{key_id}/{verb}", {"reason": "test"}, token=admin)
    assert done.status == 200, done.content
    for reference in (key_id, f"name:fast-path-{verb}"):
        fast, slow = server.both("encrypt", server.good("encrypt", key_id=reference))
        assert fast.code == "key_not_active"
        assert_same(fast, slow)


def test_a_rotated_key_seals_with_its_new_version_at_once(server):
    body = {"name": "fast-path-rotate", "algorithm": "aes-256"}
    key_id = server.product.send("POST", "/api/v1/keys", body, token=server.token).json["id"]
    admin = server.product.token()
    assert server.fast("encrypt", server.good("encrypt", key_id=key_id)).json["key_version"] == 1
    done = server.product.send("POST", f"/api/v1/keys/{key_id}/rotate", {"reason": "test"}, token=admin)
    assert done.status == 201, done.content
    assert server.fast("encrypt", server.good("encrypt", key_id=key_id)).json["key_version"] == 2


def test_a_signed_out_token_gets_no_more_responses(server):
    server.product.create_user("fast-path-leaver", "developer")
    session = server.product.sign_in_to_api("fast-path-leaver")
    token = session["access_token"]
    mine = {"algorithm": "aes-256-gcm", "data": PLAINTEXT}
    for _ in range(3):
        assert server.fast("encrypt", mine, token=token).status == 200
    gone = server.product.send(
        "POST", "/auth/logout", {"refresh_token": session["refresh_token"]}, token=token
    )
    assert gone.status == 204
    fast, slow = server.both("encrypt", mine, token=token)
    assert fast.status == 401
    assert_same(fast, slow)
