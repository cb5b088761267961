"""The authorisation matrix: every route, method, role and object, compared with a hand-written table."""

from itertools import count, product
from urllib.parse import urlencode

import pytest
from django.db import connection

from tests.endpoints import (
    AUTHENTICATED,
    ENDPOINTS,
    METHODS,
    PUBLIC,
    all_routes,
    endpoint_of,
    make_target,
    missing_target,
    path_of,
)
from tests.personas import ApiClient, make_persona

pytestmark = pytest.mark.django_db(transaction=True)

ALL, OWN = "all", "own"
# From the contract: the roles with each permission, and the objects that it covers. Other roles have nothing.
PERMISSIONS = {
    "keys.read": {"admin": ALL, "operator": ALL, "developer": OWN, "auditor": ALL},
    "keys.create": {"admin": ALL, "developer": ALL},
    "keys.update": {"admin": ALL},
    "keys.rotate": {"admin": ALL, "operator": ALL},
    "keys.disable": {"admin": ALL, "operator": ALL},
    "keys.revoke": {"admin": ALL},
    "crypto.encrypt": {"admin": ALL, "developer": OWN},
    "crypto.decrypt": {"admin": ALL, "developer": OWN},
    "crypto.reencrypt": {"admin": ALL, "developer": OWN},
    "crypto.random": {"admin": ALL, "operator": ALL, "developer": ALL},
    "crypto.inspect": {"admin": ALL, "operator": ALL, "developer": OWN},
    "audit.read": {"admin": ALL, "operator": ALL, "developer": OWN, "auditor": ALL},
    "audit.export": {"admin": ALL, "auditor": ALL},
    "audit.resolve": {"admin": ALL},
    "keys.grant": {"admin": ALL},
    "users.read": {"admin": ALL, "auditor": ALL},
    "users.manage": {"admin": ALL},
    "tokens.manage": {"admin": ALL, "operator": OWN, "developer": OWN, "auditor": OWN},
    "system.read": {"admin": ALL, "operator": ALL, "auditor": ALL},
    AUTHENTICATED: {"admin": OWN, "operator": OWN, "developer": OWN, "auditor": OWN},  # their own account
}
ROLES = ("anonymous", "admin", "operator", "developer", "auditor")
OBJECTS = ("own", "other's", "missing")
STATES = ("pre_activation", "active", "suspended", "deactivated", "compromised", "expired")
ROUTES = all_routes()
CODES = {
    401: "authentication_failed",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
}
# The status of the good request in each of STATES, for a permitted user; 409 if the state forbids the
# request.
IN_STATE = {
    ("key", "GET"): (200, 200, 200, 200, 200, 200),
    ("key", "PATCH"): (200, 200, 200, 200, 200, 200),
    ("key-rotate", "POST"): (409, 201, 409, 409, 409, 409),
    ("key-activate", "POST"): (200, 409, 409, 409, 409, 409),
    ("key-disable", "POST"): (409, 200, 409, 409, 409, 409),
    ("key-enable", "POST"): (409, 409, 200, 409, 409, 409),
    ("key-revoke", "POST"): (409, 200, 200, 409, 409, 409),
    ("key-versions", "GET"): (200, 200, 200, 200, 200, 200),
    ("encrypt", "POST"): (409, 200, 409, 409, 409, 409),
    ("decrypt", "POST"): (409, 200, 409, 200, 409, 200),
    ("inspect", "POST"): (200, 200, 200, 200, 200, 200),
    ("stream-encrypt", "POST"): (409, 200, 409, 409, 409, 409),
    ("stream-decrypt", "POST"): (409, 200, 409, 200, 409, 200),
}


def expected_status(role, endpoint, kind, others):
    """The status according to the table: 401 takes precedence over 405, then 403, then 404."""
    if endpoint is None:
        open_to_all = all(each.permission == PUBLIC for each in others)
        return 405 if open_to_all or role != "anonymous" else 401
    if endpoint.permission == PUBLIC:
        return endpoint.status
    if role == "anonymous":
        return 401
    reach = PERMISSIONS[endpoint.permission].get(role)
    if reach is None:
        return 403
    visible = (
        not endpoint.about
        or kind == "own"
        or (kind == "other's" and reach == ALL and not endpoint.is_private)
    )
    return endpoint.status if visible else 404


