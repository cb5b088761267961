import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from audit.sequencing.catching_up import catch_up
from kernel.clock import database_now
from kernel.errors import Invalid
from kernel.rest.preconditions import etags_to_match
from keys.models import Key
from keys.rotation.services import rotating

pytestmark = pytest.mark.django_db

MEMBERS = {
    "id",
    "name",
    "description",
    "algorithm",
    "key_size",
    "purpose",
    "modes",
    "status",
    "state",
    "primary_version",
    "versions_count",
    "tags",
    "created_at",
    "created_by",
    "owner_type",
    "owner_id",
    "activates_at",
    "expires_at",
    "resumes_at",
    "rotation_period_days",
    "next_rotation_at",
    "policy_id",
    "exportable",
    "origin",
    "min_decryption_version",
    "deletion_protection",
    "deletion_at",
    "successor_id",
    "operations",
}
REASON = {"reason": "test"}


def url(key, *rest):
    return "/".join([f"/api/v1/keys/{key.id}", *map(str, rest)])


def in_an_hour():
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


def test_a_key_is_created_and_found_at_its_location(developer):
    body = {
        "name": "orders",
        "algorithm": "aes-256",
        "key_size": 256,
        "tags": ["pci"],
        "description": "of the shop",
        "expires_at": in_an_hour().removesuffix("+00:00"),  # without an offset, a time is UTC
        "rotation_period_days": 90,
    }
    response = developer.api.post("/api/v1/keys", body)
    assert response.status == 201
    created = response.json
    assert set(created) == MEMBERS
    assert created["expires_at"] == f"{body['expires_at']}Z"
    assert created["status"] == created["state"] == "active"
    assert created["created_by"] == created["owner_id"] == str(developer.user.id)
    assert created["owner_type"] == "user"
    assert created["operations"] == ["encrypt", "decrypt", "reencrypt", "data_key", "derive"]
    assert created["key_size"] == 256
    assert response.headers["Location"] == f"/api/v1/keys/{created['id']}"
    assert developer.api.get(response.headers["Location"]).json == created


def test_the_name_is_taken(admin, key):
    assert admin.api.post("/api/v1/keys", {"name": key.name, "algorithm": "aes-256"}).code == "name_taken"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"key_size": 512}, "invalid_request", "key_size"),
        ({"key_size": "many"}, "invalid_request", "key_size"),
        ({"algorithm": "rot13"}, "unsupported_algorithm", None),
        ({"colour": "red"}, "invalid_request", "colour"),
        ({"policy_id": "pci"}, "invalid_request", "policy_id"),
        ({"policy_id": str(UUID(int=0))}, "invalid_request", "policy_id"),
        ({"name": "UPPER"}, "invalid_request", "name"),
        ({"name": "x\n"}, "invalid_request", "name"),
        ({"tags": ["a", "a"]}, "invalid_request", "tags"),
        ({"tags": "pci"}, "invalid_request", "tags"),
        ({"tags": ["x" * 65]}, "invalid_request", "tags.0"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "invalid_request", "expires_at"),
        ({"expires_at": "2050-01-01"}, "invalid_request", "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "invalid_request", "expires_at"),
        ({"expires_at": "soon"}, "invalid_request", "expires_at"),
        ({"rotation_period_days": 0}, "invalid_request", "rotation_period_days"),
        ({"description": "x" * 1001}, "invalid_request", "description"),
        ({"description": "nul \x00"}, "invalid_request", "description"),
    ],
)
def test_an_invalid_key_is_refused_with_the_reason(admin, change, code, field):
    response = admin.api.post("/api/v1/keys", {"name": "orders", "algorithm": "aes-256"} | change)
    assert response.status == 400
    assert response.code == code
    if field:
        assert set(response.json["errors"]) == {field}
    assert not Key.objects.exists()


@pytest.mark.parametrize("missing", ["name", "algorithm"])
def test_name_and_algorithm_are_required(admin, missing):
    body = {"name": "orders", "algorithm": "aes-256"}
    del body[missing]
    assert set(admin.api.post("/api/v1/keys", body).json["errors"]) == {missing}


@pytest.mark.parametrize(("limit", "pages"), [(2, [2, 1]), (20, [3])])
def test_the_list_pages(admin, new_key, limit, pages):
    for _ in range(3):
        new_key()
    path, sizes, seen = f"/api/v1/keys?limit={limit}", [], set()
    while path:
        response = admin.api.get(path).json
        assert (response["count"], response["limit"]) == (3, limit)
        sizes.append(len(response["results"]))
        seen |= {key["id"] for key in response["results"]}
        path = response["next"]
    assert (sizes, len(seen)) == (pages, 3)


def test_the_list_filters(admin, new_key):
    wanted = new_key(name="orders", tags=["pci"], expires_at=database_now() + timedelta(hours=1))
    new_key(name="orders-too")
    query = (
        "algorithm=aes-256&purpose=encrypt&status=active&tag=pci&search=ORD"
        "&expires_before=2100-01-01T00:00:00Z&ordering=-created_at&page=1&limit=5"
    )
    response = admin.api.get(f"/api/v1/keys?{query}").json
    assert [key["id"] for key in response["results"]] == [str(wanted.id)]


