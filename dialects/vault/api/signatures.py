"""Signatures and MACs."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from django.http import HttpResponse
from msgspec import UNSET
from rest_framework.request import Request

from crypto_ops import actions
from crypto_ops.transit.items import ComputingMac, Signing, Verifying, VerifyingMac
from crypto_ops.transit.services.operations import TransitResult
from crypto_ops.transit.texts import PREFIX, parts_of, text_of
from dialects.vault import bodies
from dialects.vault.api.messages import TransitView, context_of, read_each
from dialects.vault.base64 import decode
from dialects.vault.bodies import Item, Signatures, batch_of, flag, number, text
from kernel.crypto.encoding import decode_base64url, encode_base64, encode_base64url
from kernel.crypto.transit.signing import MAC_HASHES, NO_HASH, SignatureForm
from kernel.errors import Invalid
from kernel.http.context import in_context
from kernel.rules import Rule

DEFAULT_HASH: Final = "sha2-256"
_NO_INPUT: Final = "missing input for HMAC"
INPUT: Final = "unable to decode input as base64: "


class SignView(TransitView):
    rules = {"POST": Rule("crypto.sign", actions.MESSAGE_SIGNED)}
    missing_key = ("signing key not found", TransitView.missing_key[1])

    def post(self, _request: Request, mount: str, name: str, algorithm: str = "") -> HttpResponse:
        received = self.received(Signatures)
        body, items = received.body, batch_of(received.body)
        form = form_of(body, algorithm)
        key_id = self.key_id(mount, name)

        def signing(item: Signatures | Item) -> Signing:
            return signing_of(item, form, number(body.key_version))

        def members(result: TransitResult) -> dict[str, object]:
            return signature_members(result, form, public_key="publickey")

        if items is None:
            found = self.perform_items(key_id, Signing, [signing(body)])
            return self.answer(signature_members(found.only, form), warnings=received.warnings)
        messages = read_each(items, signing)
        found = self.perform_items(key_id, Signing, messages, is_batch=True)
        results = self.batch(items, found, members, in_failed={"key_version": 0})
        return self.answer({"batch_results": results}, warnings=received.warnings)


class VerifyView(TransitView):
    """Verifies a signature, or an HMAC."""

    rules = {"POST": Rule("crypto.verify", actions.SIGNATURE_VERIFIED)}

    def post(self, _request: Request, mount: str, name: str, algorithm: str = "") -> HttpResponse:
        received = self.received(Signatures)
        body, items = received.body, batch_of(received.body)
        verifies_mac = verifies_mac_of(body, items)
        if verifies_mac:
            in_context(self.request).audit_action = actions.MAC_VERIFIED
        self.missing_key = (  # type: ignore[misc]  # of this request
            "encryption key not found" if verifies_mac else "signature verification key not found",
            TransitView.missing_key[1],
        )
        kind = VerifyingMac if verifies_mac else Verifying
        verifying = verifier_of(body, algorithm, verifies_mac=verifies_mac)
        key_id = self.key_id(mount, name)
        if items is None:
            found = self.perform_items(key_id, kind, [verifying(body)])
            return self.answer({"valid": bool(found.only.is_valid)}, warnings=received.warnings)
        found = self.perform_items(key_id, kind, read_each(items, verifying), is_batch=True)
        if verifies_mac:
            results = self.batch(items, found, _valid_mac)
        else:
            results = self.batch(items, found, _valid, in_failed={"valid": False})
        return self.answer({"batch_results": results}, warnings=received.warnings)


class HmacView(TransitView):
    rules = {"POST": Rule("crypto.mac", actions.MAC_COMPUTED)}

    def post(self, _request: Request, mount: str, name: str, algorithm: str = "") -> HttpResponse:
        received = self.received(bodies.Hmac)
        body, items = received.body, batch_of(received.body)
        key_id = self.key_id(mount, name)
        hash_algorithm = mac_hash_of(body, algorithm)

        def computing(item: bodies.Hmac | Item) -> ComputingMac:
            return computing_of(item, hash_algorithm, number(body.key_version))

        if items is None:
            found = self.perform_items(key_id, ComputingMac, [computing(body)])
            return self.answer(mac_members(found.only), warnings=received.warnings)
        messages = read_each(items, computing)
        found = self.perform_items(key_id, ComputingMac, messages, is_batch=True)
        return self.answer(
            {"batch_results": self.batch(items, found, mac_members)}, warnings=received.warnings
        )


def _hash_of(body: Signatures, of_path: str) -> str:
    return of_path or text(body.hash_algorithm) or text(body.algorithm) or DEFAULT_HASH


def form_of(body: Signatures, of_path: str) -> SignatureForm:
    """Raises Invalid."""
    marshaling = text(body.marshaling_algorithm) or "asn1"
    if marshaling not in {"asn1", "jws"}:
        raise Invalid(f'invalid marshaling type "{marshaling[:20]}"')
    return SignatureForm(
        salt_length=_salt_of(body.salt_length),
        hash_algorithm=_hash_of(body, of_path),
        signature_algorithm=text(body.signature_algorithm),
        is_raw=marshaling == "jws",
        is_prehashed=flag(body.prehashed),
    )


def _salt_of(value: Any) -> str:
    salt = str(value) if isinstance(value, str | int) else ""
    if salt in {"", "auto", "hash"}:
        return salt or "auto"
    if not re.fullmatch(r"-?[0-9]{1,5}", salt, re.ASCII):
        raise Invalid(f"salt length neither 'auto', 'hash', nor an int: {salt[:20]}")
    if int(salt) < -1:
        raise Invalid(f"salt length is invalid: {salt}")
    return salt


def signing_of(item: Signatures | Item, form: SignatureForm, key_version: int) -> Signing:
    """Raises Invalid."""
    return Signing(message=_input(item), form=form, context=context_of(item.context), key_version=key_version)


def signature_members(
    result: TransitResult, form: SignatureForm, *, public_key: str = "public_key"
) -> dict[str, object]:
    """``public_key``: the member for that of a derived key, which has another name in batches."""
    members: dict[str, object] = {"signature": _signature_text(result, form), "key_version": result.version}
    return members | ({public_key: encode_base64(result.public_key)} if result.public_key else {})


def verifier_of(
    body: Signatures, of_path: str, *, verifies_mac: bool
) -> Callable[[Signatures | Item], Verifying | VerifyingMac]:
    """Makes the message of the request or of each item. Raises Invalid."""
    if not verifies_mac:
        form = form_of(body, of_path)
        return lambda item: _verifying(item, form)
    hash_algorithm = _hash_of(body, of_path)
    if hash_algorithm not in MAC_HASHES:
        raise Invalid(f'invalid hash algorithm "{hash_algorithm[:20]}"')
    return lambda item: _verifying_mac(item, hash_algorithm)


def mac_hash_of(body: bodies.Hmac, of_path: str) -> str:
    """Of a MAC that is computed. Raises Invalid."""
    hash_algorithm = of_path or text(body.algorithm) or DEFAULT_HASH
    if hash_algorithm == NO_HASH:
        raise Invalid("algorithm cannot be none")
    if hash_algorithm not in MAC_HASHES:
        raise Invalid("unsupported algorithm '\\x00'")
    return hash_algorithm


def computing_of(item: bodies.Hmac | Item, hash_algorithm: str, key_version: int) -> ComputingMac:
    """Raises Invalid."""
    if item.input is UNSET:
        raise Invalid(_NO_INPUT)
    return ComputingMac(message=_input(item), hash_algorithm=hash_algorithm, key_version=key_version)


def mac_members(result: TransitResult) -> dict[str, object]:
    return {"hmac": text_of(result.version, result.octets)}


def _input(item: Signatures | bodies.Hmac | Item) -> bytes:
    """The message; without one the empty one, but not in a batch. Raises Invalid."""
    if isinstance(item, Item) and item.input is UNSET:
        raise Invalid("missing input")
    return decode(text(item.input), error=INPUT)


def _signature_text(result: TransitResult, form: SignatureForm) -> str:
    if form.is_raw:
        return f"{PREFIX}{result.version}:{encode_base64url(result.octets)}"
    return text_of(result.version, result.octets)


def verifies_mac_of(body: Signatures, items: Sequence[Item] | None) -> bool:
    """Whether the request has an HMAC instead of a signature. Raises Invalid unless all its messages have the same."""
    if items is None:
        if text(body.signature):
            return False
        if text(body.hmac):
            return True
        raise Invalid("neither a 'signature' nor an 'hmac' were given to verify")
    with_signature = [bool(text(item.signature)) for item in items]
    with_mac = [bool(text(item.hmac)) for item in items]
    if all(with_signature):
        return False
    if all(with_mac):
        return True
    if any(with_signature) and any(with_mac):
        raise Invalid("elements of batch_input must all provide 'signature' or all provide 'hmac'")
    missing = "'signature'" if any(with_signature) else "'hmac'" if any(with_mac) else ""
    if missing:
        raise Invalid(f"some elements of batch_input are missing {missing}")
    raise Invalid("no batch_input elements have 'signature' or 'hmac'")


def _verifying(item: Signatures | Item, form: SignatureForm) -> Verifying:
    message, context = _input(item), context_of(item.context)
    version, encoded = parts_of(text(item.signature), "invalid signature")
    try:
        signature = decode_base64url(encoded) if form.is_raw else decode(encoded)
    except (Invalid, ValueError):
        raise Invalid("invalid base64 signature value") from None
    return Verifying(message=message, context=context, signature=signature, form=form, key_version=version)


def _verifying_mac(item: Signatures | Item, hash_algorithm: str) -> VerifyingMac:
    message, sent = _input(item), text(item.hmac)
    what = "invalid HMAC" if sent.startswith(PREFIX) else "invalid HMAC to verify"
    version, encoded = parts_of(sent, what)
    mac = decode(encoded, error="unable to decode verification HMAC as base64: ")
    return VerifyingMac(message=message, mac=mac, hash_algorithm=hash_algorithm, key_version=version)


def _valid(result: TransitResult) -> dict[str, object]:
    return {"valid": bool(result.is_valid)}


def _valid_mac(result: TransitResult) -> dict[str, object]:
    """OpenBao omits the member for a false HMAC."""
    return {"valid": True} if result.is_valid else {}
