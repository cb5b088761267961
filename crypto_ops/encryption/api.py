"""The REST interface to encryption: translate, call one function, render."""

from functools import partial

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions
from crypto_ops.deciding.api import EngineView
from crypto_ops.deciding.services import perform
from crypto_ops.deciding.wire import Codec
from crypto_ops.encryption import serializers, wire
from crypto_ops.encryption.services.messages import InspectRequest
from crypto_ops.items.api import BatchView, MessageView
from crypto_ops.items.wire import encode_batch
from kernel.http.context import set_audit_object
from kernel.rest.fields import represent
from kernel.rules import Rule


class EncryptView(MessageView):
    """Encrypt a message with a named key, or with the caller's default key."""

    rules = {"POST": Rule("crypto.encrypt", actions.MESSAGE_ENCRYPTED)}
    codec = Codec(wire.Encrypt, wire.encrypt_request, wire.encrypted, serializers.EncryptedSerializer)


class DecryptView(MessageView):
    """Decrypt a message, given as one ciphertext or in its parts."""

    rules = {"POST": Rule("crypto.decrypt", actions.MESSAGE_DECRYPTED)}
    codec = Codec(wire.Decrypt, wire.decrypt_request, wire.decrypted, serializers.DecryptedSerializer)


class EncryptBatchView(BatchView):
    """Encrypt up to 1,000 messages under one key. Each result is a ciphertext or a separate problem."""

    rules = {"POST": Rule("crypto.encrypt", actions.MESSAGE_ENCRYPTED)}
    codec = Codec(
        wire.EncryptBatch,
        wire.encrypt_batch,
        partial(encode_batch, member="ciphertext"),
        serializers.EncryptedBatchSerializer,
    )


class DecryptBatchView(BatchView):
    """Decrypt up to 1,000 messages of one key. Each result is a plaintext or a separate problem."""

    rules = {"POST": Rule("crypto.decrypt", actions.MESSAGE_DECRYPTED)}
    codec = Codec(
        wire.DecryptBatch,
        wire.decrypt_batch,
        partial(encode_batch, member="data"),
        serializers.DecryptedBatchSerializer,
    )


class InspectView(EngineView):
    """Describe a ciphertext: its key, the state of that key, and whether you can decrypt it. Nothing is decrypted."""

    rules = {"POST": Rule("crypto.inspect", actions.MESSAGE_INSPECTED)}

    @extend_schema(request=serializers.InspectSerializer, responses=serializers.InspectionSerializer)
    def post(self, _request: Request) -> Response:
        envelope = self.read(serializers.InspectSerializer)["ciphertext"]
        set_audit_object(self.request, "key", str(envelope.key_id))
        inspection = perform(InspectRequest(envelope=envelope), self.principal)
        return Response(represent(serializers.InspectionSerializer, inspection))
