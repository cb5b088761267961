"""The API's reference for people, from the same OpenAPI document that programs read."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from django.conf import settings

from kernel.errors import DomainError, NotFound
from kernel.http.problems import PROBLEM_STATUS
from kernel.rest import schema

METHODS: Final = ("get", "post", "patch", "put", "delete")
JSON: Final = "application/json"
_DEEPEST = 3  # nested levels of a body
# Example values for members of which the document gives only a type.
_EXAMPLES: Final[Mapping[str, object]] = {
    "algorithm": "aes-256-gcm",
    "signing_algorithm": "ed25519",
    "name": "payments-db",
    "reason": "a test",
    "username": "admin",
    "data": "aGVsbG8=",
    "format": "jsonl",
}
# Members whose examples differ from these at one path.
_OF_PATH: Final[Mapping[str, Mapping[str, object]]] = {
    "/api/v1/keys": {"algorithm": "aes-256"},
    "/api/v1/keys/import": {"algorithm": "aes-256", "format": "raw", "material": "$MATERIAL"},
}
# Optional members that examples show nevertheless.
_SHOWN: Final[Mapping[str, str]] = {
    "/api/v1/encrypt": "key_id",
    "/api/v1/encrypt/batch": "key_id",
    "/api/v1/decrypt": "ciphertext",
    "/api/v1/sign": "message",
    "/api/v1/verify": "message",
}

type _Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Field:
    """A parameter, or a member of a body; the ``name`` of a nested member is ``options.nonce``."""

    name: str
    kind: str
    is_required: bool
    notes: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``permission`` is "" if none is required; ``is_public`` if not even a sign-in is required.

    ``can_be_tried``: it reads JSON for a signed-in caller. An endpoint that changes something has a page of its own, with
    the guards of the change.
    """

    anchor: str
    method: str
    path: str
    description: str
    permission: str
    is_public: bool
    parameters: Sequence[_Field]
    body: Sequence[_Field]
    media_type: str
    success: Sequence[str]
    curl: str
    can_be_tried: bool

    def takes_in_path(self, name: str) -> bool:
        return f"{{{name}}}" in self.path

    def matches(self, words: Sequence[str]) -> bool:
        """Whether each word is in the method, the path, the description, the permission, or the name of a field."""
        fields = (field.name for field in (*self.parameters, *self.body))
        text = " ".join((self.method, self.path, self.description, self.permission, *fields)).lower()
        return all(word in text for word in words)


@dataclass(frozen=True, slots=True)
class _Group:
    anchor: str
    name: str
    endpoints: Sequence[Endpoint]


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    code: str
    title: str


