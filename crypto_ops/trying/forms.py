"""The forms of *Try it*, one for each purpose of keys, and their conversion into requests to the engine."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django import forms

from crypto_ops.requests import (
    MAX_AAD_BYTES,
    MAX_KEM_CIPHERTEXT_BYTES,
    MAX_MAC_BYTES,
    MAX_PUBLIC_KEY_BYTES,
    MAX_SIGNATURE_BYTES,
    MAX_TRIED_BYTES,
    MAX_TRIED_CHARACTERS,
)
from crypto_ops.trying.services import TRIAL_LABELS
from crypto_ops.trying.texts import FORMATS, octets_of, public_key_of, require_ciphertext
from kernel.clock import process_now
from kernel.crypto.encoding import encode_base64
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing import envelope
from kernel.crypto.sealing.foreign import FERNET
from kernel.errors import Invalid
from kernel.pages.forms import PageForm, offer
from keys import lifecycle
from keys.explanations import MODE_LABELS
from keys.metadata import MAX_VERSION
from keys.models import Key

# By the purpose of the key, the operations that the page can try.
TRIED: Final[Mapping[str, tuple[str, ...]]] = {
    "encrypt": ("encrypt", "decrypt", "reencrypt", "data_key", "derive"),
    "sign": ("sign", "verify", "jwt", "csr"),
    "mac": ("mac", "verify"),
    "encapsulate": ("encapsulate", "decapsulate"),
    "agree": ("agree",),
}
# The operations that do not read ``input``.
_WITHOUT_INPUT: Final = frozenset({"encapsulate", "data_key", "derive", "jwt", "csr"})
# Input is confidential: browsers must not store it or send it to a spelling service.
UNKEPT: Final = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class TrialForm(PageForm):
    """One operation with ``key``. The form does not check which operations are currently possible.

    ``body``: of the API request for the operation, once the form is valid. ``unreadable``: the refusal of a ciphertext
    that cannot be read.
    """

    operation = forms.ChoiceField(error_messages={"required": "Choose an operation."})
    input = forms.CharField(
        strip=False,
        help_text=f"At most {MAX_TRIED_BYTES // 1024} KiB.",
        widget=forms.Textarea(attrs=UNKEPT | {"rows": 8}),
    )
    input_format = forms.ChoiceField(
        required=False,
        label="Input format",
        choices=list(FORMATS.items()),
        help_text="Line breaks in text count as one byte each (LF).",
    )
    mode = forms.ChoiceField(required=False)

    def __init__(self, data: Any = None, *, key: Key, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.key = key
        self.unreadable: Invalid | None = None
        self.body: dict[str, Any] = {"key_id": str(key.id)}
        self.fields["input"].required = self["operation"].value() not in _WITHOUT_INPUT
        offer(self, "operation", [(word, TRIAL_LABELS[word]) for word in TRIED[key.purpose]])
        offer(self, "mode", [(name, name) for name in key.protecting_modes])
        self.fields["mode"].label = MODE_LABELS[key.purpose]

    def _add(self, name: str, field: str, read: Callable[[], object]) -> None:
        """Add a member to the body. ``field``: gets the error of ``read``."""
        try:
            self.body[name] = read()
        except Invalid as refusal:
            self.add_error(field, refusal.fields[field][0] if field in refusal.fields else refusal.detail)

    def _base64(self, field: str, max_bytes: int, form: str = "") -> str:
        form = form or self.cleaned_data.get(f"{field}_format") or "text"
        return encode_base64(octets_of(self.cleaned_data[field], form, field=field, max_bytes=max_bytes))

    def _message(self) -> str:
        return self._base64("input", MAX_TRIED_BYTES)

    @property
    def _mode(self) -> str:
        return self.cleaned_data.get("mode") or self.key.default_mode


class SealingTrialForm(TrialForm):
    """Encrypt, decrypt or re-encrypt."""

    aad = forms.CharField(
        label="Additional authenticated data (AAD, optional)",
        required=False,
        strip=False,
        help_text="Not encrypted. You need the same value to decrypt the ciphertext.",
        widget=forms.TextInput(attrs=UNKEPT),
    )
    aad_format = forms.ChoiceField(required=False, label="AAD format", choices=list(FORMATS.items()))
    target = forms.CharField(
        label="Target key (optional)",
        required=False,
        help_text="Enter the name of another key. Leave empty to use the primary version of this key.",
        widget=forms.TextInput(attrs=UNKEPT),
    )
    reason = forms.CharField(
        label="Why can this message be trusted?",
        required=False,
        max_length=100,
        help_text="Recorded in the audit log. An attacker with the compromised key could have forged the message.",
        widget=forms.TextInput(attrs=UNKEPT),
    )

    def __init__(self, data: Any = None, *, key: Key, **kwargs: Any) -> None:
        super().__init__(data, key=key, **kwargs)
        if key.kind.is_foreign:
            self.fields["input"].help_text = (
                "A Fernet token."
                if key.default_mode == FERNET.name
                else "Base64 of the iv (12 bytes), the ciphertext and the tag (16 bytes) in one piece."
            )
        if not any(SEALING_MODES[name].takes_aad for name in key.modes):
            del self.fields["aad"], self.fields["aad_format"]
        if not lifecycle.may_protect(key.lifecycle_state(process_now()).state):
            self.fields["target"].label = "Target key"
            self.fields["target"].help_text = "Enter the name of another key. This key cannot encrypt."

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if "aad" not in self.fields:
            given["aad"] = ""
        if {"operation", "input", "aad"} <= given.keys():
            if given["operation"] == "encrypt":
                self.body["algorithm"] = self._mode
                self._add("data", "input", self._message)
            elif self.key.kind.is_foreign:
                self._add_foreign()
            else:
                del self.body["key_id"]
                self._add("ciphertext", "input", self._ciphertext)
            self._add_aad()
        return given

    def _add_foreign(self) -> None:
        """Add a Fernet token, or the parts of a raw message, which most libraries write in one piece."""
        typed = "".join(self.cleaned_data["input"].split())
        if self._mode == FERNET.name:
            self.body["ciphertext"] = typed
            return
        mode = SEALING_MODES[self._mode]
        octets = b""
        try:
            octets = octets_of(typed, "base64", field="input", max_bytes=MAX_TRIED_BYTES)
        except Invalid as refusal:
            self.add_error("input", refusal.fields["input"][0])
        end = max(len(octets) - mode.tag_size, mode.iv_size)
        parts = {
            "iv": octets[: mode.iv_size],
            "encrypted_data": octets[mode.iv_size : end],
            "tag": octets[end:],
        }
        self.body |= {"algorithm": mode.name, **{name: encode_base64(part) for name, part in parts.items()}}

    def _add_aad(self) -> None:
        self._add("aad", "aad", lambda: self._base64("aad", MAX_AAD_BYTES))
        if not self.body.get("aad"):
            self.body.pop("aad", None)

    def _ciphertext(self) -> str:
        try:
            text = require_ciphertext(
                self.cleaned_data["input"], field="input", max_characters=MAX_TRIED_CHARACTERS
            )
            return envelope.encode(envelope.decode(text, max_length=MAX_TRIED_CHARACTERS))
        except Invalid as refusal:
            self.unreadable = refusal
            raise


class VerifyingTrialForm(TrialForm):
    """Sign or compute a MAC, and verify. ``proof``: the signature or MAC to verify."""

    proof = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_TRIED_CHARACTERS,
        widget=forms.Textarea(attrs=UNKEPT | {"rows": 4}),
    )

    def __init__(self, data: Any = None, *, key: Key, **kwargs: Any) -> None:
        super().__init__(data, key=key, **kwargs)
        field = self.fields["proof"]
        field.label, field.help_text = (
            ("Signature", "In base64. ECDSA signatures are DER.")
            if key.purpose == "sign"
            else ("MAC", "In base64.")
        )

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        name, most = (
            ("signature", MAX_SIGNATURE_BYTES) if self.key.purpose == "sign" else ("mac", MAX_MAC_BYTES)
        )
        if {"operation", "input", "proof"} <= given.keys():
            if self.key.purpose == "sign":
                self.body["signing_algorithm"] = self._mode
            self._add("message", "input", self._message)
            if given["operation"] == "verify":
                self._add(name, "proof", lambda: self._base64("proof", most, "base64"))
        return given


class SecretTrialForm(TrialForm):
    """Encapsulate, decapsulate, or agree on a secret. ``input``: the ciphertext, or the other party's public key."""

    key_version = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_VERSION,
        help_text="Leave empty for the primary version.",
    )

    field_order = ("operation", "input", "key_version")

    def __init__(self, data: Any = None, *, key: Key, **kwargs: Any) -> None:
        super().__init__(data, key=key, **kwargs)
        field = self.fields["input"]
        field.widget.attrs["rows"] = 6
        if key.purpose == "agree":
            field.label, field.help_text = "Public key of the other party", "PEM."
        else:
            field.label, field.help_text = "Ciphertext", "In base64."
            version = self.fields["key_version"]
            version.initial = key.primary_version
            version.help_text = (
                "The version that the secret was encapsulated to. A wrong one gives a wrong secret."
            )

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        operation, number = given.get("operation"), given.get("key_version")
        if operation == "decapsulate" and number is None:
            self.add_error("key_version", "Enter the version.")
        if "input" in given and operation == "agree":
            self._add("public_key", "input", self._public_key)
        if number is not None and operation != "encapsulate":
            self.body["key_version"] = number
        if "input" in given and operation == "decapsulate":
            self._add(
                "ciphertext", "input", lambda: self._base64("input", MAX_KEM_CIPHERTEXT_BYTES, "base64")
            )
        return given

    def _public_key(self) -> str:
        text = self.cleaned_data["input"]
        return encode_base64(public_key_of(text, field="input", max_bytes=MAX_PUBLIC_KEY_BYTES))
