"""Encrypt, decrypt, rewrap and data keys."""

import secrets
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpResponse
from msgspec import UNSET
from rest_framework.request import Request

from audit.middleware import HOLDS_REFUSALS
from crypto_ops import actions
from crypto_ops.deciding.services import KeyRequest, perform_measured
from crypto_ops.items.api import charge_the_rest
from crypto_ops.transit.items import Opening, Sealing, SealingDataKey, TransitItem
from crypto_ops.transit.services.operations import (
    Rewrapping,
    RewrapRequest,
    TransitRequest,
    TransitResult,
    TransitResults,
)
from crypto_ops.transit.texts import parts_of, text_of
from dialects.vault import bodies
from dialects.vault.api.base import OfOperations, VaultView
from dialects.vault.base64 import decode
from dialects.vault.bodies import Item, batch_of, number, present, text
from dialects.vault.responses import text_of as refusal_of
from kernel.crypto.encoding import encode_base64
from kernel.errors import DomainError, Invalid
from kernel.http.context import in_context
from kernel.rules import Rule

_BITS: Final = frozenset({128, 256, 512})
_CONTEXT_IN_SOME: Final = "context should be set either in all the request blocks or in none"
# The other ones have no body: a proxy that gets one would read it as its next response.
_CODES: Final = frozenset(range(200, 600)) - {204, 205, 304}


def read_each[R](items: Sequence[Item], of_item: Callable[[Item], R]) -> list[R | DomainError]:
    """The message of each item, or its refusal."""
    found: list[R | DomainError] = []
    for item in items:
        try:
            found.append(of_item(item))
        except DomainError as refusal:
            found.append(refusal)
    return found


class TransitView(VaultView):
    """An operation with one key."""

    authentication_classes = [OfOperations]

    def perform(self, wanted: KeyRequest[TransitResults], messages: int = 1) -> TransitResults:
        charge_the_rest(self.principal, messages)
        return perform_measured(wanted, self.principal)

    def perform_items(
        self,
        key_id: Any,
        kind: type[TransitItem],
        items: Sequence[TransitItem | DomainError],
        *,
        is_batch: bool = False,
    ) -> TransitResults:
        wanted = TransitRequest(key_id=key_id, kind=kind, items=items, is_batch=is_batch)
        return self.perform(wanted, len(items))

    def batch(
        self,
        items: Sequence[Item],
        found: TransitResults,
        members: Callable[[TransitResult], dict[str, object]],
        *,
        in_failed: dict[str, object] = {},  # noqa: B006 - is not changed
    ) -> list[dict[str, object]]:
        """The results of a batch. ``in_failed``: members that a refused item has beside its error."""
        return [
            {**in_failed, "error": refusal_of(result), "reference": text(item.reference)}
            if isinstance(result, DomainError)
            else {**members(result), "reference": text(item.reference)}
            for item, result in zip(items, found.results, strict=True)
        ]

    def status_of_batch(self, found: TransitResults, body: bodies.Encrypt | bodies.Decrypt) -> int:
        """400 for a refused item, or the code that the request names if other items succeeded."""
        if not found.refused:
            return HTTPStatus.OK
        in_context(self.request).META[HOLDS_REFUSALS] = []  # the batch is on record already
        code = present(body.partial_failure_response_code)
        is_partial = found.refused < len(found.results)
        return code if is_partial and code in _CODES else HTTPStatus.BAD_REQUEST


class EncryptView(TransitView):
    rules = {"POST": Rule("crypto.encrypt", actions.MESSAGE_ENCRYPTED)}

    def post(self, _request: Request, mount: str, name: str) -> HttpResponse:
        received = self.received(bodies.Encrypt)
        body, items = received.body, batch_of(received.body)
        _require_plaintexts(body, items)
        key_id = self.key_id(mount, name)
        if items is None:
            found = self.perform_items(key_id, Sealing, [sealing_of(body)])
            return self.answer(sealed_members(found.only), warnings=received.warnings)
        messages = read_each(items, sealing_of)
        found = self.perform_items(key_id, Sealing, messages, is_batch=True)
        data = {"batch_results": self.batch(items, found, sealed_members)}
        return self.answer(data, warnings=received.warnings, status=self.status_of_batch(found, body))


class DecryptView(TransitView):
    rules = {"POST": Rule("crypto.decrypt", actions.MESSAGE_DECRYPTED)}

    def post(self, _request: Request, mount: str, name: str) -> HttpResponse:
        received = self.received(bodies.Decrypt)
        body, items = received.body, batch_of(received.body)
        _require_ciphertexts(body, items)
        key_id = self.key_id(mount, name)
        if items is None:
            found = self.perform_items(key_id, Opening, [opening_of(body)])
            return self.answer(opened_members(found.only), warnings=received.warnings)
        found = self.perform_items(key_id, Opening, read_each(items, opening_of), is_batch=True)
        data = {"batch_results": self.batch(items, found, opened_members, in_failed={"plaintext": ""})}
        return self.answer(data, warnings=received.warnings, status=self.status_of_batch(found, body))


