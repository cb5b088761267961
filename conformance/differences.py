"""The differences from OpenBao that are accepted. ``differences.txt`` has the status here and the reason, and below them,
indented, the names of the calls.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

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


def expected(name: str, theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """The response that the entry accepts: OpenBao's with another status if that was 500, any with the status otherwise."""
    status = DIFFERENCES[name].status
    if theirs["status"] != 500:
        return ours | {"status": status}
    body = theirs["body"]
    if "errors" in body:
        body = body | {"errors": [WRAPPED.sub(r"\1", text) for text in body["errors"]]}
    return theirs | {"status": status, "body": body}
