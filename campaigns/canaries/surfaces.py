"""Everything that an administrator can read about an object: endpoints of the API, pages, and its rows in lists."""

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from campaigns.canaries.dumps import Named
from tests.product import ROOT, KeepAlive, Reply, Site
from tests.waiting import wait_until

OPENAPI = json.loads((ROOT / "tests" / "openapi.json").read_text())


@dataclass(frozen=True)
class Kind:
    """``parameter``: of paths of the API. ``by_id`` and ``by_name``: query parameters. ``starts``: pages."""

    parameter: str
    by_id: frozenset[str]
    by_name: frozenset[str]
    starts: tuple[str, ...]


_OBJECT = frozenset({"object", "record"})
KEYS = Kind(
    "{key_id}",
    _OBJECT | {"key_id"},
    frozenset({"name", "search"}),
    (
        "/keys/{name}/",
        "/audit/?object={name}",
        "/keys/?search={name}",
        "/usage/?key={name}",
        "/home/",
        "/admin/",
    ),
)
TOKENS = Kind(
    "{token_id}", _OBJECT, frozenset({"search"}), ("/account/tokens/", "/audit/?object={id}", "/admin/")
)
USERS = Kind(
    "{user_id}",
    _OBJECT,
    frozenset({"actor", "search"}),
    ("/users/{id}/", "/users/?search={name}", "/audit/?actor={name}", "/audit/?object={id}", "/admin/"),
)
NEVER = ("/logout", "/static/", "/login", "/reauth")
MOST_PAGES = 120
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_LINK = re.compile(r'(?:href|hx-get)="([^"#]+)')
_ITEM = re.compile(
    r"<(?:tr|li|article|option|dt|dd)\b.*?(?=<(?:tr|li|article|option|dt|dd)\b|</table|</ul|</dl|</select)",
    re.DOTALL,
)


class Reader:
    """Reads with the token and the browser session of an administrator, on one connection."""

    def __init__(self, client: KeepAlive, token: str, cookie: Mapping[str, str]) -> None:
        self.client, self.token, self.cookie = client, token, cookie

    def get(self, path: str, method: str = "GET") -> Reply:
        if path.startswith(("/api/", "/auth/")):
            return self.client.send(method, path, token=self.token)
        return self.client.send(method, path, headers=self.cookie)

    def items(self, path: str) -> Iterator[Any]:
        """Of all pages of a list of the API."""
        following = f"{path}{'&' if '?' in path else '?'}limit=100"
        while following:
            document = self.get(following).json
            yield from document["results"]
            following = document.get("next") or ""


def endpoints(kind: Kind, principal: str) -> list[str]:
    """Of the API, with ``{id}`` and ``{name}`` for the object. Required parameters get their first value."""
    found = []
    for path, methods in OPENAPI["paths"].items():
        parameters = methods.get("get", {}).get("parameters", [])
        queries = [each for each in parameters if each["in"] == "query"]
        if kind.parameter in path and "get" in methods:
            required = [
                f"{each['name']}={_value(each['schema'], principal)}"
                for each in queries
                if each.get("required")
            ]
            found.append(
                path.replace(kind.parameter, "{id}") + ("?" if required else "") + "&".join(required)
            )
        elif "{" not in path:
            found += [f"{path}?{each['name']}={{id}}" for each in queries if each["name"] in kind.by_id]
            found += [f"{path}?{each['name']}={{name}}" for each in queries if each["name"] in kind.by_name]
    return found


def lists() -> list[str]:
    """Lists of the API, in each order."""
    found = []
    for path, methods in OPENAPI["paths"].items():
        parameters = {each["name"]: each["schema"] for each in methods.get("get", {}).get("parameters", [])}
        if "{" not in path and "limit" in parameters:
            orders = parameters.get("ordering", {}).get("enum", [])
            found += [path, *(f"{path}?ordering={order}" for order in orders)]
    return found


def pages(reader: Reader, kind: Kind, key: Named) -> list[str]:
    """The pages that links lead to: with ``{id}`` or ``{name}`` if they are about the object, else as they are."""
    waiting, seen = list(kind.starts), dict.fromkeys(kind.starts)
    for template in waiting:
        path = filled(template, key)
        text = reader.get(path).content.decode(errors="replace")
        for link in _LINK.findall(text):
            target = urlsplit(urljoin(path, link.replace("&amp;", "&")))
            found = templated(f"{target.path}?{target.query}" if target.query else target.path, key)
            if (
                not target.netloc
                and not found.startswith(NEVER)
                and _is_new(found, seen)
                and len(seen) < MOST_PAGES
            ):
                seen[found] = None
                waiting.append(found)
    return list(seen)


def _is_new(path: str, seen: Mapping[str, None]) -> bool:
    """Pages about the object, unless they name another one, too, with each choice of parameters; else one of each route."""
    if "{id}" in path or "{name}" in path:
        return not _UUID.search(path) and _shape(path) not in map(_shape, seen)
    return _route(path) not in map(_route, seen)


def _shape(path: str) -> str:
    """Without the values of parameters."""
    route, _, query = path.partition("?")
    return "&".join([route, *sorted(each.partition("=")[0] for each in query.split("&"))])


def _route(path: str) -> str:
    return re.sub(r"\d+", "*", _UUID.sub("*", path.partition("?")[0]))


def filled(template: str, key: Named) -> str:
    return template.replace("{id}", key.id).replace("{name}", key.name)


def templated(text: str, key: Named) -> str:
    return text.replace(key.id, "{id}").replace(key.name, "{name}")


def parts_about(html: str, key: Named) -> str:
    """The rows and items of a page that name the object."""
    return "\n".join(each for each in _ITEM.findall(html) if key.id in each or key.name in each)


def headers_of(reply: Reply) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in reply.headers.items())


def _value(schema: Mapping[str, Any], principal: str) -> str:
    return str(schema["enum"][0]) if "enum" in schema else principal


def exports(site: Site, token: str, formats: Sequence[str] = ("jsonl", "csv")) -> dict[str, list[str]]:
    """The lines of an export of the whole log in each format."""
    found = {}
    for form in formats:
        path = "/api/v1/audit/exports"
        asked = site.send("POST", path, {"format": form}, token=token)
        assert asked.status in {201, 202}, asked.content
        place = f"{path}/{asked.json['id']}"
        wait_until(lambda place=place: site.send("GET", place, token=token).json["status"] == "succeeded")
        content = site.send("GET", f"{place}/result", token=token).content
        found[form] = _text_of(content).splitlines()
    return found


def _text_of(content: bytes) -> str:
    return (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode()
