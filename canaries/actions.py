"""Codes and labels of audit events. Every installation writes them, with canaries or without."""

from typing import Final

from kernel.actions import Actions

LABELS: Final = Actions()

JOURNAL_ANCHORED: Final = LABELS.add("audit.journal.anchored", "Anchor the sealed journal")
