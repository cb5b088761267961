"""The fast path answers exactly as the REST interface does, and leaves all other requests to it."""

import json
import uuid

import pytest

from tests.crypto_ops.two_doors import PLAINTEXT, SLOW, WAYS, Doors, assert_same
from tests.personas import b64
from tests.product import Product

pytestmark = pytest.mark.process


@pytest.fixture(scope="module", params=WAYS)
def doors(request, tmp_path_factory):
    """A server for each implementation of the fast path."""
    with Product(tmp_path_factory.mktemp("lane"), **WAYS[request.param]) as product:
        yield Doors(product)


GOOD = {
    "a message": ("encrypt", lambda doors: doors.good("encrypt")),
    "no byte at all": ("encrypt", lambda doors: doors.good("encrypt", data="")),
    "a large message": ("encrypt", lambda doors: doors.good("encrypt", data=b64(bytes(700_000)))),
    "additional data": ("encrypt", lambda doors: doors.good("encrypt", aad=b64(b"row 7"))),
    "no key": ("encrypt", lambda doors: {"algorithm": "aes-256-gcm", "data": PLAINTEXT}),
    "the primary version, named": ("encrypt", lambda doors: doors.good("encrypt", key_version=1)),
    "a key's name": ("encrypt", lambda doors: doors.good("encrypt", key_id="name:lane")),
    "another mode": ("encrypt", lambda doors: doors.good("encrypt", algorithm="aes-256-cbc-hmac-sha512")),
    "a ciphertext": ("decrypt", lambda doors: doors.good("decrypt")),
    "its parts": ("decrypt", lambda doors: doors.split()),
    "its parts, with the key's name": ("decrypt", lambda doors: doors.split(key_id="name:lane")),
    "a batch": ("encrypt/batch", lambda doors: doors.batch({"data": PLAINTEXT}, {"data": "", "aad": "QQ=="})),
    "references": (
        "encrypt/batch",
        lambda doors: doors.batch({"data": PLAINTEXT, "reference": "row 7"}, {"data": "", "reference": ""}),
    ),
    "a batch with what cannot be read": (
        "encrypt/batch",
        lambda doors: doors.batch({"data": "Q"}, {"data": PLAINTEXT}, {"data": "QQ==", "aad": "?"}),
    ),
    "a batch of no key": (
        "encrypt/batch",
        lambda doors: {"algorithm": "aes-256-gcm", "items": [{"data": PLAINTEXT}]},
    ),
    "a thousand": ("encrypt/batch", lambda doors: doors.batch(*[{"data": PLAINTEXT}] * 1000)),
    "a batch to open": ("decrypt/batch", lambda doors: doors.batch(*doors.sealed_items())),
    "a batch of which some do not open": (
        "decrypt/batch",
        lambda doors: doors.batch(
            {"ciphertext": ""},
            {"ciphertext": "cc1.AQ"},
            {"ciphertext": doors.encrypted["ciphertext"], "aad": "QQ==", "reference": "altered"},
            *doors.sealed_items(),
            {**doors.parts(), "key_version": 9},
            {**doors.parts(), "iv": "QQ=="},
        ),
    ),
    "batches with the key's name": (
        "encrypt/batch",
        lambda doors: doors.batch({"data": PLAINTEXT}, {"data": "Q"}) | {"key_id": "name:lane"},
    ),
    "a batch to open with the key's name": (
        "decrypt/batch",
        lambda doors: doors.batch(*doors.sealed_items()) | {"key_id": "name:lane"},
    ),
    "a batch of which none opens": (
        "decrypt/batch",
        lambda doors: doors.batch({"ciphertext": doors.encrypted["ciphertext"], "aad": "QQ=="}),
    ),
}
BAD_BATCHES = {
    "no items": lambda doors: doors.batch(),
    "a thousand and one": lambda doors: doors.batch(*[{"data": ""}] * 1001),
    "an item that is no object": lambda doors: doors.batch("QQ=="),
    "an unknown member": lambda doors: doors.batch({"data": "", "more": 1}),
    "a reference that is too long": lambda doors: doors.batch({"data": "", "reference": "x" * 101}),
    "a reference that is null": lambda doors: doors.batch({"data": "", "reference": None}),
    "both forms": lambda doors: doors.batch({**doors.parts(), "ciphertext": doors.encrypted["ciphertext"]}),
    "a version beside a ciphertext": lambda doors: doors.batch(
        {"ciphertext": doors.encrypted["ciphertext"], "key_version": 1}
    ),
    "half a form": lambda doors: doors.batch({"iv": "QQ=="}),
    "an empty item": lambda doors: doors.batch({}),
    "no key, and nothing that can be read": lambda doors: {
        "algorithm": "aes-256-gcm",
        "items": [{"data": "?"}],
    },
    "items that are no list": lambda doors: {**doors.batch(), "items": {"data": ""}},
    "an unknown algorithm": lambda doors: {**doors.batch({"data": ""}), "algorithm": "rot-13"},
}


