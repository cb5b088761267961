"""The forms of *Try it* for data keys, derived keys, JWTs and certificate signing requests, and ``TRIAL_FORMS`` of all."""

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.conf import settings

from crypto_ops.requests import MAX_CLAIMS_BYTES
from crypto_ops.secrets.services.data_keys import BITS, DEFAULT_BITS, KEY_PAIRS
from crypto_ops.secrets.services.derivations import MAX_BITS, MAX_CONTEXT_BYTES, MIN_BITS
from crypto_ops.signatures.services.jwts import payload_of
from crypto_ops.trying.forms import UNKEPT, SealingTrialForm, SecretTrialForm, TrialForm, VerifyingTrialForm
from crypto_ops.trying.texts import FORMATS
from kernel.errors import Invalid
from kernel.http import strict_json
from kernel.pages.forms import WordsField
from keys.metadata import MAX_VERSION

_DATA_KEYS: Final = (
    ("Random key", [(str(bits), f"{bits} bits") for bits in BITS]),
    ("Key pair", [(name, name) for name in KEY_PAIRS]),
)


class _EncryptingTrialForm(SealingTrialForm):
    """Also generate a data key, or derive a key."""

    contents = forms.ChoiceField(
        required=False, label="Data key", choices=_DATA_KEYS, initial=str(DEFAULT_BITS)
    )
    plaintext = forms.BooleanField(
        required=False,
        label="Show the plaintext",
        help_text="The result always contains the encrypted data key.",
    )
    context = forms.CharField(
        required=False,
        strip=False,
        help_text=f"Identifies the derived key. 1 to {MAX_CONTEXT_BYTES:,} bytes.",
        widget=forms.TextInput(attrs=UNKEPT),
    )
    context_format = forms.ChoiceField(required=False, choices=list(FORMATS.items()))
    bits = forms.IntegerField(
        required=False,
        label="Size in bits",
        initial=DEFAULT_BITS,
        help_text=f"A multiple of 8, from {MIN_BITS} to {MAX_BITS:,}.",
    )
    key_version = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_VERSION,
        label="Version",
        help_text="Leave empty for the primary version.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not settings.CC_CONSOLE_DECRYPT:
            del self.fields["plaintext"]

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        operation = given.get("operation")
        if self.errors or operation not in {"data_key", "derive"}:
            return super().clean()
        if operation == "data_key":
            chosen = given["contents"] or str(DEFAULT_BITS)
            self.body |= {"bits": int(chosen)} if chosen.isdecimal() else {"key_pair": chosen}
            self.body |= {"algorithm": self._mode, "plaintext": given.get("plaintext", False)}
            if "aad" in self.fields:
                self._add_aad()
        else:
            self._add("context", "context", lambda: self._base64("context", MAX_CONTEXT_BYTES))
            self.body["bits"] = given["bits"] or DEFAULT_BITS
            if given["key_version"] is not None:
                self.body["key_version"] = given["key_version"]
        return given


class _SigningTrialForm(VerifyingTrialForm):
    """Also sign a JWT, or a certificate signing request."""

    claims = forms.CharField(
        required=False,
        help_text=f"A JSON object of at most {MAX_CLAIMS_BYTES // 1024} KiB. The server adds no claim.",
        widget=forms.Textarea(attrs=UNKEPT | {"rows": 8, "class": "mono"}),
    )
    subject = forms.CharField(
        required=False,
        help_text="An RFC 4514 name, such as CN=www.example.org,O=Example.",
        widget=forms.TextInput(attrs=UNKEPT),
    )
    san = WordsField(
        required=False,
        label="Other names (optional)",
        help_text="DNS names, IP addresses, email addresses and URIs, separated by commas.",
    )

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        operation = given.get("operation")
        if self.errors or operation not in {"jwt", "csr"}:
            return super().clean()
        if operation == "jwt":
            self._add("claims", "claims", self._claims)
        else:
            self.body = {"subject": given["subject"], "san": given["san"]}
        self.body["signing_algorithm"] = self._mode
        return given

    def _claims(self) -> object:
        try:
            found = strict_json.loads(self.cleaned_data["claims"].encode())
        except Invalid:
            found = None
        if not isinstance(found, dict):
            raise Invalid.of_field("claims", 'Enter a JSON object, such as {"sub": "build 7"}.')
        payload_of(found)
        return found


TRIAL_FORMS: Final[Mapping[str, type[TrialForm]]] = {
    "encrypt": _EncryptingTrialForm,
    "sign": _SigningTrialForm,
    "mac": VerifyingTrialForm,
    "encapsulate": SecretTrialForm,
    "agree": SecretTrialForm,
}
