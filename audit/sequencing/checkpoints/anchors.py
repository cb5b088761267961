"""Anchors: places outside this installation where auditors can read its checkpoints.

An anchor is useful if the auditor can read it without asking the operators of this installation: a file on storage
that they cannot rewrite, or a syslog server that other people run.
"""

import hashlib
import logging
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import django.db
from django.conf import settings
from django.db import transaction

from audit.log.canonical import format_timestamp
from audit.models import AuditCheckpoint, AuditReceipt
from audit.sequencing.checkpoints import syslog
from audit.sequencing.tree import latest_checkpoint
from audit.tlog.checkpoint import ed25519_only
from kernel.clock import database_now
from kernel.crypto.encoding import encode_base64
from kernel.home import sync_folder
from kernel.observability.metrics import audit_anchor_failures_total

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0  # a failing anchor must not delay every step by its timeout


class _Anchor(Protocol):
    """``name`` has at most 20 characters, a receipt at most 400."""

    name: str

    def take(self, note: str, size: int) -> str:
        """Store the signed note of a checkpoint of ``size``. Returns a receipt to find it with. Raises OSError."""
        ...


class FileAnchor:
    """Appends each note, and an empty line, to a file. The receipt has its byte offset and SHA-256."""

    name = "file"

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def take(self, note: str, size: int) -> str:  # noqa: ARG002 - the protocol's
        content = note.encode()
        is_new = not self._path.exists()
        with self._path.open("ab") as file:
            offset = file.seek(0, os.SEEK_END)
            file.write(content + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_folder(self._path.parent)
        return f"offset {offset} sha256 {hashlib.sha256(content).hexdigest()}"


class SyslogAnchor:
    """Sends the note, with only its Ed25519 signature, as one line of base64. The receipt has the time and the address.

    With the other signature, it would be longer than what a syslog server must accept (RFC 5424 section 6.1).
    """

    name = "syslog"

    def __init__(self, address: str) -> None:
        self._address = address

    def take(self, note: str, size: int) -> str:  # noqa: ARG002 - the protocol's
        text = encode_base64(ed25519_only(note).encode())
        sent_at = syslog.send(self._address, "checkpoint", text)
        return f"{format_timestamp(sent_at)} {self._address}"[:400]


def configured_anchors() -> list[_Anchor]:
    """The anchors of ``CC_ANCHOR_FILE`` and ``CC_ANCHOR_SYSLOG``."""
    anchors: list[_Anchor] = []
    if settings.CC_ANCHOR_FILE:
        anchors.append(FileAnchor(settings.CC_ANCHOR_FILE))
    if settings.CC_ANCHOR_SYSLOG:
        anchors.append(SyslogAnchor(settings.CC_ANCHOR_SYSLOG))
    return anchors


class Anchoring:
    """Sends the newest checkpoint to each anchor, at most every ``CC_ANCHOR_SECONDS``."""

    def __init__(self, anchors: Sequence[_Anchor]) -> None:
        self._due = {anchor.name: 0.0 for anchor in anchors}
        # Not read from the receipts, because an attacker with write access to the database could insert them.
        self._taken: dict[str, int] = {}
        self._anchors = anchors
        for anchor in anchors:
            audit_anchor_failures_total.labels(anchor.name)  # begins at 0, so that the first increase shows

    def run(self, *, at_once: bool = False) -> None:
        """Anchor the newest checkpoint where it is due. Failures are logged and retried. Raises django.db.Error."""
        for anchor in self._anchors:
            if at_once or time.monotonic() >= self._due[anchor.name]:
                self._bring(anchor)

    def _bring(self, anchor: _Anchor) -> None:
        checkpoint = latest_checkpoint()
        if checkpoint is None or self._taken.get(anchor.name) == checkpoint.size:
            return
        pause = float(settings.CC_ANCHOR_SECONDS)
        try:
            receipt = anchor.take(checkpoint.note, checkpoint.size)
        except (OSError, ValueError):
            # ValueError: the note was altered. The checkpointer reports that.
            audit_anchor_failures_total.labels(anchor.name).inc()
            logger.exception("the anchor %s did not take the checkpoint of %d", anchor.name, checkpoint.size)
            pause = min(pause, RETRY_SECONDS)
        else:
            self._taken[anchor.name] = checkpoint.size
            store_receipt(anchor.name, checkpoint, receipt)
        self._due[anchor.name] = time.monotonic() + pause


def store_receipt(anchor: str, checkpoint: AuditCheckpoint, receipt: str) -> None:
    """Raises django.db.Error."""
    row = AuditReceipt(size=checkpoint.size, anchor=anchor, receipt=receipt, anchored_at=database_now())
    with suppress(django.db.IntegrityError), transaction.atomic():  # another process anchored it, too
        row.save_with_mac()
