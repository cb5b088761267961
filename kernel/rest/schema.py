"""drf-spectacular settings for our views: bearer tokens as security, a problem document as every error."""

import re
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, Final, cast

from django.apps import apps
from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import Direction, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.actions import SCHEMA_READ
from kernel.crypto.transport.pem import MOST_CHARACTERS
from kernel.http.problems import CONTENT_TYPE
from kernel.rest.fields import LABEL_PATTERN, Base64Field, LabelField, PublicKeyField, StrictSerializer
from kernel.rest.idempotency import IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED
from kernel.rest.views import ApiView
from kernel.rules import PUBLIC, Caller, Rule

_VERBS = {"GET": "read", "PATCH": "update", "DELETE": "delete"}
_BUDGET_HEADERS: Final = {
    "RateLimit-Policy": {
        "description": "The caller's rate limit: q requests in w seconds "
        "(draft-ietf-httpapi-ratelimit-headers-11).",
        "schema": {"type": "string", "pattern": r'^"principal";q=\d+;w=\d+$'},
        "example": '"principal";q=6000;w=60',
    },
    "RateLimit": {
        "description": "The remaining requests (r). In t seconds the full limit is available again; with r=0, the next request is allowed.",
        "schema": {"type": "string", "pattern": r'^"principal";r=\d+;t=\d+$'},
        "example": '"principal";r=5400;t=6',
    },
}
_RETRY_HEADERS: Final = {
    "Retry-After": {
        "description": "Seconds to wait before a retry. Sent with 429, with 503 overloaded, and if the problem "
        "has retry_after.",
        "schema": {"type": "integer", "minimum": 1},
    },
}
# The additional refusals of an operation that accepts Idempotency-Key.
_IDEMPOTENCY_PROBLEMS: Final = {
    "409": "A request with the same Idempotency-Key is in progress (`request_in_progress`), or it succeeded and its "
    "response contained a secret (`already_completed`). Or the current state does not allow this.",
    "422": "The Idempotency-Key belongs to another request (`idempotency_key_reused`), or a rule does not allow this.",
}

# The only spelling of the bytes (RFC 4648 section 3.5): unused bits are zero.
_BASE64_PATTERN: Final = (
    r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"
)
LOCATION: Final = OpenApiParameter(
    "Location",
    {"type": "string", "format": "uri-reference"},
    OpenApiParameter.HEADER,
    response=[HTTPStatus.CREATED.value, HTTPStatus.ACCEPTED.value],
    description="The path of the created object.",
)


