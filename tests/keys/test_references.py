"""A key by its id, or by its name after a prefix: each has one spelling, and names reveal no more than ids."""

import re
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crypto_ops.deciding.context import CachedDecisionContext, CacheMiss
from kernel.errors import Invalid, NotFound
from keys import references
from keys.reading import services as reading
from keys.ring import keyring
from keys.rotation.services import rotating
from keys.states import services as states
from tests.endpoints import ENDPOINTS, all_routes, make_target, path_of
from tests.log_entries import log_rows
from tests.personas import b64

pytestmark = pytest.mark.django_db(transaction=True)

REASON = {"reason": "test"}
MISSPELT_IDS = {
    "upper case": lambda key_id: str(key_id).upper(),
    "no hyphens": lambda key_id: key_id.hex,
    "braces": lambda key_id: f"{{{key_id}}}",
    "URN": lambda key_id: key_id.urn,
    "a space": lambda key_id: f" {key_id}",
    "a line break": lambda key_id: f"{key_id}\n",
}
LITERAL = re.compile(r"'[^']*'|\b\d+\b")  # in a statement
MALFORMED_NAMES = [
    "name:",
    "name:ab",
    "name:Orders",
    "name:a_b_c",
    "name:" + "a" * 65,
    "NAME:orders",
    "orders",
    "vault:orders",
    "vault:/orders",
    "vault:transit//orders",
    "vault:transit/.orders",
    "vault:transit/örders",
    "vault:transit/" + "a" * 511,
]
OPERATIONS = {
    "encrypt": {"algorithm": "aes-256-gcm", "data": b64(b"plain")},
    "encrypt/batch": {"algorithm": "aes-256-gcm", "items": [{"data": b64(b"plain")}]},
}


def misspelt(key):
    return [spell(key.id) for spell in MISSPELT_IDS.values()] + MALFORMED_NAMES


def without_request_id(response):
    return {name: value for name, value in response.json.items() if name != "request_id"}


def last_refusal():
    return log_rows().exclude(outcome="ok").latest("id")


def test_a_reference_has_one_spelling(key):
    assert references.parse(str(key.id)) == key.id
    longest = f"vault:{'a' * 255}/{'b' * 255}"
    for name in (f"name:{key.name}", "vault:transit/Orders_v2.x", "vault:a/b/c", longest):
        assert references.parse(name) == name
    for text in misspelt(key):
        with pytest.raises(Invalid) as refusal:
            references.parse(text)
        assert set(refusal.value.fields) == {"key_id"}


@pytest.mark.parametrize("spelling", MISSPELT_IDS)
def test_another_spelling_of_an_id_is_404_in_a_path_and_400_elsewhere(admin, key, spelling):
    text = MISSPELT_IDS[spelling](key.id)
    assert admin.api.get(f"/api/v1/keys/{quote(text)}").status == 404
    sealed = admin.api.post("/api/v1/encrypt", {**OPERATIONS["encrypt"], "key_id": str(key.id)}).json
    parts = {name: sealed[name] for name in ("encrypted_data", "iv", "tag", "algorithm")}
    bodies = {
        "encrypt": OPERATIONS["encrypt"],
        "encrypt/batch": OPERATIONS["encrypt/batch"],
        "decrypt": parts,
        "decrypt/batch": {"algorithm": "aes-256-gcm", "items": [{"ciphertext": sealed["ciphertext"]}]},
        "reencrypt": {"ciphertext": sealed["ciphertext"]},
    }
    for operation, body in bodies.items():
        response = admin.api.post(f"/api/v1/{operation}", {**body, "key_id": text})
        assert (response.status, set(response.json["errors"])) == (400, {"key_id"}), operation


@pytest.mark.parametrize("name", MALFORMED_NAMES)
def test_a_malformed_name_is_404_in_a_path_and_400_in_a_body_and_a_query(admin, name):
    assert admin.api.get(f"/api/v1/keys/{quote(name)}").status == 404
    responses = [
        admin.api.post("/api/v1/encrypt", {**OPERATIONS["encrypt"], "key_id": name}),
        admin.api.post(
            f"/api/v1/stream/encrypt?key_id={quote(name)}", b"plain", Content_Type="application/octet-stream"
        ),
    ]
    assert [(response.status, set(response.json["errors"])) for response in responses] == [
        (400, {"key_id"})
    ] * 2


