"""The part of the authorisation matrix about keys: ownership, grants and limits of the token, for every caller."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest

from accounts.models.roles import rights_of
from accounts.principals import KEY_WORDS, Principal
from accounts.roles import GRANTABLE, word_of
from accounts.service_accounts.services.tokens import scopes_for
from kernel.clock import database_now
from keys.editing import services as editing
from keys.models import Key
from tests.authorisation import (
    CALLERS,
    OWN,
    PERMISSIONS,
    ROUTES,
    SERVICE_ACCOUNT,
    TOKEN,
    USER,
    Caller,
    Outcome,
    People,
    changes_target,
    compare,
    outcome_of,
    send,
)
from tests.endpoints import ENDPOINTS, Route, make_target
from tests.factories import store_grant
from tests.personas import ELSEWHERE, with_token

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True)
class Kind:
    """A key, and what a caller whose role needs ownership or a grant may do with it.

    ``holder`` has a grant of all operations, unless other facts say less.
    """

    is_read: bool
    is_used: bool
    holder: str = ""
    is_own: bool = False
    is_on_tag: bool = False
    is_expired: bool = False
    is_for_elsewhere: bool = False
    is_of_other_operations: bool = False


GRANTED = "granted"
KINDS = {
    "own": Kind(True, True, is_own=True),
    "without a grant": Kind(False, False),
    GRANTED: Kind(True, True, "the caller"),
    "granted to the role": Kind(True, True, "the role"),
    "granted on a tag": Kind(True, True, "the caller", is_on_tag=True),
    "granted on a tag to the role": Kind(True, True, "the role", is_on_tag=True),
    "granted to another": Kind(False, False, "another"),
    "granted to another role": Kind(False, False, "another role"),
    "grant expired": Kind(False, False, "the caller", is_expired=True),
    "grant for another network": Kind(True, False, "the caller", is_for_elsewhere=True),
    "grant of other operations": Kind(True, False, "the caller", is_of_other_operations=True),
}
READ = {"keys.read", "crypto.inspect"}  # what reading the metadata includes
SESSION, TOKEN_OF_ALL = "session", "token"
ONE_SCOPE, OTHER_SCOPES = "token with this scope only", "token without this scope"
THIS_KEY, OTHER_KEY, OTHER_NETWORK = (
    "token for this key",
    "token for another key",
    "token for another network",
)
NO_KEY = UUID(int=1)
# The scopes and limits of each token, from all scopes of the role, the permission, and the key.
TOKENS = {
    TOKEN_OF_ALL: lambda scopes, _permission, _key_id: (scopes, {}),
    ONE_SCOPE: lambda scopes, permission, _key_id: (scopes & {permission}, {}),
    OTHER_SCOPES: lambda scopes, permission, _key_id: (scopes - {permission}, {}),
    THIS_KEY: lambda scopes, _permission, key_id: (scopes, {"key_ids": (key_id,)}),
    OTHER_KEY: lambda scopes, _permission, _key_id: (scopes, {"key_ids": (NO_KEY,)}),
    OTHER_NETWORK: lambda scopes, _permission, _key_id: (scopes, {"networks": (f"{ELSEWHERE}/32",)}),
}
CREDENTIALS = {USER: (SESSION, *TOKENS), SERVICE_ACCOUNT: tuple(TOKENS)}
ABOUT_KEYS = [
    (route, method)
    for route in ROUTES
    for method, endpoint in ENDPOINTS[route.name].items()
    if endpoint.about == "key"
]
SYSTEM = Principal.system("tests", "command")


class Cell(NamedTuple):
    """One request about a key: its caller and their credential."""

    route: Route
    method: str
    caller: Caller
    credential: str

    @property
    def endpoint(self):
        return ENDPOINTS[self.route.name][self.method]

    @property
    def reach(self):
        return PERMISSIONS[self.endpoint.permission].get(self.caller.role)

    def is_decided_by_one_fact(self, kind):
        """Whether ownership, a grant or the limit of a token decides alone, as far as grants decide at all."""
        is_plain = self.credential == CREDENTIALS[self.caller.identity][0]
        is_of_application = kind == GRANTED and self.caller.identity == SERVICE_ACCOUNT
        return self.reach == OWN and (is_plain or is_of_application)


def cells(kind):
    """Every combination. Where grants decide nothing, one kind of keys suffices."""
    for (route, method), caller in product(ABOUT_KEYS, CALLERS[1:]):
        for credential in CREDENTIALS[caller.identity]:
            cell = Cell(route, method, caller, credential)
            if cell.reach == OWN or kind == GRANTED:
                yield cell


def declared(kind, cell):
    """The response according to the table: the token's network decides first, then role, scope, keys, and grants."""
    if cell.reach is None and cell.credential != OTHER_NETWORK:
        return Outcome(403, f"role:{cell.caller.role}")
    is_about_keys = cell.endpoint.permission.startswith(
        KEY_WORDS
    )  # a token for some keys has only such scopes
    if cell.credential in {OTHER_NETWORK, OTHER_SCOPES} or (
        cell.credential in {THIS_KEY, OTHER_KEY} and not is_about_keys
    ):
        return Outcome(403, TOKEN)
    rule = cell.endpoint.not_by_token
    if rule and cell.credential != SESSION:
        return Outcome(403, rule)
    is_read, is_used = (KINDS[kind].is_read, KINDS[kind].is_used) if cell.reach == OWN else (True, True)
    if cell.credential == OTHER_KEY or not is_read:  # only the refusal of a token for this key gives a rule
        return Outcome(403, "no-grant") if cell.credential == THIS_KEY else Outcome(404)
    if is_used or cell.endpoint.permission in READ:
        return Outcome(cell.endpoint.status)
    return Outcome(403, "no-grant")


