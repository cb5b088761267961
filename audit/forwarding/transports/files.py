"""Append messages to a file, whose bytes are on the disk before the position of the target moves."""

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from audit.forwarding.addresses import check_file
from audit.forwarding.messages import Message
from kernel.errors import Invalid
from kernel.home import sync_folder
from kernel.http.outgoing import ExchangeFailed

_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WORDS: Final = {errno.ENOSPC: "disk_full", errno.EDQUOT: "disk_full", errno.EACCES: "not_permitted"}


class FileReceiver:
    """Opens the file for each batch, so it follows the rotation by another program."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, messages: Sequence[Message]) -> None:
        """Raises ExchangeFailed."""
        try:
            check_file(self._path)
            self._append(b"".join(message.octets + b"\n" for message in messages))
        except Invalid:
            raise ExchangeFailed("not_permitted") from None
        except OSError as error:
            raise ExchangeFailed(_WORDS.get(error.errno or 0, "not_writable")) from error

    def close(self) -> None:
        """Each batch opens the file."""

    def _append(self, octets: bytes) -> None:
        is_new = not self._path.exists()
        with os.fdopen(os.open(self._path, _FLAGS, 0o640), "rb+", buffering=0) as file:
            if is_new:
                os.fchmod(file.fileno(), 0o640)  # not reduced by the umask: agents read with its group
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is not a file")
            if _ends_within_a_line(file.fileno()):
                octets = b"\n" + octets  # an earlier write was interrupted; its entries follow again
            view = memoryview(octets)
            while view:
                view = view[os.write(file.fileno(), view) :]
            os.fsync(file.fileno())
        if is_new:
            sync_folder(self._path.parent)


def _ends_within_a_line(file: int) -> bool:
    size = os.fstat(file).st_size
    return bool(size) and os.pread(file, 1, size - 1) != b"\n"
