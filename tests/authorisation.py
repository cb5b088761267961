"""The authorisation matrix as declared: who may do what, and the rule that refuses the others. Written by hand.

The axes are route, method, role, identity type, ownership, grant on the key, and limit of the token. The tests of
``test_authorisation*.py`` compare each cell with the product, and pytest prints the number of cells::

    bin/test --postgresql tests/test_authorisation.py tests/test_authorisation_by_grant.py tests/keys/test_visibility.py
"""

from dataclasses import dataclass, replace
from itertools import count
from urllib.parse import urlencode

from tests.endpoints import (
    AUTHENTICATED,
    ENDPOINTS,
    PASSKEY,
    PUBLIC,
    RECENT,
    SESSION,
    all_routes,
    endpoint_of,
    make_target,
    missing_target,
    path_of,
)
from tests.personas import ApiClient, make_persona, make_service_account

ALL, OWN = "all", "own"
ROLES = ("anonymous", "admin", "operator", "developer", "auditor", "key_manager", "user_manager")
# From the contract: the roles with each permission, and the objects that it covers. Other roles have nothing.
PERMISSIONS = {
    "keys.read": {
        "admin": ALL,
        "operator": ALL,
        "developer": OWN,
        "auditor": ALL,
        "key_manager": ALL,
        "user_manager": OWN,
    },
    "keys.create": {"admin": ALL, "developer": ALL, "key_manager": ALL},
    "keys.update": {"admin": ALL, "key_manager": ALL},
    "keys.rotate": {"admin": ALL, "operator": ALL, "key_manager": ALL},
    "keys.disable": {"admin": ALL, "operator": ALL, "key_manager": ALL},
    "keys.revoke": {"admin": ALL, "key_manager": ALL},
    "keys.destroy": {"admin": ALL, "key_manager": ALL},
    "policies.read": {
        "admin": ALL,
        "operator": ALL,
        "developer": ALL,
        "auditor": ALL,
        "key_manager": ALL,
        "user_manager": ALL,
    },
    "policies.manage": {"admin": ALL, "key_manager": ALL},
    "crypto.encrypt": {"admin": ALL, "developer": OWN},
    "crypto.decrypt": {"admin": ALL, "developer": OWN},
    "crypto.reencrypt": {"admin": ALL, "developer": OWN},
    "crypto.sign": {"admin": ALL, "developer": OWN},
    "crypto.verify": {"admin": ALL, "developer": OWN},
    "crypto.mac": {"admin": ALL, "developer": OWN},
    "crypto.encapsulate": {"admin": ALL, "developer": OWN},
    "crypto.decapsulate": {"admin": ALL, "developer": OWN},
    "crypto.agree": {"admin": ALL, "developer": OWN},
    "crypto.data_key": {"admin": ALL, "developer": OWN},
    "crypto.derive": {"admin": ALL, "developer": OWN},
    "crypto.jwt": {"admin": ALL, "developer": OWN},
    "crypto.random": {"admin": ALL, "operator": ALL, "developer": ALL},
    "crypto.inspect": {"admin": ALL, "operator": ALL, "developer": OWN},
    "operations.read": {
        "admin": ALL,
        "operator": ALL,
        "developer": OWN,
        "auditor": ALL,
        "key_manager": ALL,
        "user_manager": OWN,
    },
    "audit.read": {
        "admin": ALL,
        "operator": ALL,
        "developer": OWN,
        "auditor": ALL,
        "key_manager": ALL,
        "user_manager": OWN,
    },
    "audit.export": {"admin": ALL, "auditor": ALL},
    "audit.resolve": {"admin": ALL},
    "keys.grant": {"admin": ALL, "key_manager": ALL},
    "keys.import": {"admin": ALL, "key_manager": ALL},
    "keys.export": {"admin": ALL},
    "users.read": {"admin": ALL, "auditor": ALL, "key_manager": ALL, "user_manager": ALL},
    "users.manage": {"admin": ALL, "user_manager": ALL},
    "tokens.manage": {
        "admin": ALL,
        "operator": OWN,
        "developer": OWN,
        "auditor": OWN,
        "key_manager": OWN,
        "user_manager": ALL,
    },
    "webhooks.manage": {"admin": ALL},
    "system.manage": {"admin": ALL},
    "vault.manage": {"admin": ALL},
    "system.read": {"admin": ALL, "operator": ALL, "auditor": ALL, "key_manager": ALL},
    AUTHENTICATED: dict.fromkeys(ROLES[1:], OWN),  # their own account
}
# The roles whose tokens cannot have a permission of the role as a scope.
NO_SCOPE = {"tokens.manage": set(ROLES[1:]), "audit.export": {"auditor"}}
# The recent sign-in is required for a field of the body, after the object was found.
AFTER_LOOKUP = {("api-user", "PATCH")}
# The permission that the kind of the object also requires, and the status of a refusal by it.
OF_THE_KIND = {
    ("operation-cancel", "POST"): ("crypto.reencrypt", 403),
    ("operation-result", "GET"): ("audit.export", 404),
}
# The permission that decides which of these objects exist for the caller, if it is not that of the endpoint.
READING_OF = {"key": "keys.read"}
# Open to the owner only, of an object that others may see.
OWNER_ONLY = {("token-rotate", "POST"): "token-owner"}
USER, SERVICE_ACCOUNT = "user", "service_account"
READING = ("GET", "HEAD")
OBJECTS = ("own", "other's", "missing")
ROUTES = all_routes()
CODES = {
    401: "authentication_failed",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
}
TOKEN = "token:"  # followed by the token's id