class RewrapView(TransitView):
    rules = {"POST": Rule("crypto.reencrypt", actions.MESSAGE_REENCRYPTED)}

    def post(self, _request: Request, mount: str, name: str) -> HttpResponse:
        received = self.received(bodies.Rewrap)
        body, items = received.body, batch_of(received.body)
        _require_ciphertexts(body, items)
        key_id = self.key_id(mount, name)
        if items is None:
            found = self.perform(RewrapRequest(key_id=key_id, items=[_rewrapping(body)]))
            return self.answer(sealed_members(found.only), warnings=received.warnings)
        wanted = RewrapRequest(key_id=key_id, items=read_each(items, _rewrapping), is_batch=True)
        found = self.perform(wanted, len(items))
        return self.answer(
            {"batch_results": self.batch(items, found, sealed_members)}, warnings=received.warnings
        )


class DataKeyView(TransitView):
    rules = {"POST": Rule("crypto.data_key", actions.DATA_KEY_GENERATED)}

    def post(self, _request: Request, mount: str, form: str, name: str) -> HttpResponse:
        received = self.received(bodies.DataKey)
        body = received.body
        if form not in {"plaintext", "wrapped"}:
            raise Invalid("Invalid path, must be 'plaintext' or 'wrapped'")
        context = context_of(body.context)
        key_id = self.key_id(mount, name)
        bits = number(body.bits) or 256
        if bits not in _BITS:
            raise Invalid("invalid bit length")
        item = SealingDataKey(
            plaintext=secrets.token_bytes(bits // 8),
            context=context,
            aad=_aad(body.associated_data),
            key_version=number(body.key_version),
        )
        sealed = sealed_members(self.perform_items(key_id, SealingDataKey, [item]).only)
        disclosed = {"plaintext": encode_base64(item.plaintext)} if form == "plaintext" else {}
        return self.answer({**sealed, **disclosed}, warnings=received.warnings)


def sealing_of(body: bodies.Encrypt | Item) -> Sealing:
    plaintext = decode(text(body.plaintext))
    context = decode(text(body.context))
    return Sealing(
        plaintext=plaintext,
        context=context,
        aad=_aad(body.associated_data),
        key_version=number(body.key_version),
    )


def opening_of(body: bodies.Decrypt | bodies.Rewrap | Item) -> Opening:
    if not text(body.ciphertext):
        raise Invalid("missing ciphertext to decrypt")
    context = decode(text(body.context))
    version, encoded = parts_of(text(body.ciphertext), "invalid ciphertext")
    try:
        sealed = decode(encoded)
    except Invalid:
        raise Invalid("invalid ciphertext: could not decode base64") from None
    aad = body.associated_data if isinstance(body, bodies.Decrypt | Item) else None
    return Opening(sealed=sealed, context=context, aad=_aad(aad), key_version=version)


def _rewrapping(body: bodies.Rewrap | Item) -> Rewrapping:
    opening = opening_of(body)
    return Rewrapping(
        opening=Opening(sealed=opening.sealed, context=opening.context, key_version=opening.key_version),
        target_version=number(body.key_version),
    )


def context_of(value: bodies.Text) -> bytes:
    try:
        return decode(text(value))
    except Invalid:
        raise Invalid("failed to base64-decode context") from None


def _aad(value: bodies.Text) -> bytes:
    return decode(text(value), error="unable to get associated_data/additional_data from factory[0]: ")


def _require_plaintexts(body: bodies.Encrypt, items: Sequence[Item] | None) -> None:
    if items is None:
        if body.plaintext is UNSET:
            raise Invalid("missing plaintext to encrypt")
        return
    for at, item in enumerate(items):
        if item.plaintext is UNSET:
            raise Invalid(f"failed to parse batch input: '[{at}].plaintext' missing plaintext to encrypt")
    _require_contexts(items)


def _require_ciphertexts(body: bodies.Decrypt | bodies.Rewrap, items: Sequence[Item] | None) -> None:
    if items is None:
        if not text(body.ciphertext):
            raise Invalid("missing ciphertext to decrypt")
        return
    if isinstance(body, bodies.Decrypt):
        for at, item in enumerate(items):
            if item.ciphertext is UNSET:
                raise Invalid(
                    f"failed to parse batch input: '[{at}].ciphertext' missing ciphertext to decrypt"
                )
    _require_contexts(items)


def _require_contexts(items: Sequence[Item]) -> None:
    if len({bool(text(item.context)) for item in items}) > 1:
        raise Invalid(_CONTEXT_IN_SOME)


def sealed_members(result: TransitResult) -> dict[str, object]:
    return {"ciphertext": text_of(result.version, result.octets), "key_version": result.version}


def opened_members(result: TransitResult) -> dict[str, object]:
    return {"plaintext": encode_base64(result.octets)}
