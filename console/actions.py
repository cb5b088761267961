"""Audit actions of pages that combine several apps."""

from collections.abc import Mapping
from typing import Final

ROOT_READ: Final = "console.root.read"
HOME_READ: Final = "console.home.read"
ATTENTION_READ: Final = "console.attention.read"
REFERENCE_READ: Final = "console.reference.read"
FIRST_KEY_READ: Final = "console.first_key.read"
FIRST_KEY_CREATED: Final = "console.first_key.created"
FIRST_KEY_DECRYPTED: Final = "console.first_key.decrypted"
USAGE_READ: Final = "console.usage.read"
SYSTEM_READ: Final = "console.system.read"
KEK_ROTATED: Final = "console.kek.rotated"
KEK_RETIRED: Final = "console.kek.retired"
KEK_COPY_CHECKED: Final = "console.kek.copy_checked"
REWRAP_REQUESTED: Final = "console.rewrap.requested"
REWRAP_READ: Final = "console.rewrap.read"
REWRAP_FINISHED: Final = "console.rewrap.finished"
REWRAP_FAILED: Final = "console.rewrap.failed"
REWRAP_CANCELLED: Final = "console.rewrap.cancelled"
OPERATION_LISTED: Final = "console.operation.listed"
OPERATION_READ: Final = "console.operation.read"
OPERATION_CANCELLED: Final = "console.operation.cancelled"
OPERATION_DOWNLOADED: Final = "console.operation.downloaded"

LABELS: Final[Mapping[str, str]] = {
    ROOT_READ: "Open console",
    HOME_READ: "View home",
    ATTENTION_READ: "Read alerts",
    REFERENCE_READ: "View API reference",
    FIRST_KEY_READ: "Open first-key page",
    FIRST_KEY_CREATED: "Create first key",
    FIRST_KEY_DECRYPTED: "Decrypt first message",
    USAGE_READ: "View usage",
    SYSTEM_READ: "View system",
    KEK_ROTATED: "Rotate key-encryption key",
    KEK_RETIRED: "Retire key-encryption key",
    KEK_COPY_CHECKED: "Check copy of key-encryption keys",
    REWRAP_REQUESTED: "Request rewrap",
    REWRAP_READ: "View rewrap",
    REWRAP_FINISHED: "Finish rewrap",
    REWRAP_FAILED: "Rewrap keys",
    REWRAP_CANCELLED: "Cancel rewrap",
    OPERATION_LISTED: "List jobs",
    OPERATION_READ: "View job",
    OPERATION_CANCELLED: "Cancel job",
    OPERATION_DOWNLOADED: "Download result of job",
}
