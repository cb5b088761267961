"""The authorisation matrix: every route, method, role, identity type and object, compared with ``tests.authorisation``."""

from functools import cache
from itertools import product

import pytest

from accounts.models.roles import rights_of
from accounts.service_accounts.services.tokens import scopes_for
from tests.authorisation import (
    ANONYMOUS,
    CALLERS,
    CODES,
    OWN,
    PERMISSIONS,
    ROLES,
    ROUTES,
    SERVICE_ACCOUNT,
    Caller,
    Outcome,
    People,
    Targets,
    ask,
    changes_target,
    compare,
    expected,
    kinds,
    outcome_of,
    permission_of_kind,
    send,
)
from tests.endpoints import ENDPOINTS, METHODS, PUBLIC, RECENT, endpoint_of, make_target, missing_target
from tests.personas import with_token

pytestmark = pytest.mark.django_db(transaction=True)

STATES = ("pre_activation", "active", "suspended", "deactivated", "compromised", "expired")
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
    ("key-usage", "GET"): (200, 200, 200, 200, 200, 200),
    ("key-impact", "GET"): (200, 200, 200, 200, 200, 200),
    ("encrypt", "POST"): (409, 200, 409, 409, 409, 409),
    ("decrypt", "POST"): (409, 200, 409, 200, 409, 200),
    ("inspect", "POST"): (200, 200, 200, 200, 200, 200),
    ("stream-encrypt", "POST"): (409, 200, 409, 409, 409, 409),
    ("stream-decrypt", "POST"): (409, 200, 409, 200, 409, 200),
}


NO_LIMIT = "100000/minute"


def app_of(route):
    """The app of the route's view. The routes of an app are tested together, because accounts cost time."""
    return getattr(route.view, "cls", route.view).__module__.split(".")[0]


@pytest.fixture
def people(transactional_db, monkeypatch):
    monkeypatch.setattr("audit.services.log_targets.MOST_TARGETS", 10_000)
    return People()


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
    # The signature of its log authenticates a checkpoint.
    assert open_endpoints == {"log-in", "refresh", "log-out", "oauth-token", "witness-add-checkpoint"}


on_each_app = pytest.mark.parametrize("app", sorted(set(map(app_of, ROUTES))))


@on_each_app
def test_each_role_gets_the_responses_of_the_table(app, people, record_property, settings):
    """Service accounts ask about one kind of object: their rules differ from users' in the permission only."""
    compare_cells([cell for cell in cells(app) if not is_further(*cell)], people, record_property, settings)


@pytest.mark.sweep
@on_each_app
def test_service_accounts_get_the_responses_of_the_table_about_every_object(
    app, people, record_property, settings
):
    compare_cells([cell for cell in cells(app) if is_further(*cell)], people, record_property, settings)


def is_further(route, method, caller, kind):
    return caller.identity == SERVICE_ACCOUNT and kind != kinds(caller, endpoint_of(route, method))[0]


def compare_cells(cells, people, record_property, settings):
    settings.CC_THROTTLE_ANONYMOUS = settings.CC_THROTTLE_AUTH = NO_LIMIT
    targets, outcomes = Targets(people), {}
    for route, method, caller, kind in cells:
        endpoint = endpoint_of(route, method)
        target = targets.target(kind, caller, endpoint.state)
        response = ask(people, route, method, caller.role, target, caller.identity)
        if changes_target(method, endpoint, response):
            targets.forget(target)
        found = checked(response, people, route, method, caller)
        outcomes[route.name, method, caller, kind] = found, expected(caller, route, method, kind)
    compare(outcomes, record_property)


def cells(app):
    for route in (each for each in ROUTES if app_of(each) == app):
        for method, caller in product(with_rule(route), CALLERS):
            for kind in kinds(caller, endpoint_of(route, method)):
                yield route, method, caller, kind


@pytest.mark.sweep
@pytest.mark.postgresql
def test_each_scope_is_enough_for_its_requests(people, record_property):
    """The requests about keys have this axis in ``test_authorisation_by_grant``."""
    account, outcomes = people.account("admin", SERVICE_ACCOUNT), {}
    scopes = scopes_for(rights_of("admin")) & set(PERMISSIONS)
    token_with = cache(lambda *words: with_token(account, set(words)))
    for route, method in [(each, method) for each in ROUTES for method in ENDPOINTS[each.name]]:
        endpoint = endpoint_of(route, method)
        if endpoint.about == "key" or endpoint.permission not in scopes or endpoint.not_by_token:
            continue
        token = token_with(endpoint.permission, permission_of_kind(route, method)[0])
        target = make_target(account, endpoint.state) if endpoint.about else missing_target(endpoint.state)
        found = outcome_of(send(token, route, method, target), token)
        outcomes[route.name, method] = found, Outcome(endpoint.status)
    compare(outcomes, record_property)


@pytest.mark.postgresql  # no row is read
def test_anonymous_callers_and_admins_are_offered_no_method_without_a_rule(people, record_property, settings):
    settings.CC_THROTTLE_ANONYMOUS = settings.CC_THROTTLE_AUTH = NO_LIMIT
    refuse_other_methods(people, (ANONYMOUS, Caller("admin")), record_property)


