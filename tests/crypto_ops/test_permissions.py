from dataclasses import replace

import pytest

from crypto_ops.deciding import services as deciding
from crypto_ops.deciding.services import perform_measured
from crypto_ops.encryption.services.messages import DecryptRequest, EncryptRequest, InspectRequest
from crypto_ops.reencryption.services import one_message
from crypto_ops.reencryption.services.one_message import ReencryptRequest
from crypto_ops.reencryption.services.sources import MessageSource
from crypto_ops.secrets.services import random_bytes
from kernel.crypto.modes import SEALING_MODES
from kernel.errors import Denied
from tests.factories import KeyFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_user_who_calls_an_operation_needs_its_permission(admin):
    key = KeyFactory(name="permissions")
    order = EncryptRequest(mode=SEALING_MODES["aes-256-gcm"], plaintext=b"canary", key_id=key.id)
    envelope = perform_measured(order, admin.principal)
    operations = {
        "crypto.encrypt": lambda principal: perform_measured(order, principal),
        "crypto.decrypt": lambda principal: perform_measured(
            DecryptRequest.of_envelope(envelope, b""), principal
        ),
        "crypto.reencrypt": lambda principal: one_message.reencrypt(
            ReencryptRequest(source=MessageSource(request=DecryptRequest.of_envelope(envelope, b""))),
            principal,
        ),
        "crypto.inspect": lambda principal: deciding.perform(InspectRequest(envelope=envelope), principal),
        "crypto.random": lambda principal: random_bytes.generate_random(1, principal),
    }
    for word, perform in operations.items():
        perform(admin.principal)
        with pytest.raises(Denied, match=word):
            perform(replace(admin.principal, permissions=admin.principal.permissions - {word}))
