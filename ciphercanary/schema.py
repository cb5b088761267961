"""How drf-spectacular reads our views: bearer tokens as security, the problem document as every error."""

from typing import Any, cast

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction
from rest_framework import serializers

from ciphercanary.problems import CONTENT_TYPE
from ciphercanary.rest.views import PUBLIC, ApiView


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457, as ``ciphercanary.problems.document`` writes it; some codes add members."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]  # DRF takes declared fields off the class
        child=serializers.ListField(child=serializers.CharField()), required=False
    )


class ApiSchema(AutoSchema):
    """Reads ``rules`` for security; paths carry their first word as the tag."""

    def get_auth(self) -> list[dict[str, list[str]]]:
        view = cast("ApiView[Any]", self.view)
        rule = view.rules.get(self.method)
        return [] if rule and rule.permission is PUBLIC else [{"bearer": []}]

    def get_tags(self) -> list[str]:
        words = [word for word in self.path.removeprefix("/api/v1").split("/") if word]
        return [words[0]]

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        problem = self.resolve_serializer(ProblemSerializer, direction)
        bodies["default"] = {
            "description": "A problem document (RFC 9457).",
            "content": {CONTENT_TYPE: {"schema": problem.ref if problem else {}}},
        }
        return bodies