class ProblemMembersSerializer(serializers.Serializer[Any]):
    """A problem inside a response. Some codes add members."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]  # DRF takes declared fields off the class
        child=serializers.ListField(child=serializers.CharField()), required=False
    )


class ProblemSerializer(ProblemMembersSerializer):
    """A problem document (RFC 9457). Some codes add members."""

    request_id = serializers.CharField()


_PROBLEM = (ProblemSerializer, CONTENT_TYPE, "A problem document (RFC 9457).")


class ApiSchema(AutoSchema):
    """Reads ``rules`` for security, names an operation after its path, and tags it with its app."""

    @property
    def rules(self) -> Mapping[str, Rule]:
        return cast("ApiView[Any]", self.view).rules

    def get_auth(self) -> list[dict[str, list[str]]]:
        rule = self.rules.get(self.method)
        return [] if rule and rule.permission is PUBLIC else [{"bearer": []}]

    def get_extensions(self) -> dict[str, str]:
        """The required permission, if it is one. docs/api.md lists the roles that have it."""
        rule = self.rules.get(self.method)
        return {"x-permission": rule.permission} if rule and isinstance(rule.permission, str) else {}

    def get_override_parameters(self) -> list[Any]:
        return [IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED] if self.is_idempotent else []

    @property
    def is_idempotent(self) -> bool:
        return getattr(getattr(self.view, self.method.lower()), "is_idempotent", False)

    def get_tags(self) -> list[str]:
        app = apps.get_containing_app_config(type(self.view).__module__)
        return [str(app.verbose_name)] if app else []

    def get_operation_id(self) -> str:
        """``keys_rotate``, ``encrypt``. A POST to a path that also has a GET creates: ``keys_create``."""
        words = [re.sub(r"\W", "_", word) for word in self.path.removeprefix("/api/v1/").split("/") if word]
        creates = self.method == "POST" and "GET" in self.rules
        verb = "create" if creates else _VERBS.get(self.method, "")
        return "_".join([word for word in words if not word.startswith("_")] + [verb] * bool(verb))

    def get_description(self) -> str:  # type: ignore[override]  # as in drf-spectacular's own class
        """The docstring of the method or of the view itself. That of a base class addresses developers, not callers."""
        method = getattr(self.view, self.method.lower())
        return (method.__doc__ or vars(type(self.view)).get("__doc__") or "").strip()

    def get_request_serializer(self) -> Any:
        """None for a DELETE, unless ``extend_schema`` names one."""
        return None if self.method == "DELETE" else super().get_request_serializer()

    def get_response_serializers(self) -> Any:
        """No body after a DELETE, unless ``extend_schema`` names one."""
        return (
            {HTTPStatus.NO_CONTENT: None} if self.method == "DELETE" else super().get_response_serializers()
        )

    def _get_request_body(self, direction: Direction = "request") -> dict[str, Any] | None:
        method = self.method
        if method == "DELETE":
            if self.get_request_serializer() is None:
                return None
            self.method = "POST"  # OpenAPI 3.1 allows a DELETE with a body, but drf-spectacular omits it
        try:
            body: dict[str, Any] | None = super()._get_request_body(direction)  # type: ignore[no-untyped-call]  # drf-spectacular does not type it
        finally:
            self.method = method
        return body

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        serializer, media_type, meaning = getattr(self.view, "error_format", _PROBLEM)
        problem = self.resolve_serializer(serializer, direction)
        problems = _IDEMPOTENCY_PROBLEMS if self.is_idempotent else {}
        for status, description in {**problems, "default": meaning}.items():
            bodies[status] = {
                "description": description,
                "content": {media_type: {"schema": problem.ref if problem else {}}},
                "headers": self._header_refs(_RETRY_HEADERS),
            }
        if self.get_auth():
            budget = self._header_refs(_BUDGET_HEADERS)
            for body in bodies.values():
                body["headers"] = body.get("headers", {}) | budget
        return bodies

    def _header_refs(self, headers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        refs = {}
        for name, header in headers.items():
            component = ResolvedComponent(name, ResolvedComponent.HEADER, header, object=name)  # type: ignore[no-untyped-call]  # drf-spectacular does not type it
            self.registry.register_on_missing(component)
            refs[name] = component.ref
        return refs


class _Base64FieldSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # registers itself
    target_class = Base64Field

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:  # noqa: ARG002 - drf-spectacular's signature
        longest = (self.target.max_bytes + 2) // 3 * 4
        return {
            "type": "string",
            "contentEncoding": "base64",
            "pattern": _BASE64_PATTERN,
            "maxLength": longest,
        }


class _PublicKeyFieldSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # likewise
    target_class = PublicKeyField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:  # noqa: ARG002 - drf-spectacular's signature
        return {"type": "string", "maxLength": MOST_CHARACTERS * self.target.max_bytes}


class _LabelFieldSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]  # likewise
    target_class = LabelField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:  # noqa: ARG002 - drf-spectacular's signature
        return {"type": "string", "pattern": LABEL_PATTERN, "maxLength": self.target.max_length}


class _StrictSerializerSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # likewise
    """Adds constraints beyond the fields' own: unknown members and empty texts are rejected."""

    target_class = StrictSerializer
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        serializer = self.target() if isinstance(self.target, type) else self.target
        schema: dict[str, Any] = auto_schema._map_serializer(  # type: ignore[no-untyped-call]  # noqa: SLF001 - the way that drf-spectacular documents for extensions
            serializer, direction, bypass_extensions=True
        )
        for name, field in serializer.fields.items():
            if isinstance(field, serializers.CharField) and not field.allow_blank:
                schema["properties"][name].setdefault("minLength", 1)
            if isinstance(field, serializers.ListField):
                bounds = {"minItems": field.min_length, "maxItems": field.max_length}
                schema["properties"][name] |= {word: bound for word, bound in bounds.items() if bound}
        schema |= getattr(serializer, "schema_keywords", {})
        if not vars(type(serializer)).get("__doc__"):
            schema.pop("description", None)  # the base class's own docstring
        return {**schema, "additionalProperties": False}


_generating = threading.Lock()  # noqa: CC6 - guards the cache of a constant


def document() -> Mapping[str, Any]:
    """The OpenAPI 3.1 document. It is the same for every caller, so each process generates it once."""
    # drf-spectacular resolves its extensions on first use without a lock, so parallel generations would fail.
    with _generating:
        return _generate()


@cache
def _generate() -> Mapping[str, Any]:
    made: Mapping[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # drf-spectacular does not type it
    return made


def document_of(patterns: Sequence[Any]) -> Mapping[str, Any]:
    """The OpenAPI document of these URL patterns only."""
    with _generating:
        made: Mapping[str, Any] = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # as above
        return made


class SchemaView(ApiView[Caller]):
    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    rules = {"GET": Rule(PUBLIC, SCHEMA_READ)}

    @extend_schema(exclude=True)
    def get(self, _request: Request) -> Response:
        return Response(document())
