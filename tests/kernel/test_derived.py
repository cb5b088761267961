"""Serializers that are made from structs."""

import msgspec
import pytest

from kernel.rest.derived import serializer_of


def test_a_member_whose_type_names_no_field_has_no_serializer():
    with pytest.raises(TypeError, match="<class 'str'> names no serializer field"):
        serializer_of(msgspec.defstruct("Body", [("name", str)]))