@pytest.mark.parametrize("case", GOOD)
def test_both_doors_answer_alike(doors, case):
    operation, make = GOOD[case]
    doors.fast(operation, make(doors))  # cache misses are loaded once
    is_short = len(json.dumps(make(doors))) < 16 * 1024
    before, by_lane = doors.requests_of_django(), doors.answers_of_the_lane(is_short=is_short)
    fast = doors.fast(operation, make(doors))
    assert doors.requests_of_django() - before == 2, "the lane answers by itself: Django saw the metrics only"
    assert doors.answers_of_the_lane(is_short=is_short) - by_lane == 1
    slow = doors.fast(operation, make(doors), headers=SLOW)
    assert fast.status == 200
    assert_same(fast, slow)


def test_what_one_door_seals_the_other_opens(doors):
    fast, slow = doors.both("encrypt", doors.good("encrypt", aad=b64(b"aad")))
    for sealed in (fast, slow):
        opened = doors.both("decrypt", {"ciphertext": sealed.json["ciphertext"], "aad": b64(b"aad")})
        assert [answer.json["data"] for answer in opened] == [PLAINTEXT, PLAINTEXT]


@pytest.mark.parametrize("case", BAD_BATCHES)
@pytest.mark.parametrize("operation", ["encrypt/batch", "decrypt/batch"])
def test_both_doors_refuse_a_bad_batch_alike(doors, operation, case):
    fast, slow = doors.both(operation, BAD_BATCHES[case](doors))
    assert fast.status == 400
    assert_same(fast, slow)


BAD_BODIES = {
    "nothing": lambda body: b"",
    "no JSON": lambda body: body[:-1],
    "text after it": lambda body: body + b" {}",
    "not UTF-8": lambda body: body.replace(b"gcm", b"gc\xff"),
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "a member twice": lambda body: body[:-1] + b', "data": ""}',
    "the same member twice": lambda body: body[:-1] + b', "algorithm": "aes-256-gcm"}',
    "a member twice, once as a number": lambda body: body[:-1] + b', "key_version": 1, "key_version": 1}',
    "a member twice, once in escapes": lambda body: body[:-1] + b', "d\\u0061ta": "QQ=="}',
    "a list": lambda body: b"[" + body + b"]",
    "null": lambda body: b"null",
    "deep nesting": lambda body: body[:-1] + b', "options": ' + b"[" * 1000 + b"]" * 1000 + b"}",
    "NaN": lambda body: body[:-1] + b', "key_version": NaN}',
    "half a surrogate pair": lambda body: body[:-1] + b', "aad": "\\ud800"}',
}


@pytest.mark.parametrize("case", BAD_BODIES)
def test_both_doors_refuse_a_bad_body_alike(doors, case):
    fast, slow = doors.both("encrypt", BAD_BODIES[case](json.dumps(doors.good("encrypt")).encode()))
    assert fast.status == 400
    assert_same(fast, slow)


