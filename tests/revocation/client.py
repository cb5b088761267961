"""A process that encrypts continuously, with a caller and a key that it receives once and keeps in memory.

Each line on standard input names the next token and key, which it acknowledges with `ready`. The end of input
ends it; it then prints how often it encrypted and how often it was refused.
"""

import json
import sys
import threading
import time
from uuid import UUID

THREADS = 4


class Encrypting:
    def __init__(self) -> None:
        self.orders = None  # (request, principal), replaced as one
        self.ends = False
        self.sealed = self.refused = 0
        self._lock = threading.Lock()

    def work(self) -> None:
        from crypto_ops import engine  # noqa: PLC0415
        from kernel.errors import DomainError  # noqa: PLC0415 - main() sets Django up

        sealed = refused = 0
        while not self.ends:
            if self.orders is None:
                time.sleep(0.001)
                continue
            try:
                engine.encrypt(*self.orders)
                sealed += 1
            except DomainError:
                refused += 1
                time.sleep(0.01)
        with self._lock:
            self.sealed, self.refused = self.sealed + sealed, self.refused + refused


def main() -> None:
    import django  # noqa: PLC0415 - the environment comes from the campaign

    django.setup()
    from accounts.errors import TokenExpired  # noqa: PLC0415
    from accounts.origin import Origin  # noqa: PLC0415
    from accounts.tokens import authenticate_bearer  # noqa: PLC0415
    from audit.commit import writer  # noqa: PLC0415
    from audit.log.events import Source  # noqa: PLC0415
    from crypto_ops.requests import EncryptRequest  # noqa: PLC0415
    from kernel.crypto.algorithms import MODES  # noqa: PLC0415

    origin = Origin(client_ip="192.0.2.1", user_agent="campaign", request_id="", source=Source.API)
    encrypting = Encrypting()
    threads = [threading.Thread(target=encrypting.work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for line in sys.stdin:
        order = json.loads(line)
        request = EncryptRequest(mode=MODES["aes-256-gcm"], plaintext=b"canary", key_id=UUID(order["key_id"]))
        try:
            encrypting.orders = (request, authenticate_bearer(order["token"], origin))
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
