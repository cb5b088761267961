"""The number of a version in the body or query of a REST request."""

from typing import Any

from rest_framework import serializers

from keys.metadata import MAX_VERSION


class VersionField(serializers.IntegerField):
    """From 1. Whether the key has this version is checked later."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_VERSION, **kwargs)
