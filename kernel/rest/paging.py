"""The query and the response of lists in pages."""

from functools import cache
from typing import Any

from rest_framework import serializers

from kernel.rest.fields import StrictSerializer

_MAX_PAGE = 1_000_000


class PageQuery(StrictSerializer):
    """``page`` (from 1) and ``limit`` (1-100, default 20); list filters extend it."""

    page = serializers.IntegerField(min_value=1, max_value=_MAX_PAGE, default=1)
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)


class _PageSerializer(serializers.Serializer[Any]):
    """The envelope that ``ApiView.page`` adds to a list. For the schema only, like its subclasses."""

    count = serializers.IntegerField()
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


@cache
def page_serializer(item: type[serializers.Serializer[Any]], name: str = "") -> type[_PageSerializer]:
    """The serializer of one page of ``item``. ``name``: of its component in the schema, ``XPage`` for an ``XSerializer``."""
    name = name or f"{item.__name__.removesuffix('Serializer')}Page"
    return type(f"{name}Serializer", (_PageSerializer,), {"results": item(many=True)})
