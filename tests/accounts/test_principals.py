from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from accounts.origin import Origin
from accounts.principals import AnonymousPrincipal, Principal
from accounts.roles import PERMISSIONS, ROLES
from kernel.errors import Denied, RecentAuthRequired, Unauthenticated
from kernel.identities import Identity

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


def person(role, auth_time=NOW):
    user_id = uuid4()
    actor = Origin(client_ip="", user_agent="", request_id="").user(user_id, "somebody")
    return Principal(
        actor=actor, identity=Identity.user(user_id), role=role, permissions=ROLES[role], auth_time=auth_time
    )


def test_a_denial_names_the_missing_permission():
    with pytest.raises(Denied, match=r"keys\.revoke"):
        person("developer").require("keys.revoke")
    with pytest.raises(Denied):
        person("operator").scope("crypto.encrypt")


def test_the_scope_is_own_or_all():
    assert person("developer").scope("keys.read") == "own"
    assert person("auditor").scope("keys.read") == "all"


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
    with pytest.raises(RecentAuthRequired):
        person("admin", None).require_recent_sign_in(NOW)
    Principal.system("x", "command").require_recent_sign_in(NOW)


def test_an_anonymous_principal_may_do_nothing():
    nobody = AnonymousPrincipal()
    assert not nobody.is_authenticated
    for ask in (nobody.require, nobody.scope):
        with pytest.raises(Unauthenticated):
            ask("keys.read")


def test_a_principal_cannot_be_changed():
    with pytest.raises(AttributeError):
        person("developer").role = "admin"
