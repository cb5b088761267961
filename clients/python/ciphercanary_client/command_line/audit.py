"""``ciphercanary audit verify``."""

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ciphercanary_client.client import Client
from ciphercanary_client.command_line.keys import printable
from ciphercanary_client.connection import server_url
from ciphercanary_client.log_proofs import VerifierKey
from ciphercanary_client.log_verification import StoredHead, Verified, verify_log

if TYPE_CHECKING:
    from ciphercanary_client.command_line.keys import Commands

_VKEY = re.compile(r"[^+\s]+\+[0-9a-f]{8}\+\S+")


def add_commands(commands: "Commands") -> None:
    audit = commands.add_parser("audit", help="verify the audit log")
    made = audit.add_subparsers(metavar="COMMAND", required=True).add_parser(
        "verify", help="check that the log continues the one that this machine verified last"
    )
    made.add_argument(
        "--entry", type=int, metavar="ID", help="also prove that this entry is in the log, and print it"
    )
    made.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="VKEY|FILE",
        help="a trusted key of the log; can be repeated",
    )
    made.add_argument("--state", metavar="FILE", help="where the last verified checkpoint is stored")
    made.set_defaults(run=_verify)


def _verify(client: Client, options: argparse.Namespace) -> int:
    path = Path(options.state) if options.state else default_state(options)
    verified = verify_log(client, StoredHead.read(path), _pinned(options.key), options.entry)
    verified.head.write(path)
    print_result(verified, path)
    return 0


def default_state(options: argparse.Namespace) -> Path:
    """A file in the user's state folder (XDG Base Directory) for each server."""
    url = urlsplit(server_url(options.url, allow_http=options.allow_http))
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    name = re.sub(r"[^a-zA-Z0-9.-]", "_", url.netloc + url.path)
    return Path(base, "ciphercanary", f"{name}.json")


def _pinned(given: list[str]) -> tuple[VerifierKey, ...]:
    texts = [each if _VKEY.fullmatch(each) else Path(each).read_text("utf-8") for each in given]
    return tuple(VerifierKey.parse(vkey) for text in texts for vkey in text.split())


def print_result(verified: Verified, path: Path) -> None:
    if verified.entry:
        print(f"The log contains this entry:\n{printable(verified.entry)}")
    newest, earlier = verified.newest, verified.earlier
    print(
        f"The checkpoint with {newest.size} entries is signed by a trusted key of {printable(newest.origin)}."
    )
    if earlier:
        print(f"Its log begins with the {earlier.size} entries that were verified before.")
    else:
        print(
            "There is no earlier checkpoint to compare it with. The next verification continues from this one."
        )
    if verified.is_first_use:
        print("The server itself named these keys. Compare them with those that its operators give you:")
        print(*(printable(key.vkey) for key in verified.head.keys), sep="\n")
    print(f"Stored in {path}.")