class People:
    """One account per role, created on first use, and again after it was dismissed."""

    def __init__(self):
        self.accounts = {}
        self.numbers = count(1)

    def account(self, role):
        if role not in self.accounts:
            word = role if role in ROLES[1:] else "developer"
            self.accounts[role] = make_persona(f"{role}-{next(self.numbers)}", word)
        return self.accounts[role]

    def client(self, role):
        return ApiClient() if role == "anonymous" else self.account(role).api

    def dismiss(self, role):
        self.accounts.pop(role)


@pytest.fixture
def people(transactional_db):
    return People()


def target_of(kind, account, people, state):
    match kind:
        case "own":
            return make_target(account, state)
        case "other's":
            return make_target(people.account("stranger"), state)
        case "missing":
            return missing_target(state)


def ask(people, route, method, role, target):
    endpoint = endpoint_of(route, method)
    empty = {} if method == "POST" else None
    body = endpoint.body(target, people.account(role)) if endpoint and endpoint.body else empty
    query = f"?{urlencode(endpoint.query_of(target))}" if endpoint and endpoint.query else ""
    headers = {"X_Request_ID": "matrix", **(endpoint.headers if endpoint else {})}
    answer = people.client(role).send(method, path_of(route, target) + query, body, **headers)
    if endpoint and endpoint.ends_session:
        people.dismiss(role)
    return answer


def cells(route):
    """Each method, role and kind of object; one kind suffices if the request names no object.

    Methods that the route does not have read no row: they are tried on one of the two databases.
    """
    for method, role in product(METHODS, ROLES):
        endpoint = endpoint_of(route, method)
        if endpoint is None and connection.vendor != "postgresql":
            continue
        for kind in OBJECTS if endpoint and endpoint.about else ("missing",):
            yield method, role, kind


def test_every_route_has_a_row_in_the_table():
    assert {route.name for route in ROUTES} == set(ENDPOINTS)
    assert len({route.name for route in ROUTES}) == len(ROUTES)


