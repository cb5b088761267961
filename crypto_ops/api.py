"""The REST interface to the engine: translate, call one function, render."""

from typing import Any
from uuid import UUID

import django.db
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principals import Principal
from accounts.tokens.authentication import KnownBearerAuthentication, require_current_rights
from crypto_ops import actions, batches, engine, items, serializers, services
from crypto_ops.batches import DecryptBatch, EncryptBatch
from crypto_ops.requests import DecryptRequest, EncryptRequest, ReencryptRequest, cost_of
from kernel import throttle
from kernel.crypto.aead import Sealed
from kernel.crypto.encoding import encode_base64
from kernel.errors import DomainError, Unavailable
from kernel.freshness.stamps import StaleDecision
from kernel.http.context import in_context, set_audit_object
from kernel.rest import ApiView, Rule, represent
from keys.reading.rest_references import KeyReferenceView
from keys.reading.services import id_of_key


class OperationView(ApiView[Principal]):
    """A frequent operation. A token that this process has verified costs no statement.

    The commit of the operation compares the caller's rights. A refusal has no commit, so it compares them itself. If
    they have changed, the request is repeated, and the token is verified again.
    """

    authentication_classes = [KnownBearerAuthentication]
    _is_repeated = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except StaleDecision:
            self._is_repeated, self._charged = True, ""
            set_audit_object(request, "", "")
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        in_context(request).body  # noqa: B018 - Django keeps the body that it has read, for a repetition

    def require_current_rights(self) -> None:
        """Raises StaleDecision, which repeats the request. Call it for an answer without a commit."""
        if not self._is_repeated:
            require_current_rights(self.request)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, StaleDecision) and not self._is_repeated:
            raise exc
        # An operation that the log may have recorded must not be repeated, so ``Unavailable`` is final.
        if isinstance(exc, DomainError | APIException) and not isinstance(exc, Unavailable):
            try:
                self.require_current_rights()
            except django.db.Error as error:
                exc = error
        return super().handle_exception(exc)


class EncryptView(OperationView, KeyReferenceView):
    """Encrypt a message with a named key, or with the caller's default key."""

    rules = {"POST": Rule("crypto.encrypt", actions.MESSAGE_ENCRYPTED)}

    @extend_schema(request=serializers.EncryptSerializer, responses=serializers.EncryptedSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(serializers.EncryptSerializer)
        wanted = _encrypt_request(attrs, _key_id(self, attrs))
        return Response(represent(serializers.EncryptedSerializer, engine.encrypt(wanted, self.principal)))


class DecryptView(OperationView, KeyReferenceView):
    """Decrypt a message, given as one ciphertext or in its parts."""

    rules = {"POST": Rule("crypto.decrypt", actions.MESSAGE_DECRYPTED)}

    @extend_schema(request=serializers.DecryptSerializer, responses=serializers.DecryptedSerializer)
    def post(self, _request: Request) -> Response:
        wanted = _decrypt_request(self, self.read(serializers.DecryptSerializer))
        return Response(represent(serializers.DecryptedSerializer, engine.decrypt(wanted, self.principal)))


class EncryptBatchView(OperationView, KeyReferenceView):
    """Encrypt up to 1,000 messages under one key. Each result is a ciphertext or a separate problem."""

    rules = {"POST": Rule("crypto.encrypt", actions.MESSAGE_ENCRYPTED)}

    @extend_schema(request=serializers.EncryptBatchSerializer, responses=serializers.EncryptedBatchSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(serializers.EncryptBatchSerializer)
        charge_the_rest(self.principal, len(attrs["items"]))
        wanted = EncryptBatch(
            mode=attrs["mode"],
            items=items.messages_of((item["data"], item.get("aad", "")) for item in attrs["items"]),
            key_id=_key_id(self, attrs),
            key_version=attrs.get("key_version"),
        )
        batch = batches.encrypt_batch(wanted, self.principal)
        return Response(items.answer_of(batch, references_of(attrs), member="ciphertext"))


class DecryptBatchView(OperationView, KeyReferenceView):
    """Decrypt up to 1,000 messages of one key. Each result is a plaintext or a separate problem."""

    rules = {"POST": Rule("crypto.decrypt", actions.MESSAGE_DECRYPTED)}

    @extend_schema(request=serializers.DecryptBatchSerializer, responses=serializers.DecryptedBatchSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(serializers.DecryptBatchSerializer)
        charge_the_rest(self.principal, len(attrs["items"]))
        wanted = _decrypt_batch(attrs, self.key_id_of(attrs["key_id"]))
        batch = batches.decrypt_batch(wanted, self.principal)
        return Response(items.answer_of(batch, references_of(attrs), member="data"))


class ReencryptView(OperationView):
    """Re-encrypt a message with the primary version of its key, or with another key. The plaintext is not returned."""

    rules = {"POST": Rule("crypto.reencrypt", actions.MESSAGE_REENCRYPTED)}

    @extend_schema(request=serializers.ReencryptSerializer, responses=serializers.ReencryptedSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(serializers.ReencryptSerializer)
        set_audit_object(self.request, "key", str(attrs["ciphertext"].key_id))
        wanted = _reencrypt_request(attrs, self.principal)
        return Response(
            represent(serializers.ReencryptedSerializer, engine.reencrypt(wanted, self.principal))
        )


class InspectView(OperationView):
    """Describe a ciphertext: its key, the state of that key, and whether you can decrypt it. Nothing is decrypted."""

    rules = {"POST": Rule("crypto.inspect", actions.MESSAGE_INSPECTED)}

    @extend_schema(request=serializers.InspectSerializer, responses=serializers.InspectionSerializer)
    def post(self, _request: Request) -> Response:
        envelope = self.read(serializers.InspectSerializer)["ciphertext"]
        set_audit_object(self.request, "key", str(envelope.key_id))
        inspection = services.inspect(principal=self.principal, envelope=envelope)
        self.require_current_rights()
        return Response(represent(serializers.InspectionSerializer, inspection))


class RandomView(OperationView):
    """Random bytes."""

    rules = {"POST": Rule("crypto.random", actions.RANDOM_GENERATED)}

    @extend_schema(request=serializers.RandomSerializer, responses=serializers.GeneratedSerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read(serializers.RandomSerializer)
        content = engine.generate_random(wanted["bytes"], self.principal)
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
            items.sealed_item_of(
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


def charge_the_rest(principal: Principal, messages: int) -> None:
    """Charge the batch beyond the one request that the view has charged. Raises Throttled."""
    if (more := cost_of(messages) - 1) > 0:
        throttle.charge_principal(principal.identity.budget, more)


def references_of(attrs: dict[str, Any]) -> list[str | None]:
    """Of the items of a batch."""
    return [item.get("reference") for item in attrs["items"]]


def _reencrypt_request(attrs: dict[str, Any], principal: Principal) -> ReencryptRequest:
    target = attrs.get("key_id")
    return ReencryptRequest(
        envelope=attrs["ciphertext"],
        target_key_id=target and id_of_key(principal=principal, reference=target),
        aad=attrs.get("aad", b""),
        reason=attrs.get("reason", ""),
    )
