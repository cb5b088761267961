from dataclasses import replace
from datetime import timedelta

import pytest

from kernel.errors import Denied, RecentAuthRequired
from keys import services

pytestmark = pytest.mark.django_db

ORDERS = {
    "keys.create": [(services.create_key, {"name": "my-key", "algorithm": "aes-256"})],
    "keys.update": [(services.update_key, {"changes": {}})],
    "keys.rotate": [(services.rotate_key, {"reason": "test"})],
    "keys.revoke": [(services.revoke_key, {"reason": "test"})],
    "keys.disable": [
        (services.activate_key, {"reason": "test"}),
        (services.disable_key, {"reason": "test"}),
        (services.enable_key, {"reason": "test"}),
        (services.disable_version, {"version": 1, "reason": "test"}),
        (services.enable_version, {"version": 1, "reason": "test"}),
    ],
}


@pytest.mark.parametrize("word", list(ORDERS))
def test_a_user_who_calls_a_service_needs_its_permission(admin, key, word):
    lacking = replace(admin.principal, permissions=admin.principal.permissions - {word})
    for service, fields in ORDERS[word]:
        named = fields if service is services.create_key else {**fields, "key_id": key.id}
        with pytest.raises(Denied, match=word):
            service(principal=lacking, **named)


def test_marking_a_key_compromised_needs_a_recent_log_in(admin, key):
    idle = replace(admin.principal, auth_time=admin.principal.auth_time - timedelta(minutes=11))
    with pytest.raises(RecentAuthRequired):
        services.revoke_key(principal=idle, key_id=key.id, reason="leak", compromised=True)
    assert services.revoke_key(principal=idle, key_id=key.id, reason="old").state == "deactivated"