def test_every_post_endpoint_is_closed_to_someone_or_open_on_purpose():
    open_endpoints = {
        name
        for name, methods in ENDPOINTS.items()
        for method, endpoint in methods.items()
        if method in {"POST", "PATCH", "PUT", "DELETE"} and endpoint.permission == PUBLIC
    }
    assert open_endpoints == {"log-in", "refresh", "log-out", "oauth-token"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_role_is_answered_as_the_table_says(route, people):
    expected, answered = {}, {}
    for method, role, kind in cells(route):
        endpoint, cell = endpoint_of(route, method), (method, role, kind)
        target = target_of(kind, people.account(role), people, endpoint.state if endpoint else "active")
        answer = ask(people, route, method, role, target)
        answered[cell] = answer.status
        expected[cell] = expected_status(role, endpoint, kind, ENDPOINTS[route.name].values())
        if answer.status >= 400 and route.path.startswith(("/api/", "/auth/")) and method != "HEAD":
            assert answer.code == CODES[answer.status], cell
        if role != "anonymous" and not is_open(endpoint, route):
            assert {"RateLimit", "RateLimit-Policy"} <= set(answer.headers), cell
    assert answered == expected


def is_open(endpoint, route):
    """Whether the request needs no token. If the route lacks the method, all its methods decide."""
    asked = [endpoint] if endpoint else ENDPOINTS[route.name].values()
    return {each.permission for each in asked} == {PUBLIC}


def about_objects(matches):
    """Parameters: the endpoints about an object whose row in the table of permissions matches."""
    found = [
        pytest.param(route, method, id=f"{route.name}-{method}")
        for route in ROUTES
        for method, endpoint in ENDPOINTS.get(route.name, {}).items()
        if endpoint.about and matches(PERMISSIONS[endpoint.permission])
    ]
    return pytest.mark.parametrize(("route", "method"), found)


def _details_of(answer):
    """The headers of an answer, except the remaining budget, which decreases with each request."""
    return {name: value for name, value in answer.headers.items() if name != "RateLimit"}


@about_objects(lambda reach: reach.get("developer") == OWN)
def test_what_is_anothers_is_indistinguishable_from_what_does_not_exist(route, method, people):
    stranger = people.account("stranger")
    missing = ask(people, route, method, "developer", missing_target())
    assert missing.status == 404
    endpoint = endpoint_of(route, method)
    for state in STATES if endpoint.about == "key" else (endpoint.state,):
        hidden = ask(people, route, method, "developer", make_target(stranger, state))
        assert hidden.response.content == missing.response.content
        assert _details_of(hidden) == _details_of(missing)


@pytest.mark.postgresql  # a missing permission is refused before any row is read
@about_objects(lambda reach: len(reach) < len(ROLES[1:]))
def test_a_lacking_right_is_refused_alike_whatever_the_object(route, method, people):
    permission = endpoint_of(route, method).permission
    lacking = [role for role in ROLES[1:] if role not in PERMISSIONS[permission]]
    anothers = [make_target(people.account("stranger"), state) for state in STATES]
    for role in lacking:
        targets = [missing_target(), make_target(people.account(role)), *anothers]
        answers = [ask(people, route, method, role, target) for target in targets]
        assert {answer.status for answer in answers} == {403}
        assert len({answer.response.content for answer in answers}) == 1


@pytest.mark.parametrize(("name", "method"), IN_STATE, ids=str)
def test_the_state_of_a_key_decides_for_whoever_may(name, method, people):
    route = next(each for each in ROUTES if each.name == name)
    answers = [ask(people, route, method, "admin", make_target(people.account("admin"), s)) for s in STATES]
    assert tuple(answer.status for answer in answers) == IN_STATE[name, method]
    for answer in answers:
        if answer.status == 409:
            assert {"state", "key_status"} <= set(answer.json)
            assert answer.code in {"key_not_active", "key_not_usable", "illegal_transition"}


@pytest.mark.parametrize("name", ["keys", "rotations", "audit-logs", "audit-trail"])
def test_lists_show_developers_their_own_objects_and_other_roles_everything(name, people):
    route = next(each for each in ROUTES if each.name == name)
    owners = [people.account("developer"), people.account("stranger")]
    for owner in owners:
        make_target(owner, "rotated")
    seen = {role: rows(people.client(role).get(route.path)) for role in ("developer", "stranger", *ROLES[1:])}
    assert seen["developer"]
    assert seen["stranger"]
    assert not seen["developer"] & seen["stranger"]
    for role in ("admin", "operator", "auditor"):
        assert seen[role] >= seen["developer"] | seen["stranger"]


def rows(answer):
    assert answer.json["next"] is None
    return {row["id"] for row in answer.json["results"]}


def test_metrics_are_open_to_system_read_from_elsewhere(people):
    statuses = {role: from_elsewhere(people.client(role)) for role in ROLES}
    assert statuses == {"anonymous": 401, "admin": 200, "operator": 200, "developer": 403, "auditor": 200}


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
@pytest.mark.parametrize("proxies", [0, 1])
def test_metrics_are_not_open_through_a_proxy(people, settings, header, proxies):
    settings.CC_TRUSTED_PROXIES = proxies
    client = people.client("anonymous")._client
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", headers={header: "127.0.0.1"}).status_code == 401


def from_elsewhere(client):
    headers = {"Authorization": f"Bearer {client.token}"} if client.token else {}
    return client._client.get("/metrics", headers=headers, REMOTE_ADDR="192.0.2.1").status_code


def test_what_is_no_route_does_not_exist_for_anybody(people):
    for role in ROLES:
        answer = people.client(role).get("/api/v1/nothing")
        assert (answer.status, answer.code) == (404, "not_found")
