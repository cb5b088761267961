"""The authorization decision alone, without a database: each rule, and the order of the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from accounts.authorization import (
    OWNER,
    Grant,
    TokenLimits,
    Verdict,
    authorize,
    is_within_reach,
)
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.roles import ROLES
from kernel.http.addresses import Networks
from kernel.identities import Identity

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(microseconds=1)
CALLER, OTHER = UUID(int=1), UUID(int=2)
KEY, OTHER_KEY, TOKEN = UUID(int=3), UUID(int=4), UUID(int=5)
ANYWHERE, OFFICE = Networks(), Networks(("192.0.2.0/24",))
NO_GRANT = Verdict(False, "no-grant")
NOBODY = Identity.user(OTHER)


@dataclass(frozen=True)
class Protected:
    owner: Identity = NOBODY
    grants: Mapping[str, Sequence[Grant]] = field(default_factory=dict)
    protected_id: UUID = KEY


def caller(role="developer", limits=None, permissions=None):
    return Principal(
        actor=Origin(client_ip="", user_agent="", request_id="").user(CALLER, "somebody"),
        identity=Identity.user(CALLER),
        rights=ROLES[role],
        permissions=ROLES[role].permissions if permissions is None else frozenset(permissions),
        limits=limits,
    )


def token(*scopes, key_ids=None):
    return TokenLimits(TOKEN, frozenset(scopes), key_ids and frozenset(key_ids), ANYWHERE)


def grant(*operations, ends_at=None, networks=ANYWHERE, rule="grant:1"):
    return Grant(Verdict(True, rule, ends_at), frozenset(operations), networks)


def granted(*grants, holder=CALLER):
    return Protected(grants={Identity.user(holder).entity if isinstance(holder, UUID) else holder: grants})


def test_without_an_object_the_role_decides():
    assert authorize(caller(), "keys.create") == Verdict(True, "role:developer")
    assert authorize(caller(), "keys.revoke") == Verdict(False, "role:developer")
    assert authorize(caller("auditor"), "keys.create") == Verdict(False, "role:auditor")


def test_a_token_without_the_scope_is_refused_by_its_own_rule():
    scoped = caller(limits=token("keys.read"), permissions=["keys.read"])
    assert authorize(scoped, "crypto.encrypt") == Verdict(False, f"token:{TOKEN}")
    assert authorize(scoped, "keys.revoke") == Verdict(False, "role:developer")  # no scope would help


def test_a_token_reaches_only_its_keys():
    own = Protected(owner=Identity.user(CALLER))
    for role in ("admin", "developer"):
        limited = caller(role, token(key_ids=[KEY]))
        assert authorize(limited, "crypto.encrypt", own).is_allowed
        elsewhere = replace(own, protected_id=OTHER_KEY)
        assert authorize(limited, "crypto.encrypt", elsewhere) == Verdict(False, f"token:{TOKEN}")
        assert not is_within_reach(limited, elsewhere, NOW)
    assert authorize(caller(limits=token()), "crypto.encrypt", own) == OWNER


def test_a_role_that_sees_all_needs_no_grant():
    assert authorize(caller("admin"), "crypto.encrypt", Protected()) == Verdict(True, "role:admin")
    assert authorize(caller("operator"), "keys.rotate", Protected()) == Verdict(True, "role:operator")


def test_an_owner_needs_no_grant_and_others_do():
    assert authorize(caller(), "crypto.encrypt", Protected(owner=Identity.user(CALLER))) == OWNER
    assert authorize(caller(), "crypto.encrypt", Protected()) == NO_GRANT
    assert not NO_GRANT.is_allowed
    assert Verdict(True, "owner") == OWNER


@pytest.mark.parametrize("holder", [CALLER, "role:developer"])
def test_a_grant_to_the_caller_or_their_role_allows_its_operations(holder):
    given = grant("crypto.encrypt")
    protected = granted(given, holder=holder)
    assert authorize(caller(), "crypto.encrypt", protected) == given.verdict
    assert authorize(caller(), "crypto.decrypt", protected) == NO_GRANT
    assert authorize(caller(), "keys.read", protected) == given.verdict


@pytest.mark.parametrize("holder", [OTHER, "role:admin", "developer"])
def test_a_grant_to_another_allows_nothing(holder):
    protected = granted(grant("crypto.encrypt"), holder=holder)
    assert authorize(caller(), "crypto.encrypt", protected) == NO_GRANT
    assert not is_within_reach(caller(), protected, NOW)


def test_the_first_grant_that_covers_the_operation_decides():
    protected = granted(
        grant("crypto.sign"), grant("crypto.encrypt", rule="grant:2"), grant("crypto.encrypt")
    )
    assert authorize(caller(), "crypto.encrypt", protected).rule == "grant:2"


def test_a_grant_ends_at_its_very_moment():
    protected = granted(grant("crypto.encrypt", ends_at=NOW))
    before = NOW - timedelta(microseconds=1)
    for permission in ("crypto.encrypt", "keys.read"):
        assert authorize(caller(), permission, protected, now=before) == Verdict(True, "grant:1", NOW)
        assert authorize(caller(), permission, protected, now=NOW) == NO_GRANT
        assert authorize(caller(), permission, protected) == NO_GRANT  # at an unknown time
    assert is_within_reach(caller(), protected, before)
    assert not is_within_reach(caller(), protected, NOW)


def test_a_grant_for_a_network_allows_use_from_there_and_reading_from_everywhere():
    protected = granted(grant("crypto.encrypt", networks=OFFICE))
    assert authorize(caller(), "crypto.encrypt", protected, client_ip="192.0.2.7").is_allowed
    for elsewhere in ("198.51.100.7", ""):
        assert authorize(caller(), "crypto.encrypt", protected, client_ip=elsewhere) == NO_GRANT
        assert authorize(caller(), "keys.read", protected, client_ip=elsewhere).is_allowed
    assert is_within_reach(caller(), protected, NOW)


def test_a_token_needs_no_scope_for_reading_to_reach_a_key():
    scoped = caller(limits=token("crypto.encrypt"), permissions=["crypto.encrypt"])
    assert is_within_reach(scoped, granted(grant("crypto.encrypt")), NOW)
    assert not authorize(scoped, "keys.read", granted(grant("crypto.encrypt"))).is_allowed
