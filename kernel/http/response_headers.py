"""The id of a request: the client's value if it is safe for a log line, else a random one."""

import os
import re

FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")


def choose(sent: str) -> str:
    return sent if FORM.fullmatch(sent) else new_request_id()


def new_request_id() -> str:
    return os.urandom(16).hex()