TYPED = [
    "text",
    "",
    1,
    0,
    -1,
    1.0,
    1.5,
    10**30,
    True,
    None,
    [],
    ["QQ=="],
    {},
    "QQ",
    "QQ=",
    "QQ===",
    "Q Q=",
    "QR==",
    "-_-_",
    "\u0661",
    "name:lane",
    "name:unknown",
    "name:Lane",
    "name:",
    "name:" + "a" * 65,
    "lane",
]
FIELDS = {
    "encrypt": ["algorithm", "data", "key_id", "key_version", "aad", "options", "unknown"],
    "decrypt": [
        "ciphertext",
        "encrypted_data",
        "iv",
        "tag",
        "key_id",
        "algorithm",
        "key_version",
        "aad",
        "unknown",
    ],
}


@pytest.mark.parametrize(("operation", "field"), [(o, f) for o, fields in FIELDS.items() for f in fields])
def test_both_doors_judge_every_value_alike(doors, operation, field):
    forms = [doors.good(operation)] + ([doors.split()] if operation == "decrypt" else [])
    for form in forms:
        for value in TYPED:
            fast, slow = doors.both(operation, form | {field: value})
            assert_same(fast, slow)
        without = {name: value for name, value in form.items() if name != field}
        assert_same(*doors.both(operation, without))


@pytest.mark.parametrize("spelling", ["upper", "hex", "braces", "urn"])
def test_both_doors_read_a_key_id_alike(doors, spelling):
    key_id = uuid.UUID(doors.key_id)
    text = {"upper": str(key_id).upper(), "hex": key_id.hex, "braces": f"{{{key_id}}}", "urn": key_id.urn}[
        spelling
    ]
    for operation, body in (
        ("encrypt", doors.good("encrypt")),
        ("decrypt", doors.split()),
        ("encrypt/batch", doors.batch({"data": PLAINTEXT})),
        ("decrypt/batch", doors.batch(*doors.sealed_items())),
    ):
        fast, slow = doors.both(operation, body | {"key_id": text})
        assert (fast.status, set(fast.json["errors"])) == (400, {"key_id"})
        assert_same(fast, slow)


def test_both_doors_refuse_what_is_not_there_or_not_visible_alike(doors):
    doors.product.create_user("lane-stranger", "developer")
    stranger = doors.product.token("lane-stranger")
    for operation in FIELDS:
        assert_same(*doors.both(operation, doors.good(operation), token=stranger))
    named = [
        doors.both("encrypt", doors.good("encrypt", key_id=f"name:{n}"), token=stranger)
        for n in ("lane", "none")
    ]
    for fast, slow in named:
        assert fast.status == 404
        assert_same(fast, slow)
        assert_same(fast, named[0][0])
    assert_same(*doors.both("encrypt", doors.good("encrypt", key_id=str(uuid.uuid4()))))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 5000])
def test_both_doors_refuse_a_bad_token_alike(doors, token):
    fast, slow = doors.both("encrypt", doors.good("encrypt"), token=token)
    assert fast.status == 401
    assert_same(fast, slow)


def test_an_altered_message_is_one_refusal_at_both_doors(doors):
    for part in ("encrypted_data", "iv", "tag"):
        altered = (
            "B" + doors.encrypted[part][1:]
            if doors.encrypted[part][0] != "B"
            else "C" + doors.encrypted[part][1:]
        )
        fast, slow = doors.both("decrypt", doors.split(**{part: altered}))
        assert fast.code == "decryption_failed"
        assert_same(fast, slow)
    assert_same(*doors.both("decrypt", doors.good("decrypt", aad=b64(b"other"))))
    assert_same(*doors.both("decrypt", doors.split(key_version=7)))


