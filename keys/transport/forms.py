"""Forms that import and export keys. They parse input; the services validate it."""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, Final

from django import forms

from kernel.crypto.errors import WrongKey
from kernel.crypto.transport import pem
from kernel.pages.forms import UnkeptTextarea, UtcDateTimeField, offer
from keys.creation.forms import NewKeyForm
from keys.explanations import algorithm_choices
from keys.forms import FinalForm
from keys.models import Key
from keys.policies.forms import PolicyChoiceField
from keys.transport.services.exporting import MAX_WRAPPING_KEY
from keys.transport.services.importing import MAX_TEXT, PROTECTED, ImportRequest, ImportSettings

_FORMATS: Final = MappingProxyType(
    {
        "pem": "PEM: a private or public key",
        "pkcs8": "PKCS #8 in base64: a private key",
        "raw": "Raw bytes in base64: a symmetric key",
        "jwk": "JWK: a JSON object",
        "public": "SubjectPublicKeyInfo in base64 or PEM: a public key",
        "wrapped": "Wrapped by RSA and AES, in base64",
        "hpke": "Wrapped by HPKE, in base64",
    }
)
# The others suit every algorithm. The first one that suits is the suggestion.
_SYMMETRIC_ONLY: Final = frozenset({"raw"})
_ASYMMETRIC_ONLY: Final = frozenset({"pem", "pkcs8", "public"})
# Texts keep their line breaks. Base64 is often pasted with some.
_TEXTS: Final = frozenset({"pem", "jwk", "public"})
_PLAIN: Final = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class ImportForm(NewKeyForm):
    """A key of another system. On a connection that others can read, it offers no plain format."""

    more_options = ("expires_at", "tags", "exportable")

    algorithm = forms.ChoiceField(
        help_text="It must match the material. Keys of type rsa-2048 only verify or decrypt.",
        widget=forms.Select(attrs={"hx-get": "", "hx-target": "#format-choice", "hx-include": "#id_format"}),
    )
    format = forms.ChoiceField(
        error_messages={"invalid_choice": "Choose a format that suits the algorithm and the connection."}
    )
    material = forms.CharField(
        label="Key material",
        strip=False,
        max_length=MAX_TEXT,
        help_text="Enter the key material without password protection. This page does not show it again.",
        widget=UnkeptTextarea,
    )
    import_parameters_id = forms.UUIDField(
        required=False,
        label="ID of the import parameters",
        help_text="Required for wrapped material. The button Get import parameters below sets it.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    policy_id = PolicyChoiceField(help_text="A policy sets the algorithm, and limits lifetime and deletion.")
    expires_at = UtcDateTimeField(
        required=False,
        label="Expires at (UTC)",
        help_text="After this time, the key only works for existing data. You cannot change the expiry once it has passed.",
    )

    field_order = (
        "name",
        "algorithm",
        "format",
        "material",
        "import_parameters_id",
        "description",
        "policy_id",
        "expires_at",
        "tags",
        "exportable",
    )

    def __init__(self, *args: Any, is_private_connection: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_private_connection = is_private_connection
        offer(self, "algorithm", [("", "Choose an algorithm"), *_grouped_algorithms()])
        if self.is_bound:
            self.offer_formats()

    def offer_formats(self) -> None:
        """Those that suit the chosen algorithm. Without one, all."""
        chosen = algorithm_choices().get(self["algorithm"].value() or "")
        unsuited = frozenset[str]()
        if chosen is not None:
            unsuited = _SYMMETRIC_ONLY if chosen.algorithm.is_asymmetric else _ASYMMETRIC_ONLY
        offered = [
            (word, label)
            for word, label in _FORMATS.items()
            if word not in unsuited and (self.is_private_connection or word in PROTECTED)
        ]
        offer(self, "format", offered)

    def import_request(self) -> ImportRequest:
        given = self.cleaned_data
        kind = algorithm_choices()[given["algorithm"]].algorithm
        material = given["material"]
        return ImportRequest(
            name=given["name"],
            algorithm=kind.name,
            purpose=kind.purpose,
            format=given["format"],
            material=material if given["format"] in _TEXTS else "".join(material.split()),
            import_parameters_id=given["import_parameters_id"],
            is_private_connection=self.is_private_connection,
        )

    def settings(self) -> ImportSettings:
        given = self.cleaned_data
        return ImportSettings(
            description=given["description"],
            tags=given["tags"],
            expires_at=given["expires_at"],
            exportable=given["exportable"],
        )


class ExportForm(FinalForm):
    """Confirms an export with the key's name. ``wrapping_key`` of the cleaned data is DER, or None."""

    wrapping_key = forms.CharField(
        required=False,
        label="Wrapping key",
        max_length=4 * MAX_WRAPPING_KEY,
        help_text="The public key of the other system, as PEM or base64: RSA from 3072 bits, or X25519 with ML-KEM-768.",
        widget=UnkeptTextarea(rows=6),
    )

    field_order = ("wrapping_key", "reason", "name")

    def __init__(self, *args: Any, key: Key, is_private_connection: bool, **kwargs: Any) -> None:
        super().__init__(*args, key_name=key.name, anyway="", **kwargs)
        field = self.fields["wrapping_key"]
        if is_private_connection:
            field.label = "Wrapping key (optional)"
        else:
            field.required = True

    def clean_wrapping_key(self) -> bytes | None:
        text = str(self.cleaned_data["wrapping_key"])
        if not text:
            return None
        try:
            return pem.read_public(text, max_bytes=MAX_WRAPPING_KEY)
        except WrongKey as error:
            raise forms.ValidationError(str(error)) from None


def _grouped_algorithms() -> Iterable[tuple[str, list[tuple[str, str]]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for value, choice in algorithm_choices().items():
        groups.setdefault(choice.group, []).append((value, choice.name))
    return groups.items()
