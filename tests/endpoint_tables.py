"""The OpenAPI document ``tests/openapi.json``, and the tables of ``docs/api.md``, which are made from it.

python -m tests.endpoint_tables

rewrites both, and the tables of ``docs/audit-log.md``, ``docs/algorithms.md`` and ``docs/log-targets.md``. Tests compare them with the code.

A table is between ``<!-- endpoints PATH… -->`` and ``<!-- end -->``. It has the endpoints below its paths, except
those below a longer path of another table. So a new endpoint is in its table at once.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any, Final

from tests import action_tables, algorithm_tables, forwarding_tables
from tests.product import ROOT

SNAPSHOT: Final = ROOT / "tests" / "openapi.json"
PAGE: Final = ROOT / "docs" / "api.md"
_TABLE: Final = re.compile(r"(<!-- endpoints ([^>]*) -->\n).*?(<!-- end -->\n)", re.DOTALL)
_HEAD: Final = "| call | permission | takes | does |\n|---|---|---|---|\n"
_OF_EVERY_LIST: Final = {"page", "limit"}


def page(document: dict[str, Any]) -> str:
    """The text of the page with its tables as they must be."""
    text = PAGE.read_text()
    starts = [start for match in _TABLE.finditer(text) for start in match[2].split()]

    def table(match: re.Match[str]) -> str:
        own = match[2].split()
        paths = [path for path in document["paths"] if _start_of(path, starts) in own]
        paths.sort(key=lambda path: own.index(_start_of(path, starts)))
        rows = (_row(document, path, method) for path in paths for method in document["paths"][path])
        return match[1] + _HEAD + "".join(rows) + match[3]

    return _TABLE.sub(table, text)


def _start_of(path: str, starts: list[str]) -> str:
    """The longest of the paths below which the path is; "" if there is none."""
    return max((start for start in starts if f"{path}/".startswith(f"{start}/")), key=len, default="")


def _row(document: dict[str, Any], path: str, method: str) -> str:
    operation = document["paths"][path][method]
    permission = operation.get("x-permission")
    [status] = [status for status in operation["responses"] if status.startswith("2")]
    headers = operation["responses"][status].get("headers", {})
    does = " ".join(operation["description"].split()).replace("``", "`")
    cells = (
        f"`{method.upper()} {path}`",
        f"`{permission}`" if permission else "",
        ", ".join(_inputs(document, operation)),
        " → ".join(
            (does, ", ".join((status, *(f"`{name}`" for name in ("ETag", "Location") if name in headers))))
        ),
    )
    return f"| {' | '.join(cells)} |\n"


def _inputs(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[str]:
    """The parameters of the query and the members of the body, with a question mark if they are optional."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query" and parameter["name"] not in _OF_EVERY_LIST:
            yield f"`{parameter['name']}{'' if parameter.get('required') else '?'}`"
    for content in operation.get("requestBody", {}).get("content", {}).values():
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        schema = document["components"]["schemas"].get(name, {})
        required = schema.get("required", ())
        for member in schema.get("properties", {}):
            yield f"`{member}{'' if member in required else '?'}`"
        return


def main() -> None:
    command = [ROOT / "bin" / "manage", "spectacular", "--format", "openapi-json", "--file", SNAPSHOT]
    subprocess.run(command, check=True)
    PAGE.write_text(page(json.loads(SNAPSHOT.read_text())))
    for tables in (action_tables, algorithm_tables, forwarding_tables):
        tables.PAGE.write_text(tables.page())


if __name__ == "__main__":
    main()
