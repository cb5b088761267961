"""Transit keys: their creation, and the rights and rules of their settings."""

from dataclasses import replace

import pytest

from kernel.crypto.transit_types import TRANSIT_TYPES
from kernel.errors import Denied, Invalid, NotFound
from keys.models import Key, KeyVersion
from keys.transit.services import (
    configure_transit_key,
    create_transit_key,
    find_transit_key,
    rotate_transit_key,
)

pytestmark = pytest.mark.django_db


def create(principal, **settings):
    kind = TRANSIT_TYPES["aes256-gcm96"]
    return create_transit_key(principal=principal, mount="transit", name="orders", kind=kind, **settings)


def without_reading(persona):
    return replace(persona.principal, permissions=persona.principal.permissions - {"keys.read"})


@pytest.mark.parametrize("exportable", [False, True])
def test_a_new_key_is_protected_from_deletion_and_exportable_on_request(developer, exportable):
    key = create(developer.principal, exportable=exportable).key
    assert (key.exportable, key.deletion_protection) == (exportable, True)


def test_a_change_whose_response_the_caller_may_not_read_is_refused_before_it(developer, admin):
    with pytest.raises(Denied):
        create(without_reading(developer))
    assert not Key.objects.exists()
    key_id = create(admin.principal).key.id
    with pytest.raises(Denied):
        rotate_transit_key(principal=without_reading(admin), key_id=key_id, reason="a test")
    assert KeyVersion.objects.filter(key=key_id).count() == 1


def test_another_developer_cannot_find_a_key_by_its_id(admin, developer):
    key_id = create(admin.principal).key.id
    with pytest.raises(NotFound):
        find_transit_key(principal=developer.principal, key_id=key_id)


@pytest.mark.parametrize(("exportable", "wanted"), [(True, True), (True, False), (False, False)])
def test_exportable_stays_as_it_is(admin, exportable, wanted):
    key_id = create(admin.principal, exportable=exportable).key.id
    found = configure_transit_key(principal=admin.principal, key_id=key_id, changes={"exportable": wanted})
    assert found.key.exportable is exportable


def test_an_existing_key_cannot_become_exportable(admin):
    key_id = create(admin.principal).key.id
    with pytest.raises(Invalid, match="can only be set when a key is created"):
        configure_transit_key(principal=admin.principal, key_id=key_id, changes={"exportable": True})
    assert not Key.objects.get(id=key_id).exportable