NAMED_KEY_ENDPOINTS = [
    (route, method) for route in all_routes() if "{key_id}" in route.path for method in ENDPOINTS[route.name]
]


@pytest.mark.parametrize(
    ("route", "method"), NAMED_KEY_ENDPOINTS, ids=lambda each: getattr(each, "name", each)
)
def test_every_path_takes_the_name_and_responds_with_the_id(admin, route, method):
    endpoint = ENDPOINTS[route.name][method]
    target = make_target(admin, endpoint.state)
    named = reading.get_key(principal=admin.principal, key_id=target.key_id).name
    path = path_of(route, target).replace(str(target.key_id), f"name:{named}")
    query = f"?{urlencode(endpoint.query_of(target))}"
    response = admin.api.send(method, path + query, endpoint.body and endpoint.body(target, admin))
    assert response.status == endpoint.status, response.json
    if response.json and response.json.get("name") == named:
        assert response.json.get("id", response.json.get("key_id")) == str(target.key_id)
    done = log_rows().filter(object_id__startswith="name:")
    assert not done.exists()


def test_every_operation_takes_the_name_and_responds_with_the_id(admin, key):
    name, key_id = f"name:{key.name}", str(key.id)
    octets = {"Content_Type": "application/octet-stream"}
    sealed = admin.api.post("/api/v1/encrypt", {**OPERATIONS["encrypt"], "key_id": name}).json
    parts = {part: sealed[part] for part in ("encrypted_data", "iv", "tag", "algorithm")}
    batch = {"key_id": name, "algorithm": "aes-256-gcm"}
    responses = [
        sealed,
        admin.api.post("/api/v1/decrypt", {**parts, "key_id": name}).json,
        admin.api.post("/api/v1/encrypt/batch", {**batch, "items": [{"data": b64(b"plain")}]}).json,
        admin.api.post(
            "/api/v1/decrypt/batch", {**batch, "items": [{"ciphertext": sealed["ciphertext"]}]}
        ).json,
        admin.api.post("/api/v1/reencrypt", {"ciphertext": sealed["ciphertext"], "key_id": name}).json,
    ]
    assert [response["key_id"] for response in responses] == [key_id] * 5
    assert responses[3]["results"] == [{"data": b64(b"plain")}]
    stream = admin.api.post(f"/api/v1/stream/encrypt?key_id={name}", b"plain", **octets)
    opened = admin.api.post("/api/v1/stream/decrypt", stream.raw.content, **octets)
    assert opened.raw.content == b"plain"
    recorded = log_rows().filter(action__startswith="crypto.").values_list("object_id", flat=True)
    assert set(recorded) == {key_id}


def test_a_ciphertext_of_another_key_is_refused_in_a_batch_of_a_name(admin, key, new_key):
    other = admin.api.post("/api/v1/encrypt", {**OPERATIONS["encrypt"], "key_id": str(new_key().id)}).json
    body = {"algorithm": "aes-256-gcm", "key_id": f"name:{key.name}"}
    items = [{"ciphertext": other["ciphertext"]}]
    [result] = admin.api.post("/api/v1/decrypt/batch", {**body, "items": items}).json["results"]
    assert set(result["problem"]["errors"]) == {"ciphertext"}


def test_an_invisible_name_is_refused_as_an_unknown_one_with_the_same_work(admin, stranger, key):
    keyring.find(key.id, admin.principal)  # cached, as it would be in production
    responses, statements, recorded = [], [], []
    by_id = stranger.api.post("/api/v1/encrypt", {**OPERATIONS["encrypt"], "key_id": str(key.id)})
    for name in (key.name, "no-key-at-all"):
        with CaptureQueriesContext(connection) as queries:
            response = stranger.api.post(
                "/api/v1/encrypt", {**OPERATIONS["encrypt"], "key_id": f"name:{name}"}
            )
        responses.append(response)
        asked = [query["sql"].replace(name, "NAME") for query in queries if "encryption_keys" in query["sql"]]
        statements.append(asked)
        recorded.append((last_refusal().object_id, last_refusal().code))
    assert [response.status for response in responses] == [404, 404]
    assert without_request_id(responses[0]) == without_request_id(responses[1]) == without_request_id(by_id)
    assert statements[0] == statements[1]
    assert len(statements[0]) == 1
    assert recorded == [(f"name:{name}", "not_found") for name in (key.name, "no-key-at-all")]
    paths = [stranger.api.get(f"/api/v1/keys/name:{name}") for name in (key.name, "no-key-at-all")]
    assert without_request_id(paths[0]) == without_request_id(paths[1])


