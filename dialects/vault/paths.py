"""The parts of paths, as regular expressions: for Django's URLs, for the fast path and for capabilities."""

from typing import Final

from keys.transit.mounts import OPERATIONS

# A key may have the name of an operation, but no segment of a mount has it.
_SEGMENT: Final = rf"(?!(?:{'|'.join(sorted(OPERATIONS))})/)[\w-]+"

PATH: Final = rf"{_SEGMENT}(?:/{_SEGMENT})*"
"""The path of a mount, also of one that ``sys/mounts/`` refuses."""

MOUNT: Final = rf"(?P<mount>(?!sys/|auth/){PATH})"
"""The mount of an operation."""

NAME: Final = r"(?P<name>\w(?:[\w.-]*\w)?)"
"""The name of a key."""

ALGORITHM: Final = r"(?:/(?P<algorithm>[\w-]+))?"
"""The hash algorithm at the end, or nothing."""
