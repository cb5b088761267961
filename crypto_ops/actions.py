"""What the audit log calls the operations."""

from typing import Final

MESSAGE_ENCRYPTED: Final = "crypto.message.encrypted"
MESSAGE_DECRYPTED: Final = "crypto.message.decrypted"
MESSAGE_REENCRYPTED: Final = "crypto.message.reencrypted"
MESSAGE_INSPECTED: Final = "crypto.message.inspected"
RANDOM_GENERATED: Final = "crypto.random.generated"
ALGORITHMS_READ: Final = "crypto.algorithms.read"
