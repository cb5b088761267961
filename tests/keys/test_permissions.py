from dataclasses import replace
from datetime import timedelta

import pytest

from kernel.errors import Denied, RecentAuthRequired
from keys.creation import services as creation
from keys.editing import services as editing
from keys.rotation.services import rotating
from keys.states import services as states

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
}


@pytest.mark.parametrize("word", list(ORDERS))
def test_a_user_who_calls_a_service_needs_its_permission(admin, key, word):
    lacking = replace(admin.principal, permissions=admin.principal.permissions - {word})
    for service, fields in ORDERS[word]:
        named = fields if service is creation.create_key else {**fields, "key_id": key.id}
        with pytest.raises(Denied, match=word):
            service(principal=lacking, **named)


def test_marking_a_key_compromised_needs_a_recent_sign_in(admin, key):
    idle = replace(admin.principal, auth_time=admin.principal.auth_time - timedelta(minutes=11))
    with pytest.raises(RecentAuthRequired):
        states.revoke_key(principal=idle, key_id=key.id, reason="leak", compromised=True)
    assert states.revoke_key(principal=idle, key_id=key.id, reason="old").state == "deactivated"
