"""The output of *Try it*: the result in readable forms."""

from dataclasses import dataclass

from crypto_ops.encryption.services.messages import Decrypted, EncryptRequest
from crypto_ops.reencryption.services.one_message import Reencrypted
from crypto_ops.secrets.services.data_keys import DataKey
from crypto_ops.secrets.services.derivations import DerivedKey
from crypto_ops.secrets.services.shared_secrets import SharedSecret
from crypto_ops.signatures.services.csr import SignedCsr
from crypto_ops.signatures.services.jwts import SignedJwt
from crypto_ops.signatures.services.macs import ComputedMac
from crypto_ops.signatures.services.signatures import Signature, SignRequest
from crypto_ops.signatures.services.verification import Verification
from crypto_ops.trying.texts import FORMATS, shown_as
from kernel.crypto.encoding import encode_base64
from kernel.crypto.modes import Mode
from kernel.crypto.sealing import envelope
from kernel.crypto.sealing.envelope import Envelope


@dataclass(frozen=True, slots=True, repr=False)
class _Shown:
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
    shown: list[_Shown]
    next_operation: str
    note: str = ""
    key_version: int | None = None

    @property
    def first(self) -> _Shown:
        """The form shown initially: the first one available."""
        return next(each for each in self.shown if each.text is not None)

    @property
    def next_format(self) -> str:
        """The input format of the form shown initially."""
        return self.first.form if self.first.form in FORMATS else "text"


def encrypted(wanted: EncryptRequest, result: Envelope) -> TryResult:
    text = envelope.encode(result)
    return TryResult(
        sentence=(
            f"Encrypted with version {result.version} ({result.mode.name}): "
            f"{_bytes(len(wanted.plaintext))} in, {len(text):,} characters out."
        ),
        shown=[_Shown("ciphertext", "Ciphertext", text)],
        mode=result.mode.name,
        next_operation="decrypt",
    )


def decrypted(_wanted: object, result: Decrypted) -> TryResult:
    octets = result.plaintext
    shown = [_Shown(form, label, shown_as(octets, form)) for form, label in FORMATS.items()]
    return TryResult(
        sentence=f"Decrypted with version {result.key_version} ({result.mode.name}): {_bytes(len(octets))}.",
        shown=shown,
        mode=result.mode.name,
        next_operation="encrypt",
        note=""
        if shown[0].text is not None
        else "This result cannot be shown as text. Choose another format.",
    )


def reencrypted(result: Reencrypted, *, is_same_key: bool) -> TryResult:
    text = envelope.encode(result.envelope)
    return TryResult(
        sentence=(
            f"Re-encrypted from version {result.source_key_version} to version {result.envelope.version} "
            f"({result.envelope.mode.name}): {len(text):,} characters."
        ),
        shown=[_Shown("ciphertext", "Ciphertext", text)],
        mode=result.envelope.mode.name,
        next_operation="decrypt" if is_same_key else "",
        note="The source key is compromised, so the message may be forged."
        if result.source_compromised
        else "",
    )


def signed(wanted: SignRequest, result: Signature) -> TryResult:
    return TryResult(
        sentence=(
            f"Signed with version {result.key_version} ({result.mode.name}): "
            f"{_bytes(len(wanted.message))} in, {_bytes(len(result.signature))} out."
        ),
        shown=[_Shown("signature", "Signature", encode_base64(result.signature))],
        mode=result.mode.name,
        next_operation="verify",
    )


def computed(_wanted: object, result: ComputedMac) -> TryResult:
    return TryResult(
        sentence=f"Computed with version {result.key_version} ({result.mode.name}).",
        shown=[_Shown("mac", "MAC", encode_base64(result.mac))],
        mode=result.mode.name,
        next_operation="verify",
    )


def verified(_wanted: object, result: Verification, *, how: str) -> TryResult:
    """``how``: the word for making the signature or the MAC."""
    sentence = (
        f"Valid: {how} with version {result.key_version} ({result.mode.name})."
        if result.is_valid
        else f"Not valid for this input, key and algorithm ({result.mode.name})."
    )
    return TryResult(
        sentence=sentence,
        shown=[_Shown("result", "Result", "valid" if result.is_valid else "not valid")],
        mode=result.mode.name,
        next_operation="",
    )


def data_key(_wanted: object, result: DataKey) -> TryResult:
    shown = [_Shown("ciphertext", "Ciphertext", envelope.encode(result.envelope))]
    for form, label, octets in (
        ("plaintext", "Plaintext", result.plaintext),
        ("public", "Public key", result.public_key),
    ):
        if octets is not None:
            shown.append(_Shown(form, label, encode_base64(octets)))
    return TryResult(
        sentence=f"Generated a data key, encrypted with version {result.key_version} ({result.mode.name}).",
        shown=shown,
        mode=result.mode.name,
        next_operation="decrypt",
    )


def derived(_wanted: object, result: DerivedKey) -> TryResult:
    return _of_octets("Derived a key", result.derived, result.key_version, result.mode)


def token(_wanted: object, result: SignedJwt) -> TryResult:
    return _of_text("Signed a JWT", "JWT", result.jwt, result)


def certificate_request(_wanted: object, result: SignedCsr) -> TryResult:
    return _of_text("Signed a request for a certificate", "CSR", result.pem, result)


def _of_text(done: str, label: str, text: str, result: SignedJwt | SignedCsr) -> TryResult:
    return TryResult(
        sentence=f"{done} with version {result.key_version} ({result.mode.name}).",
        shown=[_Shown(label.lower(), label, text)],
        mode=result.mode.name,
        next_operation="",
    )


def encapsulated(_wanted: object, result: SharedSecret) -> TryResult:
    return TryResult(
        sentence=f"Encapsulated a secret to version {result.key_version} ({result.mode.name}).",
        shown=[
            _Shown("ciphertext", "Ciphertext", encode_base64(result.ciphertext)),
            _Shown("secret", "Secret", encode_base64(result.secret)),
        ],
        mode=result.mode.name,
        next_operation="decapsulate",
        key_version=result.key_version,
    )


def shared(_wanted: object, result: SharedSecret, *, how: str) -> TryResult:
    """``how``: the words for how the secret was found."""
    return _of_octets(f"{how} a secret", result.secret, result.key_version, result.mode)


def _of_octets(done: str, octets: bytes, version: int, mode: Mode) -> TryResult:
    return TryResult(
        sentence=f"{done} of {_bytes(len(octets))} with version {version} ({mode.name}).",
        shown=[_Shown(form, FORMATS[form], shown_as(octets, form)) for form in ("base64", "hex")],
        mode=mode.name,
        next_operation="",
    )


def _bytes(count: int) -> str:
    return f"{count:,} byte{'' if count == 1 else 's'}"
