"""``within_reach_of``, the keyring and ``authorize`` decide alike about every caller and key, as the table declares."""

from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

import pytest

from accounts.authorization import READ_KEYS, authorize, is_within_reach
from accounts.roles import PERMISSIONS
from accounts.service_accounts.services.tokens import scopes_for
from kernel.clock import database_now
from kernel.errors import Denied, NotFound
from keys.models import Key, KeyGrant
from keys.ring import keyring
from tests.authorisation import ALL, CALLERS, SERVICE_ACCOUNT, TOKEN, USER, People, compare
from tests.authorisation import PERMISSIONS as REACH
from tests.factories import KeyFactory
from tests.personas import ELSEWHERE, with_token

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

ENCRYPT = "crypto.encrypt"
HERE = "192.0.2.1"
# Of each key: whether a developer sees it, and the rule about encrypting; "grant" stands for the id of a grant.
OWN = "own"
DEVELOPERS = {
    OWN: (True, "owner"),
    "of another": (False, "no-grant"),
    "granted": (True, "grant"),
    "granted to the role": (True, "grant"),
    "granted on a tag": (True, "grant"),
    "granted on a tag to the role": (True, "grant"),
    "grant expired": (False, "no-grant"),
    "grant for another network": (True, "no-grant"),
    "grant of another operation": (True, "no-grant"),
}
SESSION, ALL_SCOPES, NO_READING = "session", "token", "token without reading"
THESE_KEYS, OTHER_KEY = "token for these keys", "token for another key"
CREDENTIALS = {
    USER: (SESSION, ALL_SCOPES, NO_READING, THESE_KEYS, OTHER_KEY),
    SERVICE_ACCOUNT: (ALL_SCOPES, NO_READING, THESE_KEYS, OTHER_KEY),
}


def declared(role, credential, kind):
    """Whether the key is visible, whether its metadata may be read, and the rule about encrypting."""
    sees, rule = DEVELOPERS[kind]
    if role != "developer":
        sees, rule = sees or REACH[READ_KEYS][role] == ALL, f"role:{role}"
    if credential == OTHER_KEY:
        return False, False, TOKEN if role in {"admin", "developer"} else rule
    return sees, sees and credential != NO_READING, rule


def test_every_caller_sees_and_uses_the_keys_that_the_table_declares(admin, record_property):
    people = People()
    accounts = {caller: people.account(caller.role, caller.identity) for caller in CALLERS[1:]}
    keys = {kind: create(admin, kind, tags=[kind]) for kind in DEVELOPERS if kind != OWN}
    for caller, account in accounts.items():
        give(keys, caller, account)
    outcomes = {}
    for caller, account in accounts.items():
        of_caller = {OWN: create(account, OWN), **keys}
        for credential in CREDENTIALS[caller.identity]:
            found = decisions(principal_with(credential, account, of_caller), of_caller, admin.principal)
            for kind, outcome in found.items():
                outcomes[caller, credential, kind] = outcome, declared(caller.role, credential, kind)
    compare(outcomes, record_property)


def create(owner, name, **facts):
    creator = replace(owner.principal, permissions=PERMISSIONS)  # as if the owner had had another role before
    return KeyFactory(principal=creator, name=f"{name.replace(' ', '-')}-{owner.user.id}"[:64], **facts)


def give(keys, caller, account):
    """Create the grants to the caller and to their role."""
    now = database_now()
    holder = {"principal_type": caller.identity, "principal_id": str(account.user.id)}
    role = {"principal_type": "role", "principal_id": caller.role}
    for grant in (
        KeyGrant(key=keys["granted"], **holder),
        KeyGrant(key=keys["granted to the role"], **role),
        KeyGrant(tag="granted on a tag", **holder),
        KeyGrant(tag="granted on a tag to the role", **role),
        KeyGrant(key=keys["grant expired"], expires_at=now, **holder),
        KeyGrant(key=keys["grant for another network"], networks=[f"{ELSEWHERE}/32"], **holder),
        KeyGrant(key=keys["grant of another operation"], operations=["crypto.decrypt"], **holder),
    ):
        grant.operations = grant.operations or [ENCRYPT]
        grant.created_at = now
        grant.save_with_mac()


def principal_with(credential, account, keys):
    scopes = scopes_for(account.user.rights)
    match credential:
        case "session":
            return account.principal
        case "token without reading":
            return with_token(account, scopes - {READ_KEYS}).principal
        case "token for these keys":
            return with_token(account, scopes, key_ids=[key.id for key in keys.values()]).principal
        case "token for another key":
            return with_token(account, scopes, key_ids=[uuid4()]).principal
    return with_token(account, scopes).principal


def decisions(principal, keys, reader):
    """The decision of each place about each key; the first three must agree."""
    visible, now, found = set(Key.objects.within_reach_of(principal)), database_now(), {}
    for kind, key in keys.items():
        entry = keyring.find(key.id, reader)
        assert is_within_reach(principal, entry, now) == (key in visible) == is_in_keyring(key.id, principal)
        reading = authorize(principal, READ_KEYS, entry, now=now)
        rule = authorize(principal, ENCRYPT, entry, now=now, client_ip=HERE).rule
        without_id = next((word for word in ("grant", TOKEN) if rule.startswith(word)), rule)
        found[kind] = (key in visible, reading.is_allowed, without_id)
    return found


def is_in_keyring(key_id, principal):
    with suppress(NotFound, Denied):
        return bool(keyring.find(key_id, principal))
    return False