@pytest.mark.parametrize(
    "query",
    [
        "status=sleepy",
        "policy_id=pci",
        "limit=100000",
        "limit=0",
        "page=0",
        "page=x",
        "ordering=wrapped",
        "ordering=created_by__password",
        "algorithm=rot13",
        "purpose=fun",
        "expires_before=tomorrow",
        "colour=red",
        "search=%00",
        "status=active&status=expired",
        "state=active",
    ],
)
def test_a_filter_that_is_not_understood_is_no_empty_list(admin, query):
    response = admin.api.get(f"/api/v1/keys?{query}")
    assert response.status == 400
    assert response.code in {"invalid_request", "unsupported_algorithm"}


def test_the_smaller_lists_are_as_strict(admin, key):
    for path in ("/api/v1/rotations", url(key, "versions")):
        assert admin.api.get(f"{path}?limit=5").json["limit"] == 5
        for query in ("limit=0", "colour=red"):
            assert admin.api.get(f"{path}?{query}").code == "invalid_request"


def test_the_number_of_queries_does_not_grow_with_the_list(admin, new_key, connection_queries):
    def queries():
        catch_up()
        with connection_queries() as statements:
            assert admin.api.get("/api/v1/keys?status=active&search=key").status == 200
        return len(statements)

    new_key(tags=["a"])
    few = queries()
    for _ in range(10):
        new_key(tags=["a", "b"])
    assert queries() == few


def test_metadata_is_changed(admin, key):
    response = admin.api.patch(url(key), {"description": "new", "tags": ["a"], "rotation_period_days": 30})
    assert response.status == 200
    assert (response.json["description"], response.json["tags"]) == ("new", ["a"])
    assert response.json["next_rotation_at"] is not None


@pytest.mark.parametrize("field", ["name", "algorithm", "state", "status", "created_by", "primary_version"])
def test_an_unchangeable_field_is_unknown(admin, key, field):
    response = admin.api.patch(url(key), {field: "x"})
    assert response.status == 400
    assert set(response.json["errors"]) == {field}


def test_rotation_returns_its_record(operator, key):
    response = operator.api.post(url(key, "rotate"), REASON | {"expected_version": 1})
    assert response.status == 201
    record = response.json
    assert record["old_key_id"] == record["new_key_id"] == str(key.id)
    assert (record["old_version"], record["new_version"], record["status"]) == (1, 2, "completed")
    assert (record["rotation_reason"], record["rotated_by"]) == ("test", str(operator.user.id))
    assert operator.api.get("/api/v1/rotations").json["results"] == [record]


def test_a_version_conflict_names_the_present_version(operator, key):
    operator.api.post(url(key, "rotate"), REASON)
    response = operator.api.post(url(key, "rotate"), REASON | {"expected_version": 1})
    assert (response.status, response.code) == (409, "version_conflict")
    assert response.json["primary_version"] == 2


def test_states_are_changed_and_returned(admin, new_key):
    key = new_key(activates_at=database_now() + timedelta(hours=1))
    assert admin.api.get(url(key)).json["operations"] == []
    walk = [("activate", "active"), ("disable", "disabled"), ("enable", "active"), ("revoke", "revoked")]
    for operation, status in walk:
        response = admin.api.post(url(key, operation), REASON)
        assert (response.status, response.json["status"]) == (200, status)
    assert response.json["operations"] == ["decrypt", "reencrypt"]
    refused = admin.api.post(url(key, "enable"), REASON)
    assert (refused.status, refused.code) == (409, "illegal_transition")
    assert (refused.json["state"], refused.json["key_status"]) == ("deactivated", "revoked")


def test_a_key_is_marked_compromised(admin, key):
    response = admin.api.post(url(key, "revoke"), REASON | {"compromised": True})
    assert (response.json["state"], response.json["status"]) == ("compromised", "revoked")
    assert response.json["operations"] == ["reencrypt"]


@pytest.mark.parametrize("operation", ["rotate", "activate", "disable", "enable", "revoke"])
@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 101}, {"reason": "x", "why": "y"}])
def test_every_operation_asks_for_a_reason_and_nothing_unknown(admin, key, operation, body):
    response = admin.api.post(url(key, operation), body)
    assert (response.status, response.code) == (400, "invalid_request")
    assert Key.objects.get(pk=key.pk).row_seq == 1


def test_versions_are_listed_and_switched(admin, key):
    admin.api.post(url(key, "rotate"), REASON)
    listed = admin.api.get(url(key, "versions")).json
    assert [(row["version"], row["state"], row["is_primary"]) for row in listed["results"]] == [
        (2, "enabled", True),
        (1, "enabled", False),
    ]
    assert set(listed["results"][0]) == {
        "version",
        "state",
        "is_primary",
        "created_at",
        "destruction_at",
    }
    assert admin.api.post(url(key, "versions", 1, "disable"), REASON).json["state"] == "disabled"
    assert admin.api.post(url(key, "versions", 1, "enable"), REASON).json["state"] == "enabled"
    assert admin.api.post(url(key, "versions", 2, "disable"), REASON).code == "illegal_transition"
    assert admin.api.post(url(key, "versions", 3, "disable"), REASON).code == "not_found"
    assert admin.api.post(url(key, "versions", 10**30, "disable"), REASON).code == "not_found"


