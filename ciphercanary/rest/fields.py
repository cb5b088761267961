"""Serializer fields that are as strict as the contract: what is unknown, loose or out of range is refused."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from rest_framework import serializers

from ciphercanary.crypto.encoding import decode_base64, encode_base64
from ciphercanary.errors import Invalid

MAX_PAGE = 1_000_000


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses members it does not declare, so that a misspelt option is never silently ignored."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, QueryDict):
            data = _single_values(data)
        if isinstance(data, Mapping):
            unknown = {name: ["Unknown field."] for name in data if name not in self.fields}
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


def _single_values(query: QueryDict) -> dict[str, Any]:
    repeated = {name: ["Give this parameter once."] for name, values in query.lists() if len(values) > 1}
    if repeated:
        raise serializers.ValidationError(repeated)
    return query.dict()


class PageQuery(StrictSerializer):
    """``page`` (from 1) and ``limit`` (1-100, default 20); list filters extend it."""

    page = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=1)
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)


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


class TimestampField(serializers.DateTimeField):
    """RFC 3339 with an offset, in and out; answered in UTC with a ``Z``."""

    default_error_messages = {"naive": "Give a time zone: end the time in Z or in an offset like +02:00."}

    def to_internal_value(self, value: Any) -> dt.datetime:
        if isinstance(value, str) and not _has_offset(value):
            self.fail("naive")
        try:
            return super().to_internal_value(value).astimezone(dt.UTC)
        except OverflowError:
            self.fail("overflow")

    def to_representation(self, value: Any) -> Any:
        return None if value is None else value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _has_offset(text: str) -> bool:
    try:
        return dt.datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return True  # not a time at all: DRF's own message says so