UNUSUAL = {
    "accepts nothing we have": {"Accept": "text/html"},
    "from another site": {"Sec-Fetch-Site": "cross-site"},
    "encoded": {"Content-Encoding": "gzip"},
    "for another host": {"Host": "elsewhere.example"},
    "a request id of its own": {"X-Request-ID": "mine-7"},
    "a request id that is none": {"X-Request-ID": "no id"},
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_both_doors_read_the_head_alike(doors, case):
    assert_same(*doors.both("encrypt", doors.good("encrypt"), headers=UNUSUAL[case]))


def test_another_method_or_a_query_is_left_to_django(doors):
    assert doors.product.send("GET", "/api/v1/encrypt", token=doors.token).status == 405
    answer = doors.product.send(
        "POST", "/api/v1/encrypt?format=xml", doors.good("encrypt"), token=doors.token
    )
    assert answer.status == 200


def test_the_lane_records_what_the_rest_door_records(doors):
    agent = {"User-Agent": "curl/8 “quoted”".encode().decode("latin-1")}
    for headers in (agent | {"X-Request-ID": "lane-fast"}, agent | {"X-Request-ID": "lane-slow"} | SLOW):
        assert doors.fast("encrypt", doors.good("encrypt", aad=b64(b"1")), headers=headers).status == 200
    columns = (
        "action, object_type, object_id, object_version, outcome, code, count, size, meta, user_id, actor_type, "
        "actor_name, auth_method, token_id, client_ip, user_agent, source"
    )
    rows = [
        doors.product.query(f"SELECT {columns} FROM audit_logs WHERE request_id = '{name}'")  # noqa: S608 - constants
        for name in ("lane-fast", "lane-slow")
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 1


@pytest.mark.parametrize("verb", ["disable", "revoke"])
def test_a_key_that_was_taken_away_answers_no_more(doors, verb):
    body = {"name": f"lane-{verb}", "algorithm": "aes-256"}
    key_id = doors.product.send("POST", "/api/v1/keys", body, token=doors.token).json["id"]
    admin = doors.product.token()
    for reference in (key_id, key_id, f"name:lane-{verb}"):
        assert doors.fast("encrypt", doors.good("encrypt", key_id=reference)).status == 200
    done = doors.product.send("POST", f"/api/v1/keys/{key_id}/{verb}", {"reason": "test"}, token=admin)
    assert done.status == 200, done.content
    for reference in (key_id, f"name:lane-{verb}"):
        fast, slow = doors.both("encrypt", doors.good("encrypt", key_id=reference))
        assert fast.code == "key_not_active"
        assert_same(fast, slow)


def test_a_rotated_key_seals_with_its_new_version_at_once(doors):
    body = {"name": "lane-rotate", "algorithm": "aes-256"}
    key_id = doors.product.send("POST", "/api/v1/keys", body, token=doors.token).json["id"]
    admin = doors.product.token()
    assert doors.fast("encrypt", doors.good("encrypt", key_id=key_id)).json["key_version"] == 1
    done = doors.product.send("POST", f"/api/v1/keys/{key_id}/rotate", {"reason": "test"}, token=admin)
    assert done.status == 201, done.content
    assert doors.fast("encrypt", doors.good("encrypt", key_id=key_id)).json["key_version"] == 2


def test_a_signed_out_token_answers_no_more(doors):
    doors.product.create_user("lane-leaver", "developer")
    session = doors.product.log_in("lane-leaver")
    token = session["access_token"]
    mine = {"algorithm": "aes-256-gcm", "data": PLAINTEXT}
    for _ in range(3):
        assert doors.fast("encrypt", mine, token=token).status == 200
    gone = doors.product.send(
        "POST", "/auth/logout", {"refresh_token": session["refresh_token"]}, token=token
    )
    assert gone.status == 204
    fast, slow = doors.both("encrypt", mine, token=token)
    assert fast.status == 401
    assert_same(fast, slow)