def test_an_altered_row_is_503_and_not_used(admin, key):
    Key.objects.filter(pk=key.pk).update(state="deactivated")
    for response in (admin.api.get(url(key)), admin.api.post(url(key, "rotate"), REASON)):
        assert (response.status, response.code) == (503, "integrity_failed")


EVERY_ROUTE = [
    ("GET", ()),
    ("PATCH", ()),
    ("POST", ("rotate",)),
    ("POST", ("activate",)),
    ("POST", ("disable",)),
    ("POST", ("enable",)),
    ("POST", ("revoke",)),
    ("GET", ("versions",)),
    ("POST", ("versions", 1, "disable")),
    ("POST", ("versions", 1, "enable")),
]
DEVELOPERS_MAY = [("GET", ()), ("GET", ("versions",))]


@pytest.mark.parametrize(("method", "rest"), EVERY_ROUTE)
def test_an_invisible_key_gets_the_response_of_a_missing_one(
    admin, stranger, developer, new_key, method, rest
):
    key = new_key(principal=developer.principal)
    absent = Key(id=uuid4())
    body = REASON if method == "POST" else {} if method == "PATCH" else None
    theirs, nobodys = (stranger.api.send(method, url(k, *rest), body).json for k in (key, absent))
    theirs.pop("request_id"), nobodys.pop("request_id")
    assert theirs == nobodys
    assert theirs["code"] == ("not_found" if (method, rest) in DEVELOPERS_MAY else "permission_denied")
    assert admin.api.send(method, url(absent, *rest), body).code == "not_found"


def test_lists_hold_nothing_of_a_strangers(stranger, developer, admin, new_key):
    key = new_key(principal=developer.principal)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    for path in ("/api/v1/keys", "/api/v1/rotations"):
        assert stranger.api.get(path).json["count"] == 0
        assert developer.api.get(path).json["count"] == 1


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("operator", {"rotate", "activate", "disable", "enable"}),
        ("auditor", set()),
        ("developer", set()),
    ],
)
def test_each_role_acts_as_far_as_it_may(request, role, allowed, key):
    person = request.getfixturevalue(role)
    for operation in ("rotate", "activate", "disable", "enable", "revoke"):
        denied = person.api.post(url(key, operation), REASON).status == 403
        assert denied is (operation not in allowed)


def test_anonymous_requests_learn_nothing(key):
    from tests.personas import ApiClient  # noqa: PLC0415 - only this test has a client without a token

    for method, rest in EVERY_ROUTE:
        assert ApiClient().send(method, url(key, *rest), {}).status == 401


NOT_UNDERSTOOD = ["", " ", ",", "7", '"7', '7"', 'w/"7"', '"7" "8"', '"7", *', "*, *", '"a b"', "W/7"]


@pytest.mark.parametrize("header", NOT_UNDERSTOOD)
def test_an_if_match_that_is_not_understood_changes_nothing(admin, key, header):
    response = admin.api.patch(url(key), {"description": "changed"}, If_Match=header)
    assert (response.status, set(response.json["errors"])) == (400, {"If-Match"})
    assert Key.objects.get(pk=key.pk).description == ""


def test_an_if_match_is_read_in_time_that_grows_with_its_length():
    headers = {"If-Match": '"a",' + " " * 40_000 + "x"}
    began = time.monotonic()
    with pytest.raises(Invalid):
        etags_to_match(SimpleNamespace(headers=headers))
    assert time.monotonic() - began < 5


def test_a_change_is_made_only_to_the_revision_that_was_read(admin, key):
    read = admin.api.get(url(key))
    assert admin.api.patch(url(key), {"description": "first"}, If_Match=read.headers["ETag"]).status == 200
    late = admin.api.patch(url(key), {"description": "second"}, If_Match=read.headers["ETag"])
    assert (late.status, late.code) == (412, "version_conflict")
    assert Key.objects.get(pk=key.pk).description == "first"


@pytest.mark.parametrize(
    ("spell", "status"),
    [
        (lambda etag: "*", 200),
        (lambda etag: f'"other", {etag}', 200),
        (lambda etag: f'{etag},,W/"other"', 200),
        (lambda etag: "W/" + etag, 412),  # a weak tag matches nothing in the strong comparison
        (lambda etag: '"other"', 412),
    ],
)
def test_an_if_match_is_read_as_http_says(admin, key, spell, status):
    etag = admin.api.get(url(key)).headers["ETag"]
    response = admin.api.patch(url(key), {"description": "changed"}, If_Match=spell(etag))
    assert response.status == status, response.json
    if status == 200:
        assert response.headers["ETag"] == admin.api.get(url(key)).headers["ETag"] != etag
