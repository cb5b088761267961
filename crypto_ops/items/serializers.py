"""Serializers of responses to batches, which differ in names only."""

from typing import Any

from rest_framework import serializers

from kernel.rest.fields import AnyField
from kernel.rest.schema import ProblemMembersSerializer

type _SerializerClass = type[serializers.Serializer[Any]]


def item_serializer(
    name: str, result: str, field: type[AnyField] = serializers.CharField
) -> _SerializerClass:
    members = {
        "__doc__": f"``{result}``, or the ``problem`` of this item alone.",
        result: field(required=False),
        "problem": ProblemMembersSerializer(required=False),
        "reference": serializers.CharField(required=False),
    }
    return type(f"{name}Serializer", (serializers.Serializer,), members)


def batch_serializer(
    name: str, item: _SerializerClass, *, has_version: bool = False, **mode: AnyField
) -> _SerializerClass:
    """``mode``: the member that names the mode, with its field."""
    members = {**mode, "key_id": serializers.UUIDField()}  # DRF orders fields by their creation
    if has_version:
        members["key_version"] = serializers.IntegerField()
    members["results"] = item(many=True)
    return type(f"{name}Serializer", (serializers.Serializer,), members)
