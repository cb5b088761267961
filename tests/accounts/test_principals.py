from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from accounts.authorization import TokenLimits
from accounts.origin import Origin
from accounts.principals import AnonymousPrincipal, Principal, user_entity
from accounts.roles import PERMISSIONS, ROLES
from kernel.errors import Denied, RecentAuthRequired, SecondFactorRequired, Unauthenticated
from kernel.http.addresses import Networks
from kernel.identities import Identity

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
TOKEN, KEY = UUID(int=1), UUID(int=2)


def limits(key_ids=None):
    return TokenLimits(TOKEN, frozenset(), key_ids, Networks())


def person(role, auth_time=NOW, **changes):
    user_id = uuid4()
    actor = Origin(client_ip="", user_agent="", request_id="").user(user_id, "somebody")
    return Principal(
        actor=actor,
        identity=Identity.user(user_id),
        rights=ROLES[role],
        auth_time=auth_time,
        **{"permissions": ROLES[role].permissions, **changes},
    )


def test_a_denial_names_the_missing_permission_and_who_has_it():
    developer = person("developer")
    developer.require("keys.create")
    assert developer.has_permission("keys.create")
    assert not developer.has_permission("keys.revoke")
    with pytest.raises(Denied, match=r"keys\.revoke") as refusal:
        developer.require("keys.revoke")
    assert refusal.value.extra == {
        "permission": "keys.revoke",
        "rule": "role:developer",
    }
    with pytest.raises(Denied):
        person("operator").scope("crypto.encrypt")


def test_a_token_is_refused_for_a_scope_that_it_lacks_or_for_its_role():
    scoped = person("developer", permissions=frozenset({"keys.read"}), limits=limits())
    with pytest.raises(Denied, match="does not have the scope encrypt") as refusal:
        scoped.require("crypto.encrypt")
    assert refusal.value.extra == {"permission": "crypto.encrypt", "rule": f"token:{TOKEN}"}
    with pytest.raises(Denied, match="You need the permission"):
        scoped.require("keys.revoke")


def test_a_required_second_factor_comes_before_every_permission():
    with pytest.raises(SecondFactorRequired):
        person("admin", must_enrol=True, permissions=frozenset()).require("keys.read")


def test_the_scope_is_own_or_all():
    assert person("developer").scope("keys.read") == "own"
    assert person("auditor").scope("keys.read") == "all"
    assert person("admin", limits=limits()).scope("keys.read") == "all"
    limited = person("admin", limits=limits(frozenset({KEY})))
    assert [limited.scope(word) for word in ("keys.read", "crypto.encrypt", "users.read")] == [
        "own",
        "own",
        "all",
    ]


def test_a_person_is_a_user_without_a_token():
    user = person("developer")
    assert user.person_id == user.user_id == user.credential_id == user.identity.id
    assert user_entity(user.person_id) == user.identity.entity == f"user:{user.person_id}"
    with_token = person("developer", limits=limits())
    assert with_token.credential_id == TOKEN
    with pytest.raises(Denied) as refusal:
        _ = with_token.person_id
    assert refusal.value.extra == {"rule": "person"}


def test_the_system_may_do_everything_and_is_no_person():
    system = Principal.system("rotate_keys", "command")
    assert all(system.scope(word) == "all" for word in PERMISSIONS)
    assert (system.user_id, system.actor.actor_name, system.actor.source) == (None, "rotate_keys", "command")
    with pytest.raises(Denied):
        _ = system.person_id


def test_an_operation_that_needs_a_recent_sign_in_refuses_an_old_one():
    person("admin", NOW - timedelta(minutes=10)).require_recent_sign_in(NOW)
    with pytest.raises(RecentAuthRequired):
        person("admin", NOW - timedelta(minutes=10, seconds=1)).require_recent_sign_in(NOW)
    with pytest.raises(RecentAuthRequired, match="Sign in again"):
        person("admin", None).require_recent_sign_in(NOW)
    with pytest.raises(RecentAuthRequired, match="service token"):
        person("admin", None, limits=limits()).require_recent_sign_in(NOW)
    Principal.system("x", "command").require_recent_sign_in(NOW)


def test_an_anonymous_principal_may_do_nothing():
    nobody = AnonymousPrincipal()
    assert person("auditor").is_authenticated
    assert not nobody.is_authenticated
    assert not nobody.has_permission("keys.read")
    assert not nobody.must_enrol
    for ask in (nobody.require, nobody.scope):
        with pytest.raises(Unauthenticated):
            ask("keys.read")


def test_a_principal_cannot_be_changed():
    with pytest.raises(AttributeError):
        person("developer").permissions = frozenset()
