"""The program of the RSA process (``kernel.rsa.process``): it handles one request after the other from its parent.

It imports the core only, so it starts fast and needs little memory.

A request is ``generate`` with the algorithm, or ``check`` with a private key (PKCS #8 in DER). Keys are only in memory
and in the private connection to the parent. The process ends with the parent, because the connection ends then.
"""

import os
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Final

from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.errors import WrongKey
from kernel.crypto.transport import key_checks

GENERATE: Final = b"generate "
CHECK: Final = b"check "
VALID: Final = b"valid"
INVALID: Final = b"invalid"
_NICENESS: Final = 5  # a busy web process gets three times as much of a core
# The parent decides when the process ends: requests in flight may still need it after a signal to the whole group.
_IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _reply_to(request: bytes) -> bytes:
    """A new private key (PKCS #8 in DER), or whether the one of the request is valid."""
    if request.startswith(GENERATE):
        material, _ = key_pairs.generate(request.removeprefix(GENERATE).decode())
        return material.expose()  # noqa: CC1 - the parent gets the new private key
    try:
        key_checks.check_rsa(request.removeprefix(CHECK))
    except WrongKey:
        return INVALID
    return VALID


def main(descriptor: int) -> None:
    """Reply until the connection of this descriptor ends."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    with suppress(PermissionError):  # a sandbox may forbid it
        os.nice(_NICENESS)
    parent = Connection(descriptor)
    while True:
        try:
            request = parent.recv_bytes()
        except (EOFError, OSError):
            os._exit(0)  # at once, also in the middle of a generation
        threading.Thread(target=_reply, args=(parent, request), daemon=True).start()


def _reply(parent: Connection, request: bytes) -> None:
    try:
        parent.send_bytes(_reply_to(request))
    except BaseException:  # noqa: BLE001 - the parent must not wait for a reply that never comes
        os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
