"""Strict serializer fields: unknown, loosely typed or out-of-range values are rejected."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from copy import copy
from functools import cache
from typing import Any, Final, NoReturn

from django.http import QueryDict
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kernel.crypto.algorithms import ALGORITHM_NAMES, GENERATED_NAMES, KEY_ALGORITHM_ALIASES
from kernel.crypto.encoding import decode_base64, encode_base64
from kernel.crypto.errors import WrongKey
from kernel.crypto.modes import AGREEMENT_MODES, KEM_MODES, MAC_MODES, SEALING_MODES, SIGNING_MODES
from kernel.crypto.transport import pem
from kernel.errors import Invalid
from kernel.labels import NAME, NAME_RULE, label_fault

type AnyField = serializers.Field[Any, Any, Any, Any]

# Printable as defined by ``str.isprintable``: letters, marks, digits, punctuation and symbols, with spaces between.
_WORD = r"[\p{L}\p{M}\p{N}\p{P}\p{S}]+"
LABEL_PATTERN = f"^{_WORD}(?: +{_WORD})*$"

_DATE_AND_TIME: Final = re.compile(r"\d{4}-?\d{2}-?\d{2}[Tt ]", re.ASCII)


class StrictSerializer(serializers.Serializer[Any]):
    """Rejects undeclared members, so that a misspelled option is never silently ignored.

    It also rejects values of another JSON type than the field's: DRF would accept ``"1"``, ``1.0`` and ``true`` as
    numbers or texts.
    """

    default_error_messages = {"invalid": "Expected an object."}

    def to_internal_value(self, data: Any) -> Any:
        error_of = _form_error if isinstance(data, QueryDict) else _type_error
        if isinstance(data, QueryDict):
            data = _single_values(data)
        if isinstance(data, Mapping):
            found = {name: self._error(error_of, name, value) for name, value in data.items()}
            errors = {name: [message] for name, message in found.items() if message}
            if errors:
                raise serializers.ValidationError(errors)
        return super().to_internal_value(data)

    def _error(self, error_of: Callable[[AnyField, Any], str], name: str, value: object) -> str:
        return error_of(self.fields[name], value) if name in self.fields else "Unknown field."


def blank[S: serializers.Serializer[Any]](serializer_class: type[S]) -> S:
    """A serializer without data. It shares its fields with others of its class, so they get no context."""
    serializer: S = copy(_blank(serializer_class))
    return serializer


@cache
def _blank[S: serializers.Serializer[Any]](serializer_class: type[S]) -> S:
    # DRF copies the declared fields for each serializer, which takes longer than reading a short body with them.
    serializer = serializer_class()
    serializer.fields  # noqa: B018 - makes the copy, which stays in this serializer
    return serializer


def represent(serializer_class: type[serializers.Serializer[Any]], value: object) -> Any:
    """The members of the response. For a serializer whose fields need neither a context nor the serializer."""
    return _blank(serializer_class).to_representation(value)


# Base64Field and nested serializers check the type themselves.
_JSON_TYPES: tuple[tuple[type[AnyField], type, str], ...] = (
    (serializers.CharField, str, "Expected a string."),
    (serializers.ChoiceField, str, "Expected a string."),
    (serializers.DateTimeField, str, "Expected a string."),
    (serializers.UUIDField, str, "Expected a string."),
    (serializers.IntegerField, int, "Expected an integer."),
    (serializers.BooleanField, bool, "Expected true or false."),
    (serializers.ListField, list, "Expected a list."),
)
_INTEGER = re.compile("-?[0-9]+", re.ASCII)


def _type_error(field: AnyField, value: object) -> str:
    """The error in the JSON type of a value, or "". The field itself handles null."""
    for kind, expected, message in _JSON_TYPES:
        if isinstance(field, kind) and value is not None and type(value) is not expected:
            return message
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        return next((message for member in value if (message := _type_error(field.child, member))), "")
    return ""


def _form_error(field: AnyField, text: str) -> str:
    """The error in the spelling of a query parameter, or "": ``1.0`` and digits of other scripts are not integers."""
    if isinstance(field, serializers.IntegerField) and not _INTEGER.fullmatch(text):
        return "Expected an integer."
    if isinstance(field, serializers.BooleanField) and text not in {"true", "false"}:
        return "Expected true or false."
    return ""


def _single_values(query: QueryDict) -> dict[str, Any]:
    repeated = {name: ["Send this parameter only once."] for name, values in query.lists() if len(values) > 1}
    if repeated:
        raise serializers.ValidationError(repeated)
    return query.dict()


class Base64Field(serializers.Field[bytes, Any, str, bytes]):
    """Bytes as strict, canonical base64 (RFC 4648 section 4), at most ``max_bytes`` of them."""

    default_error_messages = {"invalid": "Expected a string of base64."}

    def __init__(self, *, max_bytes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_bytes = max_bytes

    def to_internal_value(self, data: Any) -> bytes:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return decode_base64(data, field=self.field_name or "", max_bytes=self.max_bytes)
        except Invalid as error:
            raise serializers.ValidationError([m for ms in error.fields.values() for m in ms]) from None

    def to_representation(self, value: bytes) -> str:
        return encode_base64(value)


class PublicKeyField(Base64Field):
    """A SubjectPublicKeyInfo as base64 of its DER, or as PEM. Which key it is, is checked later."""

    def to_internal_value(self, data: Any) -> bytes:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return pem.read_public(data, max_bytes=self.max_bytes)
        except WrongKey as error:
            raise serializers.ValidationError(str(error)) from None


class TimestampField(serializers.DateTimeField):
    """ISO 8601. Without an offset, a time is UTC. Output is in UTC with a ``Z``."""

    timezone = dt.UTC
    default_error_messages = {"date": "Use a date and a time, such as 2030-01-31T12:00:00Z."}

    def to_internal_value(self, value: Any) -> dt.datetime:
        # A date would mean its first moment, but as the end of a period users mean its last. And of digits alone, such as
        # seconds since 1970, some are a time in the basic form of ISO 8601.
        if isinstance(value, str) and not _DATE_AND_TIME.match(value):
            self.fail("date")
        return super().to_internal_value(value)

    def to_representation(self, value: Any) -> Any:
        return None if value is None else value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


@extend_schema_field({"type": "string", "enum": list(ALGORITHM_NAMES)})
class KeyAlgorithmField(serializers.CharField):
    """The name of a key algorithm. ``find_key_algorithm`` rejects an unknown one with a specific error code."""


@extend_schema_field({"type": "string", "enum": [*ALGORITHM_NAMES, *KEY_ALGORITHM_ALIASES]})
class KeyAlgorithmOrAliasField(KeyAlgorithmField):
    """The name of a key algorithm in a request, which may be an alias."""


@extend_schema_field({"type": "string", "enum": list(SEALING_MODES)})
class ModeField(serializers.CharField):
    """The name of a mode. ``find_sealing_mode`` rejects an unknown one with a specific error code."""


@extend_schema_field({"type": "string", "enum": [*GENERATED_NAMES, *KEY_ALGORITHM_ALIASES]})
class GeneratedAlgorithmField(KeyAlgorithmField):
    """Of a key that is generated; in requests."""


@extend_schema_field({"type": "string", "enum": list(SIGNING_MODES)})
class SigningModeField(serializers.CharField):
    """The name of a signing mode. ``find_signing_mode`` rejects an unknown one with a specific error code."""


@extend_schema_field({"type": "string", "enum": list(MAC_MODES)})
class MacModeField(serializers.CharField):
    """The name of a MAC mode, in responses."""


@extend_schema_field({"type": "string", "enum": [*KEM_MODES, *AGREEMENT_MODES]})
class SecretModeField(serializers.CharField):
    """The name of a mode of shared secrets, in responses."""


class ChoiceField(serializers.ChoiceField):
    """Lists its choices in the error, where DRF repeats the input."""

    default_error_messages = {"invalid_choice": "Choose one of: {choices}."}

    def fail(self, key: str, **kwargs: Any) -> NoReturn:
        super().fail(key, choices=", ".join(map(str, self.choices)), **kwargs)


class NameField(serializers.RegexField):
    """The name of a key, a policy or a service account (``kernel.labels.NAME``)."""

    default_error_messages = {"invalid": NAME_RULE, "blank": NAME_RULE}

    def __init__(self, *, help_text: str = "a-z, 0-9 and hyphen; cannot be changed", **kwargs: Any) -> None:
        super().__init__(rf"^{NAME.pattern}\Z", help_text=help_text, trim_whitespace=False, **kwargs)


class LabelField(serializers.CharField):
    """A text in which :func:`kernel.labels.label_fault` finds no fault."""

    max_length: int

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, max_length=max_length, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if fault := label_fault(text, self.max_length):
            raise serializers.ValidationError(fault, code="label")
        return text
