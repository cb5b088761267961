"""Key references: an ID, or a name with a prefix. Each has exactly one accepted spelling."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from uuid import UUID

from kernel.errors import Invalid
from kernel.labels import NAME

type KeyReference = UUID | str
"""The ID, or a name with its prefix: ``name:NAME``, or ``vault:MOUNT/NAME`` of a transit key."""

PREFIX: Final = "name:"
_TRANSIT_PREFIX: Final = "vault:"
_IN_PATH: Final = (
    rf"(?:[0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{12}}|{PREFIX}{NAME.pattern})"
)
PATTERN: Final = rf"(?:{_IN_PATH}|{_TRANSIT_PREFIX}(?:[A-Za-z0-9_-]+/)+[A-Za-z0-9_][A-Za-z0-9_.-]*)"
MAX_LENGTH: Final = len(_TRANSIT_PREFIX) + 255 + len("/") + 255  # the longest mount and name
EXPECTED: Final = (
    "Expected a lowercase UUID with hyphens, name: followed by a key name of 3 to 64 characters (a-z, 0-9, hyphen), "
    "or vault: followed by MOUNT/NAME of a transit key."
)

_REFERENCE: Final = re.compile(PATTERN)


# Because the fast path parses the same few texts repeatedly. It has texts that any caller sent, and nothing about keys.
@lru_cache(4096)
def parse(text: str) -> KeyReference:
    """Raises Invalid, with the field ``key_id``."""
    if len(text) > MAX_LENGTH or not _REFERENCE.fullmatch(text):
        raise Invalid.of_field("key_id", EXPECTED)
    return text if text.startswith((PREFIX, _TRANSIT_PREFIX)) else UUID(text)


def columns_of(reference: KeyReference) -> Mapping[str, object]:
    """The columns of a key, with their values, that the reference names."""
    if isinstance(reference, UUID):
        return {"pk": reference}
    if reference.startswith(_TRANSIT_PREFIX):
        mount, _, name = reference.removeprefix(_TRANSIT_PREFIX).rpartition("/")
        return {"transit__mount": mount, "transit__name": name}
    return {"name": reference.removeprefix(PREFIX)}


def transit_reference(mount: str, name: str) -> str:
    """The reference to a transit key by its name in a mount."""
    return f"{_TRANSIT_PREFIX}{mount}/{name}"


class KeyReferenceConverter:
    """The path segment that names a key. Any other spelling matches no route and returns 404.

    No segment has the slash of a transit key: such a key has a name and an ID, too.
    """

    regex = _IN_PATH

    def to_python(self, value: str) -> KeyReference:
        return parse(value)

    def to_url(self, value: KeyReference) -> str:
        return str(value)
