"""Output: of a long-running campaign, and what a program writes to standard error."""

import json
import sys
from typing import Any


def log(text: str) -> None:
    """Print the line at once, also into a file or pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def records(stderr: str) -> list[dict[str, Any]]:
    """The records of a program whose standard error is no terminal: each line is one."""
    found = [json.loads(line) for line in stderr.splitlines()]
    assert all(record["ecs.version"] and record["service.name"] == "ciphercanary" for record in found)
    return found


def only_error(stderr: str) -> str:
    """The message of the only error that a refused start reports. The log may have other records."""
    messages = [
        record["message"]
        for record in records(stderr)
        if record["log.level"] == "error" and record["log.logger"] == "ciphercanary"
    ]
    assert len(messages) == 1, stderr
    return str(messages[0])
