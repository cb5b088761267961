"""Encrypting and decrypting one file into another: for jobs, and for commands."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Final, Protocol
from uuid import UUID

from accounts.principals import Principal
from crypto_ops.files.storage import blocks
from crypto_ops.streaming.services.spool import StoredFile
from crypto_ops.streaming.services.streams import Decryption, Encryption, Stream
from kernel.errors import Conflict
from kernel.jobs.files import HashedFile, new_file
from kernel.jobs.progress import Report

CHECK_SECONDS: Final = 3.0


class _Sink(Protocol):
    def write(self, octets: bytes) -> object: ...


def write_all(stream: Stream, octets: Iterable[bytes], sink: _Sink, report: Callable[[int], object]) -> None:
    """Pass the data through the stream, which is not finished yet. ``report`` is called with the bytes so far.

    Raises the refusals of the stream, and what ``report`` raises.
    """
    done, checked = 0, time.monotonic()
    for block in octets:
        report(done)
        sink.write(stream.write(block))
        done += len(block)
        if time.monotonic() - checked >= CHECK_SECONDS:
            stream.check()
            checked = time.monotonic()
    report(done)


def encrypt_file(
    *, principal: Principal, key_id: UUID, source: Path, target: Path, aad: bytes = b"", report: Report
) -> HashedFile:
    """Encrypt a file of the operator. The target appears once it is complete.

    Raises refusals, Conflict if the target exists, and OSError.
    """
    _require_new(target)
    with source.open("rb") as file, new_file(target) as written:
        _copy(Encryption(principal, key_id=key_id, aad=aad, is_limited=False), file, written, report)
    return written


def decrypt_file(
    *, principal: Principal, source: Path, target: Path, aad: bytes = b"", report: Report
) -> HashedFile:
    """Verify a file of the operator completely, then decrypt it. The target appears once it is complete.

    Raises as ``encrypt_file``.
    """
    _require_new(target)
    with source.open("rb") as file, new_file(target) as written:
        stream = Decryption(principal, aad=aad, spool=StoredFile(file), is_limited=False)
        _copy(stream, file, written, report)
    return written


def _copy(stream: Stream, file: BinaryIO, written: HashedFile, report: Report) -> None:
    size = os.fstat(file.fileno()).st_size
    with stream:
        write_all(stream, blocks(file), written, lambda done: report(done, max(size, done)))
        for octets in stream.finish():
            written.write(octets)


def _require_new(target: Path) -> None:
    if target.exists():
        raise Conflict(f"{target} already exists. Choose another target.")
