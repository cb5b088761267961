"""The plaintext of a stored file, which is decrypted while it is read."""

import time
from typing import BinaryIO, Self

from accounts.principals import Principal
from crypto_ops.deciding.services import COMPARISON, Operation, perform
from crypto_ops.files.copying import CHECK_SECONDS
from crypto_ops.files.storage import BLOCK
from crypto_ops.streaming.services.decisions import OpenStream
from kernel.crypto.sealing.stream import StreamOpener
from kernel.databases.transactions import call_in_pool


class DecryptedFile:
    """Reads on in any thread, after the request. Regularly decides again whether the caller may."""

    def __init__(
        self, file: BinaryIO, opener: StreamOpener, operation: Operation[OpenStream], principal: Principal
    ) -> None:
        self._file: BinaryIO | None = file
        self._opener = opener
        self._operation = operation
        self._principal = principal
        self._checked = time.monotonic()

    def read(self, _size: int = -1) -> bytes:
        """The next piece, of about ``BLOCK`` bytes; b"" at the end. Raises refusals, and DecryptionFailed."""
        while self._file is not None:
            if time.monotonic() - self._checked >= CHECK_SECONDS:
                call_in_pool(perform, self._operation, self._principal, COMPARISON)
                self._checked = time.monotonic()
            block = self._file.read(BLOCK)
            plaintext = self._opener.update(block) if block else self._opener.finish()
            if not block:
                self.close()
            if plaintext:
                return plaintext
        return b""

    def take_over(self) -> Self:
        """The same content for the server, which closes it; closing this object then does nothing."""
        taken = type(self)(self._require_file(), self._opener, self._operation, self._principal)
        self._file = None
        return taken

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _require_file(self) -> BinaryIO:
        if self._file is None:
            raise ValueError("the file is closed")
        return self._file
