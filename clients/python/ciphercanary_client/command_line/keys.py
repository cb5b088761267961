"""``ciphercanary keys``."""

import argparse
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ciphercanary_client.client import Client
from ciphercanary_client.models import Key

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name

_COLUMNS = ("NAME", "ALGORITHM", "PURPOSE", "STATUS", "VERSION", "ID")


def add_commands(commands: "Commands") -> None:
    keys = commands.add_parser("keys", help="list, show, create and rotate keys")
    keys_commands = keys.add_subparsers(metavar="COMMAND", required=True)

    listed = _add(keys_commands, "list", "list the keys that you see", _list)
    listed.add_argument("--status", help="only keys with this status, such as active")
    listed.add_argument("--algorithm", help="only keys of this algorithm")
    listed.add_argument("--purpose", help="only keys with this purpose, such as sign")
    listed.add_argument("--search", metavar="WORDS", help="words in name, description or tags")

    shown = _add(keys_commands, "show", "show one key", _show)
    shown.add_argument("key", metavar="KEY", help="an id, or name: and a name, such as name:orders")

    created = _add(keys_commands, "create", "create a key", _create)
    created.add_argument("name", metavar="NAME")
    created.add_argument("--algorithm", default="aes-256", help="a key algorithm (aes-256)")
    created.add_argument("--purpose", help="required for RSA: encrypt or sign")
    created.add_argument("--description")
    created.add_argument("--tag", action="append", dest="tags", help="can be repeated")

    rotated = _add(keys_commands, "rotate", "create a new primary version", _rotate)
    rotated.add_argument("key", metavar="KEY")
    rotated.add_argument("--reason", required=True, help="recorded in the audit log")


def _add(commands: "Commands", name: str, text: str, run: Any) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=text)
    made.add_argument("--json", action="store_true", help="print the JSON of the API")
    made.set_defaults(run=run)
    return made


def _list(client: Client, options: argparse.Namespace) -> int:
    filters = {name: getattr(options, name) for name in ("status", "algorithm", "purpose", "search")}
    found = client.keys(**{name: value for name, value in filters.items() if value})
    if options.json:
        for key in found:
            _print_json(key.members)
        return 0
    print_table(_COLUMNS, [_row(key) for key in found])
    return 0


def _show(client: Client, options: argparse.Namespace) -> int:
    return print_key(client.key(options.key), options)


def _create(client: Client, options: argparse.Namespace) -> int:
    members = {name: getattr(options, name) for name in ("purpose", "description", "tags")}
    given = {name: value for name, value in members.items() if value}
    return print_key(client.create_key(options.name, options.algorithm, **given), options)


def _rotate(client: Client, options: argparse.Namespace) -> int:
    rotation = client.rotate(options.key, options.reason)
    if options.json:
        _print_json(rotation.members)
    else:
        print(f"The primary version is {rotation.new_version} now. It was {rotation.old_version} before.")
    return 0


def print_key(key: Key, options: argparse.Namespace) -> int:
    if options.json:
        _print_json(key.members)
        return 0
    shown = {name: value for name, value in key.members.items() if value not in (None, "", [])}
    for name, value in shown.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        print(f"{printable(name):<24}{printable(text)}")
    return 0


def _row(key: Key) -> tuple[str, ...]:
    return key.name, key.algorithm, key.purpose, key.status, str(key.primary_version), key.id


def _print_json(members: Mapping[str, Any]) -> None:
    print(json.dumps(members))


def print_table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        print(
            "  ".join(
                f"{printable(cell):<{width}}" for cell, width in zip(line, widths, strict=True)
            ).rstrip()
        )


def printable(text: str) -> str:
    """The text without characters that control a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
