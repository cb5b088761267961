"""Requests to a contestant, sent once as a probe or repeatedly by wrk."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 60


class Refused(Exception):
    """A contestant did not respond as expected. The text is its response."""


@dataclass(frozen=True)
class Request:
    """One POST to a loopback port."""

    port: int
    path: str
    body: bytes
    headers: Mapping[str, str]

    @classmethod
    def of_json(cls, port: int, path: str, body: object, headers: Mapping[str, str]) -> "Request":
        content = json.dumps(body, separators=(",", ":")).encode()
        return cls(port, path, content, {"Content-Type": "application/json", **headers})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def status(self) -> int:
        """Send the request once and return the status of the response."""
        return self._send()[0]

    def send(self) -> Any:
        """Send the request once and return the JSON of the response. Raises Refused unless the status is 2xx."""
        status, content = self._send()
        if status // 100 != 2:
            raise Refused(f"POST {self.path}: {status} {content[:500].decode(errors='replace')}")
        return json.loads(content) if content else None

    def raw(self) -> list[bytes]:
        """Each request as it goes over the connection."""
        length = len(self.body)
        fields = {"Host": f"127.0.0.1:{self.port}", **self.headers, "Content-Length": length}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return [f"POST {self.path} HTTP/1.1\r\n{head}\r\n".encode() + self.body]

    def write(self, folder: Path) -> Path:
        """Write the requests for bench/post.lua. They contain tokens, so the folder must be private."""
        path = folder / "requests"
        path.write_bytes(b"".join(b"%d\n%b" % (len(raw), raw) for raw in self.raw()))
        return path

    def _send(self) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", self.path, self.body, dict(self.headers))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
