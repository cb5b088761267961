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
from crypto_ops.trying.texts import FORMATS, octets_of, public_key_of, require_ciphertext
from kernel.clock import process_now
from kernel.crypto import envelope
from kernel.crypto.envelope import Envelope
from kernel.crypto.modes import SEALING_MODES
from kernel.errors import Invalid
from kernel.pages.forms import PageForm, offer
from keys import lifecycle
from keys.explanations import MODE_LABELS, OPERATION_LABELS
from keys.metadata import MAX_VERSION
from keys.models import Key

# By the purpose of the key, the operations that the page can try.
TRIED: Final[Mapping[str, tuple[str, ...]]] = {
    "encrypt": ("encrypt", "decrypt", "reencrypt"),
    "sign": ("sign", "verify"),
    "mac": ("mac", "verify"),
    "encapsulate": ("encapsulate", "decapsulate"),
    "agree": ("agree",),
}
# Input is confidential: browsers must not store it or send it to a spelling service.
_UNKEPT: Final = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class TrialForm(PageForm):
    """One operation with ``key``. The form does not check which operations are currently possible."""

    operation = forms.ChoiceField(error_messages={"required": "Choose an operation."})
    input = forms.CharField(
        strip=False,
        help_text=f"At most {MAX_TRIED_BYTES // 1024} KiB.",
        widget=forms.Textarea(attrs=_UNKEPT | {"rows": 8}),
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
        offer(self, "operation", [(word, OPERATION_LABELS[word]) for word in TRIED[key.purpose]])
        offer(self, "mode", [(name, name) for name in key.protecting_modes])
        self.fields["mode"].label = MODE_LABELS[key.purpose]

    def _add(self, name: str, field: str, read: Callable[[], object]) -> None:
        try:
            self.cleaned_data[name] = read()
        except Invalid as refusal:
            self.add_error(field, refusal.fields[field][0] if field in refusal.fields else refusal.detail)

    def _octets(self, field: str, max_bytes: int) -> bytes:
        form = self.cleaned_data.get(f"{field}_format") or "text"
        return octets_of(self.cleaned_data[field], form, field=field, max_bytes=max_bytes)


class SealingTrialForm(TrialForm):
    """Encrypt, decrypt or re-encrypt."""

    aad = forms.CharField(
        label="Associated data (AAD, optional)",
        required=False,
        strip=False,
        help_text="Not encrypted. You need the same value to decrypt the ciphertext.",
        widget=forms.TextInput(attrs=_UNKEPT),
    )
    aad_format = forms.ChoiceField(required=False, label="AAD format", choices=list(FORMATS.items()))
    target = forms.CharField(
        label="Target key (optional)",
        required=False,
        help_text="Enter the name of another key. Leave empty to use the primary version of this key.",
        widget=forms.TextInput(attrs=_UNKEPT),
    )
    reason = forms.CharField(
        label="Why can this message be trusted?",
        required=False,
        max_length=100,
        help_text="Recorded in the audit log. An attacker with the compromised key could have forged the message.",
        widget=forms.TextInput(attrs=_UNKEPT),
    )

    def __init__(self, data: Any = None, *, key: Key, **kwargs: Any) -> None:
        super().__init__(data, key=key, **kwargs)
        if not any(SEALING_MODES[name].takes_aad for name in key.modes):
            del self.fields["aad"], self.fields["aad_format"]
        if not lifecycle.may_protect(key.lifecycle_state(process_now()).state):
            self.fields["target"].label = "Target key"
            self.fields["target"].help_text = "Enter the name of another key. This key cannot encrypt."

    def clean(self) -> dict[str, Any]:
        """Adds ``aad_octets``, and ``octets`` or ``envelope`` depending on the operation."""
        given = self.cleaned_data
        if "aad" not in self.fields:
            given |= {"aad": "", "aad_octets": b""}
        if {"operation", "input", "aad"} <= given.keys():
            self._add("aad_octets", "aad", lambda: self._octets("aad", MAX_AAD_BYTES))
            if given["operation"] == "encrypt":
                self._add("octets", "input", lambda: self._octets("input", MAX_TRIED_BYTES))
            else:
                self._add("envelope", "input", self._envelope)
        return given

    def _envelope(self) -> Envelope:
        text = require_ciphertext(
            self.cleaned_data["input"], field="input", max_characters=MAX_TRIED_CHARACTERS
        )
        return envelope.decode(text, max_length=MAX_TRIED_CHARACTERS)


class VerifyingTrialForm(TrialForm):
    """Sign or compute a MAC, and verify. ``proof``: the signature or MAC to verify."""

    proof = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_TRIED_CHARACTERS,
        widget=forms.Textarea(attrs=_UNKEPT | {"rows": 4}),
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
        """Adds ``octets``, and to verify ``proof_octets``."""
        given = self.cleaned_data
        if {"operation", "input", "proof"} <= given.keys():
            self._add("octets", "input", lambda: self._octets("input", MAX_TRIED_BYTES))
            if given["operation"] == "verify":
                self._add("proof_octets", "proof", self._proof)
        return given

    def _proof(self) -> bytes:
        most = MAX_SIGNATURE_BYTES if self.key.purpose == "sign" else MAX_MAC_BYTES
        return octets_of(self.cleaned_data["proof"], "base64", field="proof", max_bytes=most)


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
            field.label, field.help_text, field.required = "Ciphertext", "In base64.", False
            version = self.fields["key_version"]
            version.initial = key.primary_version
            version.help_text = (
                "The version that the secret was encapsulated to. A wrong one gives a wrong secret."
            )

    def clean(self) -> dict[str, Any]:
        """Adds ``octets``, unless the operation is to encapsulate."""
        given = self.cleaned_data
        if {"operation", "input"} <= given.keys() and given["operation"] != "encapsulate":
            self._add("octets", "input", self._given)
        if given.get("operation") == "decapsulate" and given.get("key_version") is None:
            self.add_error("key_version", "Enter the version.")
        return given

    def _given(self) -> bytes:
        text = self.cleaned_data["input"]
        if self.key.purpose == "agree":
            return public_key_of(text, field="input", max_bytes=MAX_PUBLIC_KEY_BYTES)
        return octets_of(text, "base64", field="input", max_bytes=MAX_KEM_CIPHERTEXT_BYTES)


TRIAL_FORMS: Final[Mapping[str, type[TrialForm]]] = {
    "encrypt": SealingTrialForm,
    "sign": VerifyingTrialForm,
    "mac": VerifyingTrialForm,
    "encapsulate": SecretTrialForm,
    "agree": SecretTrialForm,
}
