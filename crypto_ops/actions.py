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
# Not "crypto.…": what begins so is an operation with a key, and is added up as its use.
TRIAL_OPENED: Final = "keys.trial.opened"
SNIPPETS_READ: Final = "keys.snippets.read"
