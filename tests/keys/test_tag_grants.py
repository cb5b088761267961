"""A tag for which a grant exists decides who may use a key, so changing it needs the permission to grant."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from django.db import connection, transaction

from accounts.roles import PERMISSIONS
from kernel.clock import database_now
from kernel.errors import Denied, NotFound, VersionConflict
from keys.access import services as access
from keys.access.services import GrantRequest
from keys.editing import services as editing
from keys.models import Key
from keys.rotation.services import succession
from keys.transport.services import importing
from keys.transport.services.importing import ImportRequest
from tests.browsing import signed_in, text
from tests.keys.test_grants import as_version_one, use
from tests.personas import b64, with_token

pytestmark = pytest.mark.django_db

EVERYONE = GrantRequest(principal_type="role", principal_id="developer", operations=["encrypt", "decrypt"])


@pytest.fixture
def granted(admin):
    """The grant on the tag ``billing``."""
    return access.grant_tag(principal=admin.principal, tag="billing", request=EVERYONE)


def without_grant(admin):
    """A principal with every permission on all keys but ``keys.grant``."""
    return replace(admin.principal, permissions=PERMISSIONS - {"keys.grant"})


def patch(principal, key, *tags):
    return editing.update_key(principal=principal, key_id=key.id, changes={"tags": list(tags)})


def test_a_token_that_may_only_update_gives_no_one_a_key(admin, developer, key, granted):
    only_updates = with_token(admin, ["keys.update"], key_ids=[key.id])
    response = only_updates.api.patch(f"/api/v1/keys/{key.id}", {"tags": ["billing"]})
    assert (response.status, response.code, list(response.json["errors"])) == (
        403,
        "permission_denied",
        ["tags"],
    )
    rule = f"token:{only_updates.principal.limits.token_id}"
    assert (response.json["permission"], response.json["rule"]) == ("keys.grant", rule)
    with pytest.raises(NotFound):
        use(developer.principal, key, "decrypt")
    assert Key.objects.get(pk=key.pk).tags == []


def test_a_token_that_may_grant_is_refused_only_if_it_is_limited_to_keys(admin, key, granted):
    scopes = ["keys.update", "keys.grant"]
    limited = with_token(admin, scopes, key_ids=[key.id]).principal
    with pytest.raises(Denied) as refused:
        patch(limited, key, "billing")
    assert refused.value.extra == {"permission": "keys.grant", "rule": limited.limits.rule}
    assert patch(with_token(admin, scopes).principal, key, "billing").tags == ["billing"]
    with pytest.raises(Denied):
        patch(with_token(admin, scopes, key_ids=[key.id]).principal, key)


def succeed(principal, new_key):
    old = new_key(tags=["billing"])
    successor = succession.Successor(name="successor")
    return succession.succeed_key(principal=principal, key_id=old.id, successor=successor, reason="test")


def imported(principal, _):
    material = ImportRequest(
        name="imported",
        algorithm="aes-256",
        format="raw",
        material=b64(bytes(range(32))),
        is_private_connection=True,
    )
    return importing.import_key(principal=principal, request=material, tags=["billing"])


def changed_in_bulk(principal, new_key, *, adds):
    key = new_key(tags=[] if adds else ["billing"])
    [result] = editing.change_tag(principal=principal, keys=[key], tag="billing", adds=adds)
    if result.error is not None:
        raise result.error


WAYS = {
    "add": lambda principal, new_key: patch(principal, new_key(tags=["eu"]), "eu", "billing"),
    "remove": lambda principal, new_key: patch(principal, new_key(tags=["eu", "billing"]), "eu"),
    "add in bulk": lambda principal, new_key: changed_in_bulk(principal, new_key, adds=True),
    "remove in bulk": lambda principal, new_key: changed_in_bulk(principal, new_key, adds=False),
    "create": lambda principal, new_key: new_key(principal=principal, tags=["billing"]),
    "import": imported,
    "succeed": succeed,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_change_the_tags_needs_the_permission_to_grant(admin, new_key, granted, way):
    before = Key.objects.count()
    with pytest.raises(Denied) as refused, transaction.atomic():
        WAYS[way](without_grant(admin), new_key)
    assert refused.value.fields.keys() == {"tags"}
    assert Key.objects.count() == before
    WAYS[way](admin.principal, new_key)


def test_other_tags_and_their_order_change_without_it(admin, new_key, granted):
    key = new_key(tags=["eu", "billing"])
    for tags in (["billing", "eu"], ["billing", "Billing", "test"], ["billing"]):
        assert patch(without_grant(admin), key, *tags).tags == tags


def test_a_grant_that_has_ended_protects_no_tag(admin, key, granted):
    granted.expires_at = database_now() + timedelta(hours=1)
    granted.save_with_mac()
    with pytest.raises(Denied), transaction.atomic():
        patch(without_grant(admin), key, "billing")
    granted.expires_at = database_now()
    granted.save_with_mac()
    lasting = access.grant_tag(
        principal=admin.principal, tag="billing", request=replace(EVERYONE, principal_id="admin")
    )
    with pytest.raises(Denied), transaction.atomic():
        patch(without_grant(admin), key, "billing")
    lasting.delete()
    with time_machine.travel(granted.expires_at, tick=False):
        assert patch(without_grant(admin), key, "billing").tags == ["billing"]


def test_tags_that_no_mac_proves_are_added_by_setting_them(admin, developer, new_key, granted):
    key = new_key(tags=["billing"])
    as_version_one(key)
    with pytest.raises(Denied), transaction.atomic():
        patch(without_grant(admin), key, "billing")
    patch(admin.principal, key, "billing")
    use(developer.principal, key)


@pytest.mark.parametrize("tags", [[], ["eu"]])
def test_tags_that_became_unproven_since_the_page_was_shown_stay(admin, new_key, tags):
    seen = new_key(tags=tags)
    Key.objects.filter(pk=seen.pk).update(tags=["eu"])
    as_version_one(seen)
    [result] = editing.change_tag(principal=admin.principal, keys=[seen], tag="billing", adds=True)
    assert isinstance(result.error, VersionConflict)
    assert Key.objects.get(pk=seen.pk).tags == ["eu"]


def test_the_page_shows_the_refusal_at_the_tags(developer, granted):
    sent = {"name": "tagged", "algorithm": "aes-256", "tags": "billing"}
    response = signed_in(developer).post("/keys/new", sent)
    assert response.status_code == 422
    assert 'id="id_tags_error">A grant exists on a tag' in text(response)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["add", "create"])
def test_a_change_that_waits_for_a_grant_sees_it(admin, new_key, way):
    key = new_key()

    def change():
        try:
            if way == "add":
                patch(without_grant(admin), key, "billing")
            else:
                new_key(principal=without_grant(admin), tags=["billing"])
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            access.grant_tag(principal=admin.principal, tag="billing", request=EVERYONE)
            changing = pool.submit(change)
            with pytest.raises(TimeoutError):
                changing.result(0.3)
        with pytest.raises(Denied):
            changing.result()
