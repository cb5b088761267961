"""``ciphercanary encrypt``, ``decrypt``, ``sign`` and ``verify``."""

import argparse
import base64
import codecs
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING
from uuid import UUID

from ciphercanary_client import envelope_format
from ciphercanary_client.client import Client
from ciphercanary_client.command_line.keys import printable
from ciphercanary_client.errors import DecryptionFailed
from ciphercanary_client.files import PRIVATE, PUBLIC, replacing
from ciphercanary_client.transfers import blocks

if TYPE_CHECKING:
    from ciphercanary_client.command_line.keys import Commands

STANDARD = "-"
MESSAGE_PREFIX, STREAM_PREFIX = b"cc1.", b"\x01\x20"
MAX_MESSAGE = 1 << 20  # bytes, as the server's default
MAX_TEXT = 2 * MAX_MESSAGE  # of a ciphertext, in characters
_INVALID = 1
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def add_commands(commands: "Commands") -> None:
    made = commands.add_parser("encrypt", help="encrypt a file, or a message from standard input")
    made.add_argument("key", metavar="KEY", help="an id, or name: and a name, such as name:orders")
    _add_files(made)
    made.add_argument("--local", action="store_true", help="encrypt in this process, with a data key")
    made.add_argument("--mode", help="of a message; default: the first one of the key")
    made.set_defaults(run=_encrypt)

    made = commands.add_parser("decrypt", help="decrypt what encrypt has written")
    _add_files(made)
    made.set_defaults(run=_decrypt)

    made = commands.add_parser("sign", help="sign a message, and print the signature in base64")
    made.add_argument("key", metavar="KEY")
    made.add_argument("source", metavar="SOURCE", nargs="?", default=STANDARD)
    made.add_argument("--mode", help="the signing algorithm; default: the first one of the key")
    made.set_defaults(run=_sign)

    made = commands.add_parser("verify", help="verify a signature; exit code 1 if it is not valid")
    made.add_argument("key", metavar="KEY")
    made.add_argument("signature", metavar="SIGNATURE", help="the file with the output of sign")
    made.add_argument("source", metavar="SOURCE", nargs="?", default=STANDARD)
    made.add_argument("--mode", help="as for sign")
    made.set_defaults(run=_verify)


def _add_files(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "source", metavar="SOURCE", nargs="?", default=STANDARD, help="a file; default: standard input"
    )
    made.add_argument(
        "target", metavar="TARGET", nargs="?", default=STANDARD, help="a file; default: standard output"
    )
    made.add_argument(
        "--aad", default="", metavar="TEXT", help="text that is authenticated, but not encrypted"
    )


def _encrypt(client: Client, options: argparse.Namespace) -> int:
    aad = options.aad.encode()
    has_files = STANDARD not in {options.source, options.target}
    if options.mode and (options.local or has_files):
        raise ValueError("Files and local envelopes have a mode of their own. Omit --mode.")
    if options.local and has_files:
        client.envelope(options.key).encrypt_file(options.source, options.target, aad)
    elif options.local:
        key = client.envelope(options.key).new_key()
        with _reading(options.source) as plain, _writing(options.target, PUBLIC, is_text=False) as sealed:
            sealed.writelines(envelope_format.seal_blocks(key.octets, key.header, plain, aad))
    elif has_files:
        client.encrypt_file(options.key, options.source, options.target, aad)
    else:
        ciphertext = client.encrypt(options.key, _message(options.source), aad, mode=options.mode)
        with _writing(options.target, PUBLIC, is_text=True) as sealed:
            sealed.write(printable(ciphertext).encode() + b"\n")
    return 0


