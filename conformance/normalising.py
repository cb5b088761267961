"""A response without what differs at every run: random values, times, identifiers, and names of the server."""

import base64
import binascii
import re
from typing import Any

from conformance.calling import Call, Response

VAULT = re.compile(r"(vault:v\d+:)([\w+/=-]+)")
RULES = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "<uuid>",
    r"\d{4}-\d\d-\d\dT[\d:]{8}(\.\d+)?Z": "<time>",
}
SERVER = {
    "accessor",
    "backup",
    "client_token",
    "cluster_name",
    "display_name",
    "id",
    "running_plugin_version",
    "token",
    "version",
}
SECONDS = {"creation_ttl", "lease_duration", "ttl"}
RANDOM = {"random_bytes", "public_key", "publickey"}
FIRST_SECONDS = 1_600_000_000  # larger numbers are times
SHORTEST_REPEATED = 16  # shorter texts could be equal by chance


class Normaliser:
    """Random values keep their length; one that an earlier call returned becomes the name of that call."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def normal(self, call: Call, response: Response) -> dict[str, Any]:
        document = self._normal(call, "", response.document())
        found: dict[str, Any] = {"status": response.status, "body": document}
        if response.content and response.media_type != "application/json":
            found["media_type"] = response.media_type
        return found

    def _normal(self, call: Call, member: str, value: Any) -> Any:
        match value:
            case dict():
                return {name: self._normal(call, name, item) for name, item in sorted(value.items())}
            case list():
                return [self._normal(call, member, item) for item in value]
            case bool() | None:
                return value
            case int() if value > (0 if member in SECONDS else FIRST_SECONDS):
                return "<seconds>"
            case str():
                return self._text(call, member, value)
        return value

    def _text(self, call: Call, member: str, text: str) -> str:
        if member in SERVER:
            return f"<{member}>"
        for pattern, name in RULES.items():
            if re.fullmatch(pattern, text):
                return name
        random = member in RANDOM or (member == "plaintext" and "datakey/" in call.path)
        random |= member.isdigit() and "export/" in call.path
        sealed = VAULT.fullmatch(text)
        if not text or not (sealed or random or text in self._seen):
            return text
        prefix, encoded = sealed.groups() if sealed else ("", text)
        if len(encoded) >= SHORTEST_REPEATED:
            first = self._seen.setdefault(text, call.name)
            if first != call.name:
                return f"{prefix}<as {first}>"
        return f"{prefix}<{_shape(encoded, is_signature=member == 'signature')}>"


def _shape(text: str, *, is_signature: bool) -> str:
    if text.startswith("-----BEGIN"):
        return f"{text.splitlines()[0]} {len(text)}"
    if re.fullmatch(r"([0-9a-f]{2})+", text):
        return f"{len(text)} hexadecimal digits"
    padded = text + "=" * (-len(text) % 4)
    try:
        raw = base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        return "not base64"
    alphabet = "" if padded == text else " without padding"
    return "DER" if is_signature and _is_der(raw) else f"{len(raw)} bytes{alphabet}"


def _is_der(raw: bytes) -> bool:
    """Whether it is an ECDSA signature in DER, whose length varies."""
    header = 3 if raw[1:2] == b"\x81" else 2
    return raw[:1] == b"\x30" and len(raw) > header and raw[header - 1] == len(raw) - header
