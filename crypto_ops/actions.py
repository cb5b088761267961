"""What the audit log calls the operations."""

from typing import Final

MESSAGE_ENCRYPTED: Final = "crypto.message.encrypted"
MESSAGE_DECRYPTED: Final = "crypto.message.decrypted"
MESSAGE_REENCRYPTED: Final = "crypto.message.reencrypted"
MESSAGE_INSPECTED: Final = "crypto.message.inspected"
STREAM_ENCRYPTED: Final = "crypto.stream.encrypted"
STREAM_DECRYPTED: Final = "crypto.stream.decrypted"
RANDOM_GENERATED: Final = "crypto.random.generated"
ALGORITHMS_READ: Final = "crypto.algorithms.read"
CONSOLE_OPENED: Final = "crypto.console.opened"
SNIPPETS_READ: Final = "crypto.snippets.read"
