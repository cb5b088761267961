"""The REST interface to encryption: translate, call one function, render."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions
from crypto_ops.deciding.api import OperationView
from crypto_ops.encryption import serializers, wire
from crypto_ops.encryption.services import batches, messages
from crypto_ops.items.api import BatchView, MessageView
from crypto_ops.items.wire import answer_of
from kernel.crypto.encoding import encode_base64
from kernel.http.context import set_audit_object
from kernel.rest.derived import serializer_of
from kernel.rest.fields import represent
from kernel.rules import Rule


class EncryptView(MessageView):
    """Encrypt a message with a named key, or with the caller's default key."""

    rules = {"POST": Rule("crypto.encrypt", actions.MESSAGE_ENCRYPTED)}

    @extend_schema(request=serializer_of(wire.Encrypt), responses=serializers.EncryptedSerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read_request(wire.Encrypt, wire.encrypt_request)
        return Response(represent(serializers.EncryptedSerializer, messages.encrypt(wanted, self.principal)))


class DecryptView(MessageView):
    """Decrypt a message, given as one ciphertext or in its parts."""

    rules = {"POST": Rule("crypto.decrypt", actions.MESSAGE_DECRYPTED)}

    @extend_schema(request=serializer_of(wire.Decrypt), responses=serializers.DecryptedSerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read_request(wire.Decrypt, wire.decrypt_request)
        return Response(represent(serializers.DecryptedSerializer, messages.decrypt(wanted, self.principal)))


class EncryptBatchView(BatchView):
    """Encrypt up to 1,000 messages under one key. Each result is a ciphertext or a separate problem."""

    rules = {"POST": Rule("crypto.encrypt", actions.MESSAGE_ENCRYPTED)}

    @extend_schema(request=serializer_of(wire.EncryptBatch), responses=serializers.EncryptedBatchSerializer)
    def post(self, _request: Request) -> Response:
        message, wanted = self.read_batch(wire.EncryptBatch, wire.encrypt_batch)
        batch = batches.encrypt_batch(wanted, self.principal)
        return Response(answer_of(batch, message, member="ciphertext"))


class DecryptBatchView(BatchView):
    """Decrypt up to 1,000 messages of one key. Each result is a plaintext or a separate problem."""

    rules = {"POST": Rule("crypto.decrypt", actions.MESSAGE_DECRYPTED)}

    @extend_schema(request=serializer_of(wire.DecryptBatch), responses=serializers.DecryptedBatchSerializer)
    def post(self, _request: Request) -> Response:
        message, wanted = self.read_batch(wire.DecryptBatch, wire.decrypt_batch)
        batch = batches.decrypt_batch(wanted, self.principal)
        return Response(answer_of(batch, message, member="data"))


class InspectView(OperationView):
    """Describe a ciphertext: its key, the state of that key, and whether you can decrypt it. Nothing is decrypted."""

    rules = {"POST": Rule("crypto.inspect", actions.MESSAGE_INSPECTED)}

    @extend_schema(request=serializers.InspectSerializer, responses=serializers.InspectionSerializer)
    def post(self, _request: Request) -> Response:
        envelope = self.read(serializers.InspectSerializer)["ciphertext"]
        set_audit_object(self.request, "key", str(envelope.key_id))
        inspection = messages.inspect(principal=self.principal, envelope=envelope)
        self.require_current_rights()
        return Response(represent(serializers.InspectionSerializer, inspection))


class RandomView(OperationView):
    """Random bytes."""

    rules = {"POST": Rule("crypto.random", actions.RANDOM_GENERATED)}

    @extend_schema(request=serializers.RandomSerializer, responses=serializers.GeneratedSerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read(serializers.RandomSerializer)
        content = messages.generate_random(wanted["bytes"], self.principal)
        text = content.hex() if wanted["format"] == "hex" else encode_base64(content)
        return Response({"data": text, "bytes": wanted["bytes"], "format": wanted["format"]})