class Keys:
    """Targets of the kind, used again until a request changes them, and the accounts that send the requests."""

    def __init__(self, kind):
        self.kind = KINDS[kind]
        self.people = People()
        self.targets = {}
        self.senders = {}

    def outcome(self, cell):
        """The outcome of the request; None if no token has this credential."""
        target = self.target(cell)
        sender = self.sender(cell, target)
        if sender is None:
            return None
        response = send(sender, cell.route, cell.method, target)
        if changes_target(cell.method, cell.endpoint, response):
            self.targets.clear()
        return outcome_of(response, sender)

    def target(self, cell):
        word = word_of(cell.endpoint.permission) if self.kind.is_of_other_operations else ""
        place = (cell.caller, cell.endpoint.state, word)
        if place not in self.targets:
            owner = cell.caller if self.kind.is_own else Caller("stranger")
            target = make_target(self.people.account(owner.role, owner.identity), cell.endpoint.state)
            if self.kind.holder:
                self.give(target.key_id, cell.caller, set(GRANTABLE) - {word})
            self.targets[place] = target
        return self.targets[place]

    def sender(self, cell, target):
        account = self.people.account(cell.caller.role, cell.caller.identity)
        if cell.credential == SESSION:
            return account
        scopes, limits = TOKENS[cell.credential](
            scopes_for(rights_of(cell.caller.role)), cell.endpoint.permission, target.key_id
        )
        token = (cell.caller, scopes, *limits.values())
        if token not in self.senders:
            self.senders[token] = with_token(account, scopes, **limits) if scopes else None
        return self.senders[token]

    def give(self, key_id, caller, operations):
        """Create the grant on the key, or on a tag of it."""
        given = {
            **self.holder(caller),
            "operations": operations,
            "expires_at": database_now() + timedelta(hours=0 if self.kind.is_expired else 1),
            "networks": [f"{ELSEWHERE}/32"] if self.kind.is_for_elsewhere else [],
        }
        if self.kind.is_on_tag:
            tag = uuid4().hex
            editing.update_key(principal=SYSTEM, key_id=key_id, changes={"tags": [tag]})
            store_grant(tag=tag, **given)
        else:
            store_grant(key=Key.objects.get(pk=key_id), **given)

    def holder(self, caller):
        other_role = "auditor" if caller.role != "auditor" else "developer"
        match self.kind.holder:
            case "the role" | "another role" as role:
                name = caller.role if role == "the role" else other_role
                return {"principal_type": "role", "principal_id": name}
            case "another":
                caller = Caller("stranger", caller.identity)
        account = self.people.account(caller.role, caller.identity)
        return {"principal_type": caller.identity, "principal_id": str(account.user.id)}


@pytest.mark.parametrize("kind", KINDS)
def test_ownership_a_grant_or_the_limit_of_a_token_decides(kind, transactional_db, record_property):
    decide([cell for cell in cells(kind) if cell.is_decided_by_one_fact(kind)], kind, record_property)


@pytest.mark.sweep
@pytest.mark.postgresql  # the decision is in memory, and its condition for queries is compared on both databases
@pytest.mark.parametrize("kind", KINDS)
def test_both_decisions_are_equal_in_every_combination(kind, transactional_db, record_property):
    decide([cell for cell in cells(kind) if not cell.is_decided_by_one_fact(kind)], kind, record_property)


def decide(chosen, kind, record_property):
    keys = Keys(kind)
    found = {cell: keys.outcome(cell) for cell in chosen}
    compare({cell: (each, declared(kind, cell)) for cell, each in found.items() if each}, record_property)
