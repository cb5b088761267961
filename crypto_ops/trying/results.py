"""The output of *Try it*: the result in readable forms, and the same call for a program."""

from dataclasses import dataclass
from uuid import UUID

from crypto_ops.encryption.services.messages import Decrypted, DecryptRequest, EncryptRequest
from crypto_ops.reencryption.services.one_message import Reencrypted, ReencryptRequest
from crypto_ops.secrets.services.shared_secrets import (
    AgreeRequest,
    DecapsulateRequest,
    EncapsulateRequest,
    SharedSecret,
)
from crypto_ops.signatures.services.macs import ComputedMac, MacRequest, VerifyMacRequest
from crypto_ops.signatures.services.signatures import Signature, SignRequest, VerifyRequest
from crypto_ops.signatures.services.verification import Verification
from crypto_ops.trying.texts import FORMATS, shown_as
from kernel.crypto import envelope
from kernel.crypto.encoding import encode_base64
from kernel.crypto.envelope import Envelope
from kernel.pages.curl import curl_of


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """The result in one form; ``text`` is None if it cannot be shown in this form."""

    form: str
    label: str
    text: str | None


@dataclass(frozen=True, slots=True, repr=False)
class TryResult:
    """The result of one operation. ``next_operation`` accepts it as its input; empty if none on this page does.

    ``key_version``: the version that the next operation must name, if it must.
    """

    sentence: str
    mode: str
    shown: list[Shown]
    call: str
    next_operation: str
    note: str = ""
    key_version: int | None = None

    @property
    def first(self) -> Shown:
        """The form shown initially: the first one available."""
        return next(each for each in self.shown if each.text is not None)

    @property
    def next_format(self) -> str:
        """The input format of the form shown initially."""
        return self.first.form if self.first.form in FORMATS else "text"


def encrypted(wanted: EncryptRequest, result: Envelope) -> TryResult:
    text = envelope.encode(result)
    call: dict[str, object] = {
        "key_id": wanted.key_id,
        "algorithm": wanted.mode.name,
        "data": encode_base64(wanted.plaintext),
    }
    return TryResult(
        sentence=(
            f"Encrypted with version {result.version} ({result.mode.name}): "
            f"{_bytes(len(wanted.plaintext))} in, {len(text):,} characters out."
        ),
        shown=[Shown("ciphertext", "Ciphertext", text)],
        call=_call("encrypt", call, wanted.aad),
        mode=result.mode.name,
        next_operation="decrypt",
    )


def decrypted(wanted: DecryptRequest, text: str, result: Decrypted) -> TryResult:
    """``text`` is the ciphertext as the user sent it."""
    octets = result.plaintext
    shown = [Shown(form, label, shown_as(octets, form)) for form, label in FORMATS.items()]
    return TryResult(
        sentence=f"Decrypted with version {result.key_version} ({result.mode.name}): {_bytes(len(octets))}.",
        shown=shown,
        call=_call("decrypt", {"ciphertext": text}, wanted.aad),
        mode=result.mode.name,
        next_operation="encrypt",
        note=""
        if shown[0].text is not None
        else "This result cannot be shown as text. Choose another format.",
    )


def reencrypted(wanted: ReencryptRequest, result: Reencrypted) -> TryResult:
    call: dict[str, object] = {"ciphertext": envelope.encode(wanted.envelope)}
    if wanted.target_key_id:
        call["key_id"] = wanted.target_key_id
    if wanted.reason:
        call["reason"] = wanted.reason
    text = envelope.encode(result.envelope)
    return TryResult(
        sentence=(
            f"Re-encrypted from version {result.source_key_version} to version {result.envelope.version} "
            f"({result.envelope.mode.name}): {len(text):,} characters."
        ),
        shown=[Shown("ciphertext", "Ciphertext", text)],
        call=_call("reencrypt", call, wanted.aad),
        mode=result.envelope.mode.name,
        next_operation="" if wanted.target_key_id else "decrypt",
        note="The source key is compromised, so the message may be forged."
        if result.source_compromised
        else "",
    )


