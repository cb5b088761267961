"""The command ``ciphercanary``: docs/client.md describes it."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ciphercanary_client.client import Client
from ciphercanary_client.command_line import audit, keys, messages
from ciphercanary_client.errors import Error
from ciphercanary_client.version import VERSION

OK, FAILED, USAGE = 0, 1, 2
_INTERRUPTED = 130
_LONGEST_WAIT = 86_400


def run() -> None:
    """The entry point of the package."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run a command and return the exit code: 0 success, 1 refused or failed, 2 wrong usage."""
    options = parser().parse_args(arguments)
    try:
        with _client(options) as client:
            return int(options.run(client, options))
    except ValueError as error:
        return _report(error, USAGE)
    except BrokenPipeError:  # the reader of standard output needs no more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it at the end
        return FAILED
    except (Error, OSError) as error:
        return _report(error, FAILED)
    except KeyboardInterrupt:
        return _INTERRUPTED


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="ciphercanary",
        description="A client of CipherCanary. The variables CIPHERCANARY_URL and CIPHERCANARY_TOKEN name the server and "
        "authenticate the caller.",
        epilog="Exit codes: 0 success, 1 refused or failed, 2 wrong usage.",
        allow_abbrev=False,
    )
    made.add_argument("--url", help="the URL of the server, instead of CIPHERCANARY_URL")
    made.add_argument(
        "--token-file", metavar="FILE", help="a file with the token, instead of CIPHERCANARY_TOKEN"
    )
    # Without it, the error would show the token.
    made.add_argument("--token", action=_RefuseToken, help=argparse.SUPPRESS)
    made.add_argument("--ca-file", metavar="FILE", help="certificates to trust instead of the system's")
    made.add_argument("--allow-http", action="store_true", help="allow plain HTTP to other machines")
    made.add_argument("--timeout", type=_seconds, default=30.0, metavar="SECONDS", help="of each wait (30)")
    made.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    commands = made.add_subparsers(metavar="COMMAND", required=True)
    for part in (keys, messages, audit):
        part.add_commands(commands)
    return made


class _RefuseToken(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.error(
            "other users of the machine can see a token on the command line. Use --token-file or CIPHERCANARY_TOKEN."
        )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= _LONGEST_WAIT:
        raise argparse.ArgumentTypeError(f"use more than 0 and at most {_LONGEST_WAIT} seconds")
    return seconds


def _client(options: argparse.Namespace) -> Client:
    token = None
    if options.token_file:
        try:
            token = Path(options.token_file).read_text("utf-8").strip()
        except OSError as error:
            raise ValueError(f"--token-file: {error}") from None
        if not token:
            raise ValueError(f"{options.token_file} is empty.")
    return Client(
        options.url,
        token,
        timeout=options.timeout,
        ca_file=options.ca_file,
        allow_http=options.allow_http,
    )


def _report(error: Exception, code: int) -> int:
    sys.stderr.write(f"ciphercanary: {keys.printable(str(error))}\n")
    return code
