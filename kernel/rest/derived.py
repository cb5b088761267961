"""Serializers of request bodies, derived from msgspec structs, so that each body is written once.

The struct is the source. A type that msgspec alone understands names its field in an annotation, such as
``type Name = Annotated[str, Meta(max_length=64), Rest(NameField)]``.
"""

from collections.abc import Callable
from functools import cache
from types import UnionType
from typing import Annotated, Any, TypeAliasType, Union, cast, get_args, get_origin

from msgspec import Meta, Struct, UnsetType, structs
from rest_framework import serializers

from kernel.rest.fields import AnyField, StrictSerializer


class Rest:
    """An annotation: the serializer field of a member, or more options of it. msgspec ignores it."""

    def __init__(self, field: Callable[..., AnyField] | None = None, **options: Any) -> None:
        self.field = field
        self.options = options


@cache
def serializer_of(body: type[Struct]) -> type[StrictSerializer]:
    """The serializer with the members, the name and the description of a struct. Raises TypeError."""
    fields = {each.encode_name: _field_of(each.type) for each in structs.fields(body)}
    made = type(f"{body.__name__}Serializer", (StrictSerializer,), {"__doc__": body.__doc__, **fields})
    return cast("type[StrictSerializer]", made)


def _field_of(annotation: Any, **options: Any) -> AnyField:
    while isinstance(annotation, TypeAliasType):
        annotation = annotation.__value__
    if get_origin(annotation) in (Union, UnionType):  # a member that may be missing
        [wanted] = [each for each in get_args(annotation) if each is not UnsetType]
        return _field_of(wanted, required=False, **options)
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        return _annotated(inner, notes, options)
    if get_origin(annotation) is list:
        return serializers.ListField(child=_field_of(*get_args(annotation)), **options)
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return serializer_of(annotation)(**options)
    raise TypeError(f"{annotation} names no serializer field")


def _annotated(inner: Any, notes: list[Any], options: dict[str, Any]) -> AnyField:
    for note in notes:
        if isinstance(note, Rest):
            options = note.options | options
            if note.field is not None:
                return note.field(**options)
        elif isinstance(note, Meta) and get_origin(inner) is list:
            options = {"min_length": note.min_length, "max_length": note.max_length} | options
    return _field_of(inner, **options)
