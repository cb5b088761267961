"""Audit actions of the cryptographic operations."""

from collections.abc import Mapping
from typing import Final

MESSAGE_ENCRYPTED: Final = "crypto.message.encrypted"
MESSAGE_DECRYPTED: Final = "crypto.message.decrypted"
MESSAGE_REENCRYPTED: Final = "crypto.message.reencrypted"
MESSAGE_INSPECTED: Final = "crypto.message.inspected"
MESSAGE_SIGNED: Final = "crypto.message.signed"
SIGNATURE_VERIFIED: Final = "crypto.signature.verified"
JWT_SIGNED: Final = "crypto.jwt.signed"
CSR_SIGNED: Final = "crypto.csr.signed"
MAC_COMPUTED: Final = "crypto.mac.computed"
MAC_VERIFIED: Final = "crypto.mac.verified"
ENCAPSULATED: Final = "crypto.secret.encapsulated"
DECAPSULATED: Final = "crypto.secret.decapsulated"
AGREED: Final = "crypto.secret.agreed"
DATA_KEY_GENERATED: Final = "crypto.data_key.generated"
KEY_DERIVED: Final = "crypto.key.derived"
STREAM_ENCRYPTED: Final = "crypto.stream.encrypted"
STREAM_DECRYPTED: Final = "crypto.stream.decrypted"
RANDOM_GENERATED: Final = "crypto.random.generated"
ALGORITHMS_READ: Final = "crypto.algorithms.read"
# Not "crypto.…": actions with that prefix are operations with a key and count as its usage.
TRIAL_OPENED: Final = "keys.trial.opened"
SNIPPETS_READ: Final = "keys.snippets.read"
REENCRYPTION_LISTED: Final = "keys.reencryption.listed"
REENCRYPTION_BEGUN: Final = "keys.reencryption.begun"
REENCRYPTION_READ: Final = "keys.reencryption.read"
REENCRYPTION_COMPLETED: Final = "keys.reencryption.completed"
REENCRYPTION_CANCELLED: Final = "keys.reencryption.cancelled"
# Not "crypto.…" either: the encryption and decryption themselves have the actions of streams.
FILE_REQUESTED: Final = "keys.file.requested"
FILE_READ: Final = "keys.file.read"
FILE_CANCELLED: Final = "keys.file.cancelled"
FILE_FINISHED: Final = "keys.file.finished"
FILE_FAILED: Final = "keys.file.failed"
FILE_DOWNLOADED: Final = "keys.file.downloaded"

LABELS: Final[Mapping[str, str]] = {
    MESSAGE_ENCRYPTED: "Encrypt",
    MESSAGE_DECRYPTED: "Decrypt",
    MESSAGE_REENCRYPTED: "Re-encrypt",
    MESSAGE_INSPECTED: "Inspect ciphertext",
    MESSAGE_SIGNED: "Sign",
    SIGNATURE_VERIFIED: "Verify signature",
    JWT_SIGNED: "Sign JWT",
    CSR_SIGNED: "Sign certificate request",
    MAC_COMPUTED: "Compute MAC",
    MAC_VERIFIED: "Verify MAC",
    ENCAPSULATED: "Encapsulate secret",
    DECAPSULATED: "Decapsulate secret",
    AGREED: "Agree on secret",
    DATA_KEY_GENERATED: "Generate data key",
    KEY_DERIVED: "Derive key",
    STREAM_ENCRYPTED: "Encrypt stream",
    STREAM_DECRYPTED: "Decrypt stream",
    RANDOM_GENERATED: "Generate random bytes",
    ALGORITHMS_READ: "List algorithms",
    TRIAL_OPENED: 'Open "Try it"',
    SNIPPETS_READ: 'Open "Use it"',
    REENCRYPTION_LISTED: "List re-encryption jobs",
    REENCRYPTION_BEGUN: "Begin re-encryption job",
    REENCRYPTION_READ: "View re-encryption job",
    REENCRYPTION_COMPLETED: "Complete re-encryption job",
    REENCRYPTION_CANCELLED: "Cancel re-encryption job",
    FILE_REQUESTED: "Request file job",
    FILE_READ: "View file job",
    FILE_CANCELLED: "Cancel file job",
    FILE_FINISHED: "Complete file job",
    FILE_FAILED: "File job failed",
    FILE_DOWNLOADED: "Download file",
}