@cache
def groups() -> Sequence[_Group]:
    """The endpoints grouped by app, in the order of their paths. Cached per process."""
    document = schema.document()
    found: dict[str, list[Endpoint]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                endpoint = _endpoint(path, method, methods[method], document["components"]["schemas"])
                found.setdefault(methods[method]["tags"][0], []).append(endpoint)
    return [_Group(re.sub(r"\W+", "-", name.lower()), name, endpoints) for name, endpoints in found.items()]


def matching(search: str) -> list[_Group]:
    """The groups with their endpoints that match each word. A group is left out if none of its endpoints matches."""
    words = search.lower().split()
    found = (
        replace(group, endpoints=[each for each in group.endpoints if each.matches(words)])
        for group in groups()
    )
    return [group for group in found if group.endpoints]


def find_group(anchor: str) -> _Group:
    """Raises NotFound."""
    found = [group for group in groups() if group.anchor == anchor]
    if not found:
        raise NotFound
    return found[0]


def find_read(anchor: str) -> tuple[_Group, Endpoint]:
    """An endpoint that a page can call (``can_be_tried``), and its group. Raises NotFound."""
    for group in groups():
        for each in group.endpoints:
            if each.anchor == anchor and each.can_be_tried:
                return group, each
    raise NotFound


@cache
def problems() -> Sequence[Problem]:
    """Every code that a refusal may have, by status."""
    found = {
        Problem(int(status), error.code, error.title)
        for kind, status in PROBLEM_STATUS.items()
        for error in (kind, *_subclasses(kind))
    }
    return sorted(found, key=lambda each: (each.status, each.code))


def _subclasses(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _endpoint(path: str, method: str, asked: _Schema, schemas: _Schema) -> Endpoint:
    media_type, body = _body(asked)
    return Endpoint(
        anchor=asked["operationId"],
        method=method.upper(),
        path=path,
        description=asked.get("description", ""),
        permission=asked.get("x-permission", ""),
        is_public="security" not in asked,
        parameters=[_parameter(each, schemas) for each in asked.get("parameters", ())],
        body=list(_members(_resolve(body, schemas), schemas)) if media_type == JSON else [],
        media_type=media_type,
        success=[status for status in asked["responses"] if status.startswith("2")],
        curl=_curl(path, method, asked, schemas),
        can_be_tried=method == "get" and "security" in asked and JSON in _content(asked),
    )


def _content(asked: _Schema) -> _Schema:
    """The media types of a successful response."""
    content: _Schema = asked["responses"].get("200", {}).get("content", {})
    return content


def _body(asked: _Schema) -> tuple[str, _Schema]:
    """The media type and schema of the body; empty if there is none."""
    for media_type, body in asked.get("requestBody", {}).get("content", {}).items():
        return media_type, body.get("schema", {})
    return "", {}


def _joined(*notes: str) -> str:
    return "; ".join(note.removesuffix(".") for note in notes if note)


def _parameter(asked: _Schema, schemas: _Schema) -> _Field:
    shape = _resolve(asked.get("schema", {}), schemas)
    where = {"path": "path parameter", "header": "header"}.get(asked["in"], "")
    notes = _joined(where, asked.get("description", ""), _bounds(shape))
    return _Field(asked["name"], _kind(shape, schemas), asked.get("required", False), notes)


def _members(shape: _Schema, schemas: _Schema, prefix: str = "", depth: int = 1) -> Iterator[_Field]:
    required = shape.get("required", ())
    for name, given in shape.get("properties", {}).items():
        member = _resolve(given, schemas)
        notes = _joined(member.get("description", ""), _bounds(member))
        yield _Field(f"{prefix}{name}", _kind(member, schemas), name in required, notes)
        inner = _resolve(member.get("items", {}), schemas) if "items" in member else member
        if depth < _DEEPEST:
            yield from _members(
                inner, schemas, f"{prefix}{name}{'[]' if 'items' in member else ''}.", depth + 1
            )


def _resolve(shape: _Schema, schemas: _Schema) -> _Schema:
    """The target of a reference, together with the members beside the reference."""
    if "$ref" in shape:
        rest = {name: value for name, value in shape.items() if name != "$ref"}
        return {**schemas[shape["$ref"].rpartition("/")[2]], **rest}
    if len(shape.get("allOf", ())) == 1:
        return {**_resolve(shape["allOf"][0], schemas), **shape}
    return shape


def _kind(shape: _Schema, schemas: _Schema) -> str:
    given = shape.get("type", "")
    words = [given] if isinstance(given, str) else list(given)
    words += [_kind(_resolve(each, schemas), schemas) for each in shape.get("oneOf", ())]
    kind = " or ".join(word for word in words if word) or "any"
    if "items" in shape:
        return f"array of {_kind(_resolve(shape['items'], schemas), schemas)}"
    form = shape.get("format") or shape.get("contentEncoding")
    return f"{kind} ({form})" if form else kind


def _bounds(shape: _Schema) -> str:
    said = [text.format(shape[name]) for name, text in _BOUNDS.items() if name in shape]
    said += [f"one of {', '.join(map(str, shape['enum']))}"] if "enum" in shape else []
    said += [f"default {json.dumps(shape['default'])}"] if "default" in shape else []
    return ", ".join(said)


_BOUNDS: Final = {
    "minimum": "from {:,}",
    "maximum": "to {:,}",
    "minLength": "at least {:,} long",
    "maxLength": "at most {:,} long",
    "minItems": "at least {:,} items",
    "maxItems": "at most {:,} items",
}


def _curl(path: str, method: str, asked: _Schema, schemas: _Schema) -> str:
    """A call for a shell. Variable parts, including the token, are shell variables."""
    url = re.sub(r"\{(\w+)\}", lambda part: f"${part[1].upper()}", settings.CC_PUBLIC_URL + path)
    wanted = [
        each["name"] for each in asked.get("parameters", ()) if each["in"] == "query" and each.get("required")
    ]
    url += "?" * bool(wanted) + "&".join(f"{name}=${name.upper()}" for name in wanted)
    lines = [f'curl -sS "{url}"' if method == "get" else f'curl -sS -X {method.upper()} "{url}"']
    if "security" in asked:
        lines.append('-H "Authorization: Bearer $CIPHERCANARY_TOKEN"')
    media_type, body = _body(asked)
    if media_type:
        lines.append(f"-H 'Content-Type: {media_type}'")
        # A here-document, because Linux limits a program argument to 128 KiB.
        example = f"@- <<JSON\n{_example(path, body, schemas)}\nJSON"
        lines.append("--data-binary " + (example if media_type == JSON else '@"$FILE"'))
    return " \\\n  ".join(lines)


def _example(path: str, shape: _Schema, schemas: _Schema) -> str:
    """JSON for a here-document. Ids are shell variables, which the shell expands."""
    known = {**_EXAMPLES, **_OF_PATH.get(path, {})}
    return json.dumps(_object(_resolve(shape, schemas), schemas, known, _SHOWN.get(path, "")))


def _object(shape: _Schema, schemas: _Schema, known: _Schema, shown: str = "") -> dict[str, object]:
    """The required members and ``shown``; if there are none, the first member."""
    members = shape.get("properties", {})
    chosen = [name for name in members if name in shape.get("required", ()) or name == shown]
    return {name: _value(name, members[name], schemas, known) for name in chosen or list(members)[:1]}


def _value(name: str, given: _Schema, schemas: _Schema, known: _Schema) -> object:
    shape = _resolve(given, schemas)
    if name in known:
        return known[name]
    if "default" in shape:
        return shape["default"]
    if shape.get("contentEncoding") == "base64":
        return "aGVsbG8="
    if shape.get("type") == "integer":
        return shape.get("minimum", 1)
    if "items" in shape:
        return [_object(_resolve(shape["items"], schemas), schemas, known)]
    return f"${name.upper()}"