@dataclass(frozen=True)
class Caller:
    role: str
    identity: str = USER


ANONYMOUS = Caller("anonymous")
CALLERS = (ANONYMOUS, *(Caller(role, identity) for identity in (USER, SERVICE_ACCOUNT) for role in ROLES[1:]))


@dataclass(frozen=True)
class Outcome:
    """The status of a response, and the rule that a refusal with status 403 names."""

    status: int
    rule: str = ""


def expected(caller, route, method, kind):
    """The response according to the table: 401 takes precedence over 405, then 403, then 404."""
    endpoint = endpoint_of(route, method)
    if endpoint is None:
        open_to_all = all(each.permission == PUBLIC for each in ENDPOINTS[route.name].values())
        return Outcome(405 if open_to_all or caller != ANONYMOUS else 401)
    if endpoint.permission == PUBLIC:
        return Outcome(endpoint.status)
    if caller == ANONYMOUS:
        return Outcome(401)
    rule = refusing_rule(caller, route, method, endpoint.permission)
    if rule == RECENT and kind == "missing" and (route.name, method) in AFTER_LOOKUP:
        return Outcome(404)
    if rule:
        return Outcome(403, "" if method == "HEAD" else rule)
    return outcome_about(caller, route, method, kind)


def outcome_about(caller, route, method, kind):
    """The response to a caller with the endpoint's permission: the object decides."""
    endpoint = endpoint_of(route, method)
    permission, status = permission_of_kind(route, method)
    rule = refusing_rule(caller, route, method, permission)
    reading = READING_OF.get(endpoint.about, endpoint.permission)
    if rule:
        is_hidden = kind == "other's" and PERMISSIONS[reading][caller.role] == OWN
        return Outcome(404) if kind == "missing" or is_hidden or status == 404 else Outcome(status, rule)
    reach = OWN if OWN in {PERMISSIONS[each][caller.role] for each in (permission, reading)} else ALL
    visible = (
        not endpoint.about
        or kind == "own"
        or (kind == "other's" and reach == ALL and not endpoint.is_private)
    )
    owners = OWNER_ONLY.get((route.name, method)) if visible and kind == "other's" else None
    return Outcome(403, owners) if owners else Outcome(endpoint.status if visible else 404)


def permission_of_kind(route, method):
    """The permission that decides about the object, and the status of a refusal by it."""
    reading = "GET" if method == "HEAD" else method
    return OF_THE_KIND.get((route.name, reading), (endpoint_of(route, method).permission, 403))