def _decrypt(client: Client, options: argparse.Namespace) -> int:
    """The plaintext reaches the target once all of it is verified."""
    aad = options.aad.encode()
    with tempfile.TemporaryDirectory(prefix="ciphercanary-") as folder:  # only the user can open it
        source = _as_file(options.source, Path(folder, "source"))
        with source.open("rb") as file:
            begin = file.read(len(MESSAGE_PREFIX))
        if begin == MESSAGE_PREFIX:
            _write_message(client.decrypt(_text(source), aad), options.target)
            return 0
        is_to_standard = options.target == STANDARD
        target = Path(folder, "target") if is_to_standard else Path(options.target)
        if begin.startswith(STREAM_PREFIX):
            client.decrypt_file(source, target, aad)
        elif begin.startswith(envelope_format.PREFIX):
            client.envelope(_key_of(source)).decrypt_file(source, target, aad)
        else:
            raise DecryptionFailed("The input is not a ciphertext of CipherCanary.")
        if is_to_standard:
            with target.open("rb") as plain:
                print_plaintext(plain)
    return 0


def _write_message(plaintext: bytes, target: str) -> None:
    if target == STANDARD:
        print_plaintext(io.BytesIO(plaintext))
        return
    with replacing(target, PRIVATE) as plain:
        plain.write(plaintext)


def print_plaintext(plain: IO[bytes]) -> None:
    """Copy a plaintext to standard output. Raises ValueError if that is a terminal, and the plaintext is not text."""
    if sys.stdout.isatty():
        if not _is_text(plain):
            raise ValueError(
                "The plaintext could control the terminal. Name TARGET, or redirect standard output."
            )
        plain.seek(0)
    shutil.copyfileobj(plain, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _is_text(plain: IO[bytes]) -> bool:
    """Whether the bytes are UTF-8 without control characters (ECMA-48), except tabs and line feeds."""
    try:
        return not any(_CONTROL.search(text) for text in codecs.iterdecode(blocks(plain), "utf-8"))
    except UnicodeDecodeError:
        return False


def _key_of(source: Path) -> str:
    """The id of the key of an envelope. Raises DecryptionFailed."""
    key_id = envelope_format.key_id_of(envelope_format.header_of_file(source))
    try:
        return str(UUID(bytes=key_id))
    except ValueError:
        raise DecryptionFailed("The envelope does not name a key.") from None


def _sign(client: Client, options: argparse.Namespace) -> int:
    signature = client.sign(options.key, _message(options.source), options.mode)
    print(base64.b64encode(signature).decode())
    return 0


def _verify(client: Client, options: argparse.Namespace) -> int:
    text = Path(options.signature).read_bytes()
    try:
        signature = base64.b64decode(b"".join(text.split()), validate=True)
    except ValueError:
        raise ValueError(f"{options.signature} is not a signature in base64.") from None
    is_valid = client.verify(options.key, _message(options.source), signature, options.mode)
    print("The signature is valid." if is_valid else "The signature is NOT valid.")
    return 0 if is_valid else _INVALID


def _message(source: str) -> bytes:
    """Raises ValueError if it is too long for one request."""
    with _reading(source) as file:
        message = file.read(MAX_MESSAGE + 1)
    if len(message) > MAX_MESSAGE:
        raise ValueError(
            "A message has at most 1 MiB. To encrypt more, name SOURCE and TARGET, or use --local."
        )
    return message


def _text(source: Path) -> str:
    if source.stat().st_size > MAX_TEXT:
        raise DecryptionFailed("The ciphertext is too long for a message.")
    return source.read_text("ascii", errors="replace").strip()


def _as_file(source: str, temporary: Path) -> Path:
    """The file, or a copy of standard input, whose ciphertext is read twice."""
    if source != STANDARD:
        return Path(source)
    with temporary.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return temporary


@contextmanager
def _reading(source: str) -> Iterator[IO[bytes]]:
    if source == STANDARD:
        yield sys.stdin.buffer
    else:
        with Path(source).open("rb") as file:
            yield file


@contextmanager
def _writing(target: str, mode: int, *, is_text: bool) -> Iterator[IO[bytes]]:
    if target != STANDARD:
        with replacing(target, mode) as file:
            yield file
    elif sys.stdout.isatty() and not is_text:
        raise ValueError("The result is binary. Name TARGET, or redirect standard output.")
    else:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
