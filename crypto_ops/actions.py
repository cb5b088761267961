"""Audit actions of the cryptographic operations."""

from typing import Final

from kernel.actions import Actions

LABELS: Final = Actions()

MESSAGE_ENCRYPTED: Final = LABELS.add("crypto.message.encrypted", "Encrypt")
MESSAGE_DECRYPTED: Final = LABELS.add("crypto.message.decrypted", "Decrypt")
MESSAGE_REENCRYPTED: Final = LABELS.add("crypto.message.reencrypted", "Re-encrypt")
MESSAGE_INSPECTED: Final = LABELS.add("crypto.message.inspected", "Inspect ciphertext")
MESSAGE_SIGNED: Final = LABELS.add("crypto.message.signed", "Sign")
SIGNATURE_VERIFIED: Final = LABELS.add("crypto.signature.verified", "Verify signature")
JWT_SIGNED: Final = LABELS.add("crypto.jwt.signed", "Sign JWT")
CSR_SIGNED: Final = LABELS.add("crypto.csr.signed", "Sign certificate request")
MAC_COMPUTED: Final = LABELS.add("crypto.mac.computed", "Compute MAC")
MAC_VERIFIED: Final = LABELS.add("crypto.mac.verified", "Verify MAC")
ENCAPSULATED: Final = LABELS.add("crypto.secret.encapsulated", "Encapsulate secret")
DECAPSULATED: Final = LABELS.add("crypto.secret.decapsulated", "Decapsulate secret")
AGREED: Final = LABELS.add("crypto.secret.agreed", "Agree on secret")
DATA_KEY_GENERATED: Final = LABELS.add("crypto.data_key.generated", "Generate data key")
KEY_DERIVED: Final = LABELS.add("crypto.key.derived", "Derive key")
STREAM_ENCRYPTED: Final = LABELS.add("crypto.stream.encrypted", "Encrypt stream")
STREAM_DECRYPTED: Final = LABELS.add("crypto.stream.decrypted", "Decrypt stream")
RANDOM_GENERATED: Final = LABELS.add("crypto.random.generated", "Generate random bytes")
ALGORITHMS_READ: Final = LABELS.add("crypto.algorithms.read", "List algorithms")
# Not "crypto.…": actions with that prefix are operations with a key and count as its usage.
TRIAL_OPENED: Final = LABELS.add("keys.trial.opened", 'Open "Try it"')
SNIPPETS_READ: Final = LABELS.add("keys.snippets.read", 'Open "Use it"')
REENCRYPTION_LISTED: Final = LABELS.add("keys.reencryption.listed", "List re-encryption jobs")
REENCRYPTION_BEGUN: Final = LABELS.add("keys.reencryption.begun", "Begin re-encryption job")
REENCRYPTION_READ: Final = LABELS.add("keys.reencryption.read", "View re-encryption job")
REENCRYPTION_COMPLETED: Final = LABELS.add("keys.reencryption.completed", "Complete re-encryption job")
REENCRYPTION_CANCELLED: Final = LABELS.add("keys.reencryption.cancelled", "Cancel re-encryption job")
# Not "crypto.…" either: the encryption and decryption themselves have the actions of streams.
FILE_REQUESTED: Final = LABELS.add("keys.file.requested", "Request file job")
FILE_READ: Final = LABELS.add("keys.file.read", "View file job")
FILE_CANCELLED: Final = LABELS.add("keys.file.cancelled", "Cancel file job")
FILE_FINISHED: Final = LABELS.add("keys.file.finished", "Complete file job")
FILE_FAILED: Final = LABELS.add("keys.file.failed", "File job failed")
FILE_DOWNLOADED: Final = LABELS.add("keys.file.downloaded", "Download file")