def test_a_refusal_of_a_visible_key_is_recorded_under_its_id(admin, key):
    states.disable_key(principal=admin.principal, key_id=key.id, **REASON)
    response = admin.api.post("/api/v1/encrypt", {**OPERATIONS["encrypt"], "key_id": f"name:{key.name}"})
    assert response.code == "key_not_active"
    assert last_refusal().object_id == str(key.id)
    assert admin.api.post(f"/api/v1/keys/name:{key.name}/rotate", REASON).code == "key_not_active"
    assert last_refusal().object_id == str(key.id)


def test_a_cached_name_costs_memory_alone(admin, key, django_assert_num_queries):
    name = f"name:{key.name}"
    attempt = CachedDecisionContext(admin.principal, "")
    with pytest.raises(CacheMiss) as absent:
        attempt.find(name, "crypto.encrypt")
    absent.value.load()
    with django_assert_num_queries(0):
        assert attempt.find(name, "crypto.encrypt") is attempt.find(key.id, "crypto.encrypt")


def test_a_cached_name_is_not_found_by_someone_who_may_not_see_its_key(admin, stranger, key):
    name = f"name:{key.name}"
    assert keyring.find(name, admin.principal).key_id == key.id
    assert keyring.find_cached(name, stranger.principal) is None
    assert keyring.find_cached("name:no-key-at-all", stranger.principal) is None
    with pytest.raises(NotFound):
        keyring.find(name, stranger.principal)


@pytest.mark.parametrize("by_name", [False, True], ids=["id", "name"])
def test_a_stranger_cannot_time_a_key_and_fills_no_cache(
    admin, stranger, new_key, connection_queries, by_name
):
    """A key of another user that is in memory, one that is not, and none cost the same statements."""
    cached, stored = new_key(), new_key()
    keyring.find(cached.id, admin.principal)
    asked = ["name:unknown", "name:" + cached.name, "name:" + stored.name]
    if not by_name:
        asked = [str(uuid4()), str(cached.id), str(stored.id)]
    costs, entries = {}, set(keyring._cache.current._cached)
    for text in [str(uuid4()), *asked]:  # the first requests also verify the token
        with connection_queries() as statements:
            for operation, body in OPERATIONS.items():
                assert stranger.api.post(f"/api/v1/{operation}", body | {"key_id": text}).status == 404
            assert stranger.api.get(f"/api/v1/keys/{text}").status == 404
            with pytest.raises(CacheMiss) as miss:
                CachedDecisionContext(stranger.principal, "").find(references.parse(text), "crypto.encrypt")
            with pytest.raises(NotFound):
                miss.value.load()
        costs[text] = [LITERAL.sub("?", each["sql"]) for each in statements]
    assert costs[asked[0]] == costs[asked[1]] == costs[asked[2]]
    assert set(keyring._cache.current._cached) == entries == {cached.id}
    with pytest.raises(CacheMiss) as of_owner:
        CachedDecisionContext(admin.principal, "").find(references.parse(asked[2]), "crypto.encrypt")
    assert of_owner.value.missing != miss.value.missing  # neither waits for the load of the other


def test_a_forgotten_key_is_forgotten_by_its_name(admin, key):
    name = f"name:{key.name}"
    entry = keyring.find(name, admin.principal)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, **REASON)
    keyring.forget([f"key:{key.id}"])
    assert keyring.find_cached(name, admin.principal) is None
    found = keyring.find(name, admin.principal)
    assert (entry.primary_version, found.primary_version) == (1, 2)
