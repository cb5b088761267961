"""A WSGI environment (PEP 3333) for an ASGI request, and files as responses."""

import io
import os
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from kernel.databases.lock_waits import WAIT_UNTIL, deadline
from kernel.http.asgi_responses import BLOCK, Scope


class FileWrapper:
    """PEP 3333's ``wsgi.file_wrapper``: an application that responds with one has the file sent."""

    def __init__(self, file: Any, block_size: int = BLOCK) -> None:
        self._file, self._block_size = file, block_size

    def __iter__(self) -> Iterator[bytes]:
        while block := self._file.read(self._block_size):
            yield block

    def take_over(self) -> BinaryIO | None:
        """A second handle at the current position, readable after the application has closed its own.

        An object that computes its content has a method of this name, too. None for any other object that is not a file
        of the operating system, for example a part of one.
        """
        if hasattr(self._file, "take_over"):
            return self._file.take_over()  # type: ignore[no-any-return]  # of any application
        try:
            copy = os.fdopen(os.dup(self._file.fileno()), "rb")
        except (AttributeError, OSError):
            return None
        copy.seek(self._file.tell())
        return copy

    def close(self) -> None:
        close = getattr(self._file, "close", None)
        if close:
            close()


def environ(scope: Scope, body: bytes) -> dict[str, Any]:
    """The PEP 3333 environment of an ASGI request. Header names with an underscore are dropped.

    ``X_Forwarded_For`` would otherwise become the same variable as ``X-Forwarded-For``.
    """
    host, port = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    values: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("ascii", "replace"),
        "SERVER_NAME": str(host),
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": str(client[0]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        WAIT_UNTIL: scope.get(WAIT_UNTIL, deadline()),
    }
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").upper(), raw_value.decode("latin-1")
        if "_" not in name:
            _add_header(values, name.replace("-", "_"), value)
    values["CONTENT_LENGTH"] = str(len(body))
    return values


def _add_header(values: dict[str, Any], name: str, value: str) -> None:
    key = name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}"
    separator = "; " if key == "HTTP_COOKIE" else ","
    values[key] = f"{values[key]}{separator}{value}" if key in values else value