def refusing_rule(caller, route, method, permission):
    """The rule that refuses the caller before any object is read; "" if there is none."""
    if caller.role not in PERMISSIONS[permission]:
        return f"role:{caller.role}"
    if caller.identity == SERVICE_ACCOUNT:
        if caller.role in NO_SCOPE.get(permission, ()):
            return TOKEN
        return endpoint_of(route, method).not_by_token
    return ""


def outcome_of(response, caller):
    """The outcome of a response, without the id in the rule of the caller's own token."""
    rule = str(response.json["rule"]) if response.status == 403 and response.raw.content else ""
    limits = caller.principal.limits
    return Outcome(response.status, TOKEN if limits and rule == limits.rule else rule)


class People:
    """One account per role and identity type, created on first use, and again after it was dismissed."""

    def __init__(self):
        self.accounts = {}
        self.numbers = count(1)

    def account(self, role, identity=USER):
        if (role, identity) not in self.accounts:
            self.accounts[role, identity] = self.new_account(role, identity)
        return self.accounts[role, identity]

    def new_account(self, role, identity=USER):
        make = make_service_account if identity == SERVICE_ACCOUNT else make_persona
        return make(
            f"{role.replace('_', '-')}-{next(self.numbers)}", role if role in ROLES[1:] else "developer"
        )

    def client(self, role, identity=USER):
        return ApiClient() if role == "anonymous" else self.account(role, identity).api

    def dismiss(self, role):
        del self.accounts[role, USER]


def ask(people, route, method, role, target, identity=USER):
    """Send the endpoint's good request about the target."""
    endpoint = endpoint_of(route, method)
    account = people.account(role, identity)
    if identity == SERVICE_ACCOUNT and endpoint and endpoint.permission in {PUBLIC, AUTHENTICATED}:
        account = replace(people.new_account(role), api=account.api)  # the body has a user's credentials
    elif role == ANONYMOUS.role:
        account = replace(account, api=ApiClient())
    response = send(account, route, method, target)
    if endpoint and identity == USER and (endpoint.ends_session or changes_account(method, endpoint)):
        people.dismiss(role)
    return response


def changes_account(method, endpoint):
    return endpoint.permission == AUTHENTICATED and method not in READING


def changes_target(method, endpoint, response):
    """Whether the request may have changed its object. Operations with a key do not change the key."""
    is_use = endpoint.about == "key" and endpoint.permission.startswith("crypto.")
    return response.status < 400 and method not in READING and not is_use


def send(account, route, method, target):
    """Send the endpoint's good request about the target, with the account's credentials."""
    endpoint = endpoint_of(route, method)
    body = {} if method == "POST" else None
    if endpoint and endpoint.body:
        body = endpoint.body(target, account)
    query = f"?{urlencode(endpoint.query_of(target))}" if endpoint and endpoint.query else ""
    headers = {"X_Request_ID": "matrix", **(endpoint.headers if endpoint else {})}
    return account.api.send(method, path_of(route, target) + query, body, **headers)


def compare(outcomes, record_property):
    """Fail with the cells whose outcome is not the declared one. ``outcomes`` has both for each cell."""
    differing = {cell: pair for cell, pair in outcomes.items() if pair[0] != pair[1]}
    assert not differing, differing
    record_property("cells", len(outcomes))


class Targets:
    """The objects of the requests. A target is used again until a request changes it."""

    def __init__(self, people):
        self.people = people
        self.made = {}

    def target(self, kind, caller, state):
        if kind == "missing":
            return missing_target(state)
        owner = caller if kind == "own" else Caller("stranger")
        if (owner, state) not in self.made:
            self.made[owner, state] = make_target(self.people.account(owner.role, owner.identity), state)
        return self.made[owner, state]

    def forget(self, target):
        self.made = {place: made for place, made in self.made.items() if made is not target}


def kinds(caller, endpoint):
    """The kinds of objects; one suffices if the request names none. Sessions and passkeys belong to users only."""
    if not endpoint.about:
        return ("missing",)
    has_own = caller.identity == USER or endpoint.state not in {SESSION, PASSKEY}
    return OBJECTS if has_own else OBJECTS[1:]
