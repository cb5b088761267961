"""The paths below a mount, for Django's URLs and for the fast path."""

from typing import Final

from keys.transit.mounts import OPERATIONS

# A key may have the name of an operation, but no segment of a mount has it.
_SEGMENT: Final = rf"(?!(?:{'|'.join(sorted(OPERATIONS))})/)[\w-]+"
PATH: Final = rf"{_SEGMENT}(?:/{_SEGMENT})*"
MOUNT: Final = rf"(?!sys/|auth/){PATH}"
NAME: Final = r"\w(?:[\w.-]*\w)?"
