"""The REST interface to encryption: translate, call one function, render."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions
from crypto_ops.deciding.api import OperationView
from crypto_ops.encryption import serializers
from crypto_ops.encryption.items import messages_of, sealed_item_of
from crypto_ops.encryption.services import batches, messages
from crypto_ops.encryption.services.batches import DecryptBatch, EncryptBatch
from crypto_ops.encryption.services.messages import DecryptRequest, EncryptRequest
from crypto_ops.items.api import BatchView, references_of
from crypto_ops.items.wire import answer_of
from kernel.crypto.aead import Sealed
from kernel.crypto.encoding import encode_base64
from kernel.http.context import set_audit_object
from kernel.rest.fields import represent
from kernel.rules import Rule
from keys.reading.rest_references import KeyReferenceView


class EncryptView(OperationView, KeyReferenceView):
    """Encrypt a message with a named key, or with the caller's default key."""

    rules = {"POST": Rule("crypto.encrypt", actions.MESSAGE_ENCRYPTED)}

    @extend_schema(request=serializers.EncryptSerializer, responses=serializers.EncryptedSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(serializers.EncryptSerializer)
        wanted = _encrypt_request(attrs, _key_id(self, attrs))
        return Response(represent(serializers.EncryptedSerializer, messages.encrypt(wanted, self.principal)))


class DecryptView(OperationView, KeyReferenceView):
    """Decrypt a message, given as one ciphertext or in its parts."""

    rules = {"POST": Rule("crypto.decrypt", actions.MESSAGE_DECRYPTED)}

    @extend_schema(request=serializers.DecryptSerializer, responses=serializers.DecryptedSerializer)
    def post(self, _request: Request) -> Response:
        wanted = _decrypt_request(self, self.read(serializers.DecryptSerializer))
        return Response(represent(serializers.DecryptedSerializer, messages.decrypt(wanted, self.principal)))


class EncryptBatchView(BatchView):
    """Encrypt up to 1,000 messages under one key. Each result is a ciphertext or a separate problem."""

    rules = {"POST": Rule("crypto.encrypt", actions.MESSAGE_ENCRYPTED)}

    @extend_schema(request=serializers.EncryptBatchSerializer, responses=serializers.EncryptedBatchSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read_batch(serializers.EncryptBatchSerializer)
        wanted = EncryptBatch(
            mode=attrs["mode"],
            items=messages_of((item["data"], item.get("aad", "")) for item in attrs["items"]),
            key_id=_key_id(self, attrs),
            key_version=attrs.get("key_version"),
        )
        batch = batches.encrypt_batch(wanted, self.principal)
        return Response(answer_of(batch, references_of(attrs), member="ciphertext"))


class DecryptBatchView(BatchView):
    """Decrypt up to 1,000 messages of one key. Each result is a plaintext or a separate problem."""

    rules = {"POST": Rule("crypto.decrypt", actions.MESSAGE_DECRYPTED)}

    @extend_schema(request=serializers.DecryptBatchSerializer, responses=serializers.DecryptedBatchSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read_batch(serializers.DecryptBatchSerializer)
        wanted = _decrypt_batch(attrs, self.key_id_of(attrs["key_id"]))
        batch = batches.decrypt_batch(wanted, self.principal)
        return Response(answer_of(batch, references_of(attrs), member="data"))


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


def _key_id(view: KeyReferenceView, attrs: dict[str, Any]) -> UUID | None:
    """The id of the key that the body names; None if it names none. Raises NotFound."""
    return view.key_id_of(attrs["key_id"]) if "key_id" in attrs else None


def _encrypt_request(attrs: dict[str, Any], key_id: UUID | None) -> EncryptRequest:
    return EncryptRequest(
        mode=attrs["mode"],
        plaintext=attrs["data"],
        key_id=key_id,
        key_version=attrs.get("key_version"),
        aad=attrs.get("aad", b""),
    )


def _decrypt_request(view: KeyReferenceView, attrs: dict[str, Any]) -> DecryptRequest:
    aad = attrs.get("aad", b"")
    if "ciphertext" in attrs:
        envelope = attrs["ciphertext"]
        view.key_id_of(envelope.key_id)
        return DecryptRequest.of_envelope(envelope, aad)
    return DecryptRequest(
        mode=attrs["mode"],
        key_id=view.key_id_of(attrs["key_id"]),
        key_version=attrs.get("key_version"),
        sealed=Sealed(attrs["iv"], attrs["encrypted_data"], attrs["tag"]),
        aad=aad,
    )


def _decrypt_batch(attrs: dict[str, Any], key_id: UUID) -> DecryptBatch:
    return DecryptBatch(
        mode=attrs["mode"],
        key_id=key_id,
        items=[
            sealed_item_of(
                item["ciphertext"]
                if "ciphertext" in item
                else (item["encrypted_data"], item["iv"], item["tag"]),
                item.get("key_version"),
                item.get("aad", ""),
                mode=attrs["mode"],
            )
            for item in attrs["items"]
        ],
    )