def signed(wanted: SignRequest, result: Signature) -> TryResult:
    text = encode_base64(result.signature)
    return TryResult(
        sentence=(
            f"Signed with version {result.key_version} ({result.mode.name}): "
            f"{_bytes(len(wanted.message))} in, {_bytes(len(result.signature))} out."
        ),
        shown=[Shown("signature", "Signature", text)],
        call=_call("sign", _signed_part(wanted), b""),
        mode=result.mode.name,
        next_operation="verify",
    )


def verified(wanted: VerifyRequest, result: Verification) -> TryResult:
    call = _call("verify", {**_signed_part(wanted), "signature": encode_base64(wanted.signature)}, b"")
    return _verified(result, f"signed with version {result.key_version}", call)


def computed(wanted: MacRequest, result: ComputedMac) -> TryResult:
    return TryResult(
        sentence=f"Computed with version {result.key_version} ({result.mode.name}).",
        shown=[Shown("mac", "MAC", encode_base64(result.mac))],
        call=_call("mac", _authenticated_part(wanted), b""),
        mode=result.mode.name,
        next_operation="verify",
    )


def mac_verified(wanted: VerifyMacRequest, result: Verification) -> TryResult:
    call = _call("mac/verify", {**_authenticated_part(wanted), "mac": encode_base64(wanted.mac)}, b"")
    return _verified(result, f"computed with version {result.key_version}", call)


def encapsulated(wanted: EncapsulateRequest, result: SharedSecret) -> TryResult:
    return TryResult(
        sentence=f"Encapsulated to version {result.key_version} ({result.mode.name}).",
        shown=[
            Shown("ciphertext", "Ciphertext", encode_base64(result.ciphertext)),
            Shown("secret", "Secret", encode_base64(result.secret)),
        ],
        call=_call("encapsulate", {"key_id": wanted.key_id}, b""),
        mode=result.mode.name,
        next_operation="decapsulate",
        key_version=result.key_version,
    )


def decapsulated(wanted: DecapsulateRequest, result: SharedSecret) -> TryResult:
    body: dict[str, object] = {
        "key_id": wanted.key_id,
        "key_version": wanted.key_version,
        "ciphertext": encode_base64(wanted.ciphertext),
    }
    return _secret(result, f"Decapsulated with version {result.key_version}", _call("decapsulate", body, b""))


def agreed(wanted: AgreeRequest, result: SharedSecret) -> TryResult:
    body: dict[str, object] = {"key_id": wanted.key_id, "public_key": encode_base64(wanted.public_key)}
    if wanted.key_version is not None:
        body["key_version"] = wanted.key_version
    return _secret(result, f"Agreed with version {result.key_version}", _call("shared-secret", body, b""))


def _secret(result: SharedSecret, what: str, call: str) -> TryResult:
    return TryResult(
        sentence=f"{what} ({result.mode.name}): {_bytes(len(result.secret))}.",
        shown=[Shown(form, FORMATS[form], shown_as(result.secret, form)) for form in ("base64", "hex")],
        call=call,
        mode=result.mode.name,
        next_operation="",
    )


def _verified(result: Verification, how: str, call: str) -> TryResult:
    sentence = (
        f"Valid: {how} ({result.mode.name})."
        if result.is_valid
        else f"Not valid for this input, key and algorithm ({result.mode.name})."
    )
    return TryResult(
        sentence=sentence,
        shown=[Shown("result", "Result", "valid" if result.is_valid else "not valid")],
        call=call,
        mode=result.mode.name,
        next_operation="",
    )


def _authenticated_part(wanted: MacRequest | VerifyMacRequest) -> dict[str, object]:
    return {"key_id": wanted.key_id, "message": encode_base64(wanted.message)}


def _signed_part(wanted: SignRequest | VerifyRequest) -> dict[str, object]:
    return {
        "key_id": wanted.key_id,
        "signing_algorithm": wanted.mode.name,
        "message": encode_base64(wanted.message),
    }


def _call(operation: str, body: dict[str, object], aad: bytes) -> str:
    """The call as a curl command."""
    if aad:
        body["aad"] = encode_base64(aad)
    plain = {name: str(value) if isinstance(value, UUID) else value for name, value in body.items()}
    return curl_of(f"/api/v1/{operation}", plain)


def _bytes(count: int) -> str:
    return f"{count:,} byte{'' if count == 1 else 's'}"
