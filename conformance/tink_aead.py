"""Use Tink with a transit key: ``encrypt|decrypt|seal|open PATH TEXT``. ``seal`` and ``open`` are of Tink's envelope encryption.

VAULT_ADDR and VAULT_TOKEN have the address and the token. Texts of ``seal`` are in base64.
"""

import base64
import os
import sys

import hvac
from tink import aead
from tink.integration import hcvault

ASSOCIATED_DATA = b"session"  # of the envelope; the integration takes none for the transit key itself


def main(arguments: list[str]) -> int:
    match arguments:
        case ["encrypt" | "decrypt" | "seal" | "open" as operation, path, text]:
            print(perform(operation, path, text))
            return 0
    print(__doc__)
    return 2


def perform(operation: str, path: str, text: str) -> str:
    aead.register()
    client = hvac.Client(url=os.environ["VAULT_ADDR"], token=os.environ["VAULT_TOKEN"])
    remote = hcvault.new_aead(path, client)
    envelope = aead.KmsEnvelopeAead(aead.aead_key_templates.AES256_GCM, remote)
    match operation:
        case "encrypt":
            return remote.encrypt(text.encode(), b"").decode()
        case "decrypt":
            return remote.decrypt(text.encode(), b"").decode()
        case "seal":
            return base64.b64encode(envelope.encrypt(text.encode(), ASSOCIATED_DATA)).decode()
        case _:
            return envelope.decrypt(base64.b64decode(text), ASSOCIATED_DATA).decode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
