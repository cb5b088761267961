"""The differences from OpenBao that are accepted. ``differences.txt`` has the status here and the reason, and below them,
indented, the names of the calls.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

MISTAKE = "OpenBao answers 500 for a mistake of the caller."
WRAPPED = re.compile(r"1 error occurred:\n\t\* (.*)\n\n", re.DOTALL)


class Difference(NamedTuple):
    status: int
    reason: str


def _read(text: str) -> dict[str, Difference]:
    found, difference = {}, Difference(0, "")
    for line in text.splitlines():
        if line.startswith("    "):
            found[line.strip()] = difference
        elif line:
            status, _, reason = line.partition(" ")
            difference = Difference(int(status), reason)
    return found


DIFFERENCES = _read(Path(__file__).with_name("differences.txt").read_text())


def expected(name: str, theirs: Any, ours: dict[str, Any]) -> Any:
    """The response that conforms: that of OpenBao without an entry, its text with another status for a mistake, else any with the status."""
    if name not in DIFFERENCES:
        return theirs
    status, reason = DIFFERENCES[name]
    if reason != MISTAKE:
        return ours | {"status": status}
    errors = [WRAPPED.sub(r"\1", text) for text in theirs["body"].get("errors", [])]
    return theirs | {"status": status, "body": theirs["body"] | ({"errors": errors} if errors else {})}
