"""A process that encrypts or decrypts continuously, with a caller and a key that it receives once and keeps in memory.

Each line on standard input names the next token and key, which it acknowledges with `ready`. The end of input
ends it; it then prints how often it succeeded and how often it was refused.
"""

import json
import sys
import threading
import time
from functools import partial
from uuid import UUID

THREADS = 4


class Encrypting:
    def __init__(self) -> None:
        self.orders = None  # (operation, principal), replaced as one
        self.ends = False
        self.sealed = self.refused = 0
        self._lock = threading.Lock()

    def work(self) -> None:
        from kernel.errors import DomainError  # noqa: PLC0415 - main() sets Django up

        sealed = refused = 0
        while not self.ends:
            if self.orders is None:
                time.sleep(0.001)
                continue
            try:
                operation, principal = self.orders
                operation(principal)
                sealed += 1
            except DomainError:
                refused += 1
                time.sleep(0.01)
        with self._lock:
            self.sealed, self.refused = self.sealed + sealed, self.refused + refused


def operation_of(order):
    """The operation of an order, as a function of the principal."""
    from crypto_ops.deciding.services import perform_measured  # noqa: PLC0415
    from crypto_ops.encryption.services.messages import DecryptRequest, EncryptRequest  # noqa: PLC0415
    from kernel.crypto.algorithms import SEALING_MODES  # noqa: PLC0415
    from kernel.crypto.sealing import envelope  # noqa: PLC0415

    if order["ciphertext"]:
        sealed = envelope.decode(order["ciphertext"], max_length=10_000)
        return partial(perform_measured, DecryptRequest.of_envelope(sealed, b""))
    key_id = UUID(order["key_id"])
    return partial(
        perform_measured,
        EncryptRequest(mode=SEALING_MODES[order["mode"]], plaintext=b"canary", key_id=key_id),
    )


def main() -> None:
    import django  # noqa: PLC0415 - the environment comes from the campaign

    django.setup()
    from accounts.errors import TokenExpired  # noqa: PLC0415
    from accounts.origin import Origin  # noqa: PLC0415
    from accounts.tokens.access_tokens import authenticate_bearer  # noqa: PLC0415
    from audit.commit import writer  # noqa: PLC0415
    from audit.log.events import Source  # noqa: PLC0415

    origin = Origin(client_ip="192.0.2.1", user_agent="campaign", request_id="", source=Source.API)
    encrypting = Encrypting()
    threads = [threading.Thread(target=encrypting.work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for line in sys.stdin:
        order = json.loads(line)
        try:
            encrypting.orders = (operation_of(order), authenticate_bearer(order["token"], origin))
        except TokenExpired:  # on a busy machine
            encrypting.orders = None
        print("ready", flush=True)
    encrypting.ends = True
    for thread in threads:
        thread.join()
    writer.close()
    print(json.dumps({"sealed": encrypting.sealed, "refused": encrypting.refused}), flush=True)


if __name__ == "__main__":
    main()