@pytest.mark.sweep
@pytest.mark.postgresql
def test_no_caller_is_offered_a_method_without_a_rule(people, record_property, settings):
    settings.CC_THROTTLE_AUTH = NO_LIMIT
    others = set(CALLERS) - {ANONYMOUS, Caller("admin")}
    refuse_other_methods(people, others, record_property)


def refuse_other_methods(people, callers, record_property):
    target, outcomes = missing_target(), {}
    for route in ROUTES:
        for method, caller in product(set(METHODS) - set(with_rule(route)), callers):
            response = ask(people, route, method, caller.role, target, caller.identity)
            found = checked(response, people, route, method, caller)
            outcomes[route.name, method, caller] = found, expected(caller, route, method, "missing")
    compare(outcomes, record_property)


def with_rule(route):
    """The methods of the route with a row in the table."""
    return [method for method in METHODS if endpoint_of(route, method)]


def checked(response, people, route, method, caller):
    """The outcome of the response, after its form was checked."""
    outcome = outcome_of(response, people.account(caller.role, caller.identity))
    if response.status >= 400 and route.path.startswith(("/api/", "/auth/")) and method != "HEAD":
        assert response.code == (RECENT if outcome.rule == RECENT else CODES.get(response.status)), (
            method,
            caller,
        )
    if caller != ANONYMOUS and not is_open(endpoint_of(route, method), route):
        assert {"RateLimit", "RateLimit-Policy"} <= set(response.headers), (method, caller)
    return outcome


def is_open(endpoint, route):
    """Whether the request needs no token. If the route lacks the method, all its methods decide."""
    asked = [endpoint] if endpoint else ENDPOINTS[route.name].values()
    return {each.permission for each in asked} == {PUBLIC}


def about_objects(matches):
    """The endpoints about an object whose row in the table of permissions matches."""
    found = [
        (route, method)
        for route in ROUTES
        for method, endpoint in ENDPOINTS.get(route.name, {}).items()
        if endpoint.about and matches(PERMISSIONS[endpoint.permission])
    ]
    assert found
    return found


def _details_of(response):
    """The headers of a response, except the remaining budget, which decreases with each request."""
    return {name: value for name, value in response.headers.items() if name != "RateLimit"}


def test_another_users_object_gets_the_response_of_a_missing_one(people, subtests, settings):
    settings.CC_THROTTLE_AUTH = NO_LIMIT
    targets, developer = Targets(people), Caller("developer")
    for route, method in about_objects(lambda reach: reach.get("developer") == OWN):
        endpoint = endpoint_of(route, method)
        for state in STATES if endpoint.about == "key" else (endpoint.state,):
            with subtests.test(route=route.name, method=method, state=state):
                missing, hidden = (
                    ask(people, route, method, "developer", targets.target(kind, developer, state))
                    for kind in ("missing", "other's")
                )
                assert missing.status == 404
                assert hidden.raw.content == missing.raw.content
                assert _details_of(hidden) == _details_of(missing)


@pytest.mark.postgresql  # a missing permission is refused before any row is read
def test_a_missing_permission_gets_the_same_refusal_for_every_object(people, subtests, settings):
    settings.CC_THROTTLE_AUTH = NO_LIMIT
    targets = Targets(people)
    for route, method in about_objects(lambda reach: len(reach) < len(ROLES[1:])):
        for role in set(ROLES[1:]) - set(PERMISSIONS[endpoint_of(route, method).permission]):
            with subtests.test(route=route.name, method=method, role=role):
                objects = [
                    ("missing", "active"),
                    ("own", "active"),
                    *(("other's", state) for state in STATES),
                ]
                responses = [
                    ask(people, route, method, role, targets.target(kind, Caller(role), state))
                    for kind, state in objects
                ]
                assert {response.status for response in responses} == {403}
                assert len({response.raw.content for response in responses}) == 1


@pytest.mark.parametrize(("name", "method"), IN_STATE, ids=str)
def test_the_state_of_a_key_decides_for_a_permitted_caller(name, method, people):
    route = next(each for each in ROUTES if each.name == name)
    responses = [ask(people, route, method, "admin", make_target(people.account("admin"), s)) for s in STATES]
    assert tuple(response.status for response in responses) == IN_STATE[name, method]
    for response in responses:
        if response.status == 409:
            assert {"state", "key_status"} <= set(response.json)
            assert response.code in {"key_not_active", "key_not_usable", "illegal_transition"}


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


def rows(response):
    assert response.json["next"] is None
    return {row["id"] for row in response.json["results"]}


def test_metrics_are_open_to_system_read_from_elsewhere(people):
    statuses = {role: from_elsewhere(people.client(role)) for role in ROLES}
    readers = PERMISSIONS["system.read"]
    assert statuses == {"anonymous": 401, **{role: 200 if role in readers else 403 for role in ROLES[1:]}}


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


def test_a_path_without_a_route_does_not_exist_for_any_role(people):
    for role in ROLES:
        response = people.client(role).get("/api/v1/nothing")
        assert (response.status, response.code) == (404, "not_found")
        assert response.json["detail"].startswith("There is no page or endpoint at this address.")
