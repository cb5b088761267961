from enum import StrEnum


class CryptoAction(StrEnum):
    """The audit words of crypto operations."""

    ENCRYPTED = "crypto.message.encrypted"
    DECRYPTED = "crypto.message.decrypted"
    REENCRYPTED = "crypto.message.reencrypted"
    INSPECTED = "crypto.message.inspected"
    RANDOM_GENERATED = "crypto.random.generated"
    ALGORITHMS_READ = "crypto.algorithms.read"
