from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from kernel.errors import Denied, Invalid, RecentAuthRequired
from keys.access import services as access
from keys.creation import services as creation
from keys.deletion import services as deletion
from keys.editing import services as editing
from keys.rotation.services import rotating
from keys.states import services as states
from keys.transport.services import exporting

pytestmark = pytest.mark.django_db

ORDERS = {
    "keys.create": [(creation.create_key, {"name": "my-key", "algorithm": "aes-256"})],
    "keys.update": [(editing.update_key, {"changes": {}})],
    "keys.rotate": [(rotating.rotate_key, {"reason": "test"})],
    "keys.revoke": [(states.revoke_key, {"reason": "test"})],
    "keys.disable": [
        (states.activate_key, {"reason": "test"}),
        (states.disable_key, {"reason": "test"}),
        (states.enable_key, {"reason": "test"}),
        (states.disable_version, {"version": 1, "reason": "test"}),
        (states.enable_version, {"version": 1, "reason": "test"}),
    ],
    "keys.destroy": [
        (deletion.schedule_deletion, {"reason": "test", "confirm_name": "a-key"}),
        (deletion.cancel_deletion, {"reason": "test"}),
        (deletion.schedule_version_destruction, {"version": 1, "reason": "test", "confirm_name": "a-key"}),
        (deletion.cancel_version_destruction, {"version": 1, "reason": "test"}),
    ],
    "keys.export": [(exporting.export_key, {"reason": "test", "is_private_connection": True})],
    "keys.grant": [
        (access.grant_key, {"request": None}),
        (access.remove_grant, {"grant_id": UUID(int=0)}),
    ],
}
WITH_REASON = [
    (service, fields) for each in ORDERS.values() for service, fields in each if "reason" in fields
]
IRREVERSIBLE = [
    (states.revoke_key, {"reason": "leak", "compromised": True}),
    (editing.update_key, {"changes": {"min_decryption_version": 2}}),
    (deletion.schedule_deletion, {"reason": "test", "confirm_name": "a-key"}),
    (deletion.schedule_version_destruction, {"version": 1, "reason": "test", "confirm_name": "a-key"}),
]


@pytest.fixture
def key(admin, new_key):
    """A key named ``a-key`` with two versions."""
    key = new_key(name="a-key")
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    return key


@pytest.mark.parametrize("word", list(ORDERS))
def test_a_user_who_calls_a_service_needs_its_permission(admin, key, word):
    lacking = replace(admin.principal, permissions=admin.principal.permissions - {word})
    for service, fields in ORDERS[word]:
        named = fields if service is creation.create_key else {**fields, "key_id": key.id}
        with pytest.raises(Denied, match=word):
            service(principal=lacking, **named)


@pytest.mark.parametrize(("service", "fields"), WITH_REASON)
def test_a_service_that_records_a_reason_needs_one(admin, key, service, fields):
    with pytest.raises(Invalid) as refusal:
        service(principal=admin.principal, key_id=key.id, **fields | {"reason": ""})
    assert set(refusal.value.fields) == {"reason"}


@pytest.mark.parametrize(("service", "fields"), IRREVERSIBLE)
def test_an_irreversible_change_needs_a_recent_sign_in(admin, key, service, fields):
    idle = replace(admin.principal, auth_time=admin.principal.auth_time - timedelta(minutes=11))
    with pytest.raises(RecentAuthRequired):
        service(principal=idle, key_id=key.id, **fields)
    service(principal=admin.principal, key_id=key.id, **fields)


def test_revoking_a_key_needs_no_recent_sign_in(admin, key):
    idle = replace(admin.principal, auth_time=admin.principal.auth_time - timedelta(minutes=11))
    assert states.revoke_key(principal=idle, key_id=key.id, reason="old").state == "deactivated"
