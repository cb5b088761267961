"""Audit actions of pages that combine several apps."""

from typing import Final

from kernel.actions import Actions

LABELS: Final = Actions()

ROOT_READ: Final = LABELS.add("console.root.read", "Open console")
HOME_READ: Final = LABELS.add("console.home.read", "View home")
ATTENTION_READ: Final = LABELS.add("console.attention.read", "Read alerts")
SEARCHED: Final = LABELS.add("console.search.read", "Search the console")
REFERENCE_READ: Final = LABELS.add("console.reference.read", "View API reference")
FIRST_KEY_READ: Final = LABELS.add("console.first_key.read", "Open first-key page")
FIRST_KEY_CREATED: Final = LABELS.add("console.first_key.created", "Create first key")
FIRST_KEY_DECRYPTED: Final = LABELS.add("console.first_key.decrypted", "Decrypt first message")
USAGE_READ: Final = LABELS.add("console.usage.read", "View usage")
SYSTEM_READ: Final = LABELS.add("console.system.read", "View system")
BACKUP_LISTED: Final = LABELS.add("console.backup.listed", "List backups")
KEK_ROTATED: Final = LABELS.add_guarded("console.kek.rotated", "Rotate key-encryption key")
KEK_RETIRED: Final = LABELS.add_guarded("console.kek.retired", "Retire key-encryption key")
KEK_COPY_CHECKED: Final = LABELS.add("console.kek.copy_checked", "Check copy of key-encryption keys")
REWRAP_REQUESTED: Final = LABELS.add_guarded("console.rewrap.requested", "Request rewrap")
REWRAP_READ: Final = LABELS.add("console.rewrap.read", "View rewrap")
REWRAP_FINISHED: Final = LABELS.add("console.rewrap.finished", "Finish rewrap")
REWRAP_FAILED: Final = LABELS.add("console.rewrap.failed", "Rewrap keys")
REWRAP_CANCELLED: Final = LABELS.add_guarded("console.rewrap.cancelled", "Cancel rewrap")
OPERATION_LISTED: Final = LABELS.add("console.operation.listed", "List jobs")
OPERATION_READ: Final = LABELS.add("console.operation.read", "View job")
OPERATION_CANCELLED: Final = LABELS.add("console.operation.cancelled", "Cancel job")
OPERATION_DOWNLOADED: Final = LABELS.add("console.operation.downloaded", "Download result of job")
