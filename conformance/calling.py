"""The calls of the comparison. They are data in ``calls``, in the order of the file names:

    NAME | METHOD PATH | BODY | HEADER: VALUE & HEADER: VALUE
    METHOD PATH BODY BODY …         a call for each body, and each path if PATH is A{B,C}; its name is METHOD PATH BODY
    for WORD WORD …                 repeats the lines up to the next empty one, with the word in place of each $

A body is `-` for none. An indented line continues the line above. A header without a value is not sent. `<token>` is the token,
`<limited>` a token that may encrypt with the key aes256-gcm96 only, `<migrating>` a migration token, `<3 A>` is AAA. `<MEMBER of NAME>` is a value of an
earlier response, `<MEMBER tail of NAME>` its part after the last colon.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

FOLDER = Path(__file__).parent / "calls"
REFERENCE = re.compile(r"<([\w.]+)( tail)? of ([^<>]+)>")
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Call:
    name: str
    method: str
    path: str
    body: str | None
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Response:
    status: int
    media_type: str | None
    content: str

    def document(self) -> Any:
        try:
            return json.loads(self.content)
        except ValueError:
            return self.content


class Server:
    """A server with the tokens of its callers, and the data of its responses so far."""

    def __init__(self, url: str, tokens: Mapping[str, str]) -> None:
        self._url = urlsplit(url)
        self._tokens = tokens
        self._data: dict[str, Any] = {}

    def send(self, call: Call) -> Response:
        kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        connection = kind(self._url.netloc, timeout=TIMEOUT_SECONDS)
        body = None if call.body is None else self._filled(call.body).encode()
        headers = {name: self._filled(value) for name, value in call.headers.items()}
        try:
            connection.request(call.method, f"/v1/{call.path}", body, headers)
            response = _read(connection.getresponse())
        finally:
            connection.close()
        document = response.document()
        self._data[call.name] = document.get("data") if isinstance(document, dict) else None
        return response

    def _filled(self, text: str) -> str:
        for placeholder, token in self._tokens.items():
            text = text.replace(placeholder, token)
        text = re.sub(r"<(\d+) (.)>", lambda match: match[2] * int(match[1]), text)
        return REFERENCE.sub(self._value, text)

    def _value(self, match: re.Match[str]) -> str:
        value = self._data[match[3]]
        try:
            for member in match[1].split("."):
                value = value[int(member) if member.isdigit() else member]
        except (KeyError, IndexError, TypeError):  # the earlier call failed, which the comparison shows
            return "?"
        return value.rpartition(":")[2] if match[2] else str(value)


def all_calls() -> list[Call]:
    text = "\n\n".join(file.read_text() for file in sorted(FOLDER.glob("*.txt")))
    return [call for line in _lines(text.replace("\n    ", " ")) for call in _calls(line)]


def _lines(text: str) -> Iterator[str]:
    for block in re.split(r"\n\n+", text):
        lines = block.strip().split("\n")
        words = [""]
        if lines[0].startswith("for "):
            words = lines.pop(0).split()[1:]
        for line in lines:
            yield from (line.replace("$", word) for word in words)


def _calls(line: str) -> Iterator[Call]:
    if " | " in line:
        fields = line.split(" | ")
        name, target, body, headers = fields + ["-", ""][len(fields) - 2 :]
        method, _, path = target.partition(" ")
        yield Call(name, method, path, *_body_and_headers(body, headers))
        return
    method, paths, bodies = line.split(" ", 2)
    for path, body in itertools.product(_paths(paths), _values(bodies)):
        yield Call(f"{method} {path} {body}", method, path, *_body_and_headers(body, ""))


def _paths(text: str) -> list[str]:
    before, opened, rest = text.partition("{")
    if not opened:
        return [text]
    choices, _, after = rest.partition("}")
    return [before + choice + end for choice in choices.split(",") for end in _paths(after)]


def _values(text: str) -> Iterator[str]:
    """The JSON values and words of a text."""
    while text:
        try:
            end = json.JSONDecoder().raw_decode(text)[1]
        except ValueError:
            end = len(text.partition(" ")[0])
        yield text[:end]
        text = text[end:].lstrip()


def _body_and_headers(body: str, headers: str) -> tuple[str | None, dict[str, str]]:
    found = {"X-Vault-Token": "<token>"}
    if body != "-":
        found["Content-Type"] = "application/json"
    for header in filter(None, headers.split(" & ")):
        name, _, value = header.partition(":")
        found[name] = value.strip()
    return None if body == "-" else body, {name: value for name, value in found.items() if value}


def _read(response: HTTPResponse) -> Response:
    return Response(response.status, response.getheader("Content-Type"), response.read().decode())
