"""Witnesses of our checkpoints (C2SP tlog-witness): each cosigns a checkpoint that extends the last one it has seen.

Each has a thread of its own, so that a slow one delays neither the sequencer nor other witnesses. All of them get the same
checkpoints, also from the sequencers of several hosts, so that one note gets the cosignatures of all.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from itertools import batched
from threading import Event, Thread
from typing import Final

import django.db
from django.conf import settings

from audit.models import AuditCheckpoint
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.checkpoints.anchors import RETRY_SECONDS, store_receipt
from audit.sequencing.tree import database_reader, latest_checkpoint
from audit.services.alarms import raise_alarms
from audit.tlog import merkle
from audit.tlog.checkpoint import VerifierKey, decode_decimal
from audit.tlog.cosignature import Cosignature, WitnessRequest, find_cosignatures, read_witness
from kernel.clock import database_now
from kernel.environment.variables import is_http_url
from kernel.http.outgoing import ExchangeFailed, read_bounded, requested
from kernel.observability.metrics import audit_anchor_failures_total
from kernel.runtime import settings_cache

logger = logging.getLogger(__name__)

ANCHOR: Final = "witness "  # begins the name of the anchor in their receipts
_MOST_WITNESSES: Final = 16  # each has a thread, and every reader of a signed note accepts 16 signatures
_MAX_RESPONSE: Final = 64 * 1024
_CLOCK_SECONDS: Final = 300  # between the clock of a witness and ours
_STOP_SECONDS: Final = 5.0
_METRIC: Final = "witness"  # one label for all witnesses
_HINTS: Final[Mapping[int, str]] = {
    HTTPStatus.FORBIDDEN: "it does not know the key that signed the checkpoint",
    HTTPStatus.NOT_FOUND: "it does not know this log, or is no witness",
    HTTPStatus.UNPROCESSABLE_ENTITY: "the log does not extend what it has cosigned",
}


@dataclass(frozen=True, slots=True)
class _Witness:
    """``url`` is the submission prefix."""

    url: str
    key: VerifierKey

    @property
    def anchor(self) -> str:
        """The anchor of its receipts, which are its signature lines."""
        return f"{ANCHOR}{self.key.key_id.hex()}"


class _WitnessRefused(Exception):
    """The witness did not cosign. ``other_size``: the entries of another log under our name that it has cosigned."""

    def __init__(self, reason: str, *, other_size: int | None = None) -> None:
        super().__init__(reason)
        self.other_size = other_size


@settings_cache
def configured_witnesses() -> Sequence[_Witness]:
    """The witnesses of ``CC_WITNESSES``. Raises ValueError."""
    witnesses = []
    for pair in batched(settings.CC_WITNESSES, 2):
        if len(pair) != 2 or not is_http_url(pair[0]):  # noqa: PLR2004 - a pair
            raise ValueError("each witness is a URL and a vkey")
        witnesses.append(_Witness(pair[0].rstrip("/"), read_witness(pair[1])))
    if (
        len({witness.key.key_id for witness in witnesses}) != len(witnesses)
        or len(witnesses) > _MOST_WITNESSES
    ):
        raise ValueError(f"at most {_MOST_WITNESSES} different witnesses")
    return witnesses


def quorum() -> int:
    """The number of witnesses that must cosign a checkpoint. Raises ValueError."""
    return int(settings.CC_WITNESS_QUORUM) or len(configured_witnesses())


class _WitnessClient:
    """Requests cosignatures of one witness. It remembers the size that the witness has; the first response corrects it."""

    def __init__(self, witness: _Witness) -> None:
        self._witness = witness
        self._size = 0

    def cosign(self, checkpoint: AuditCheckpoint) -> Cosignature:
        """The cosignature of the checkpoint. Raises _WitnessRefused and ExchangeFailed, ValueError if the tree is damaged."""
        status, content = self._request(checkpoint)
        if status == HTTPStatus.CONFLICT:
            self._size = _size_in(content)
            if self._size > checkpoint.size:
                newest = latest_checkpoint()
                other_size = self._size if newest is None or newest.size < self._size else None
                raise _WitnessRefused(f"it has cosigned {self._size} entries", other_size=other_size)
            status, content = self._request(checkpoint)
        if status != HTTPStatus.OK:
            other_size = self._size if status == HTTPStatus.UNPROCESSABLE_ENTITY else None
            raise _WitnessRefused(f"status {status}. {_HINTS.get(status, '')}", other_size=other_size)
        cosignature = self._cosignature_in(checkpoint, content)
        self._size = checkpoint.size
        return cosignature

    def _request(self, checkpoint: AuditCheckpoint) -> tuple[int, bytes]:
        import urllib3  # noqa: PLC0415 - loaded only if there are witnesses

        from kernel.http.pinned import tls_context  # noqa: PLC0415 - likewise

        first = min(self._size, checkpoint.size)
        proof = merkle.consistency_proof(first, checkpoint.size, database_reader())
        body = WitnessRequest(first, tuple(proof), checkpoint.note).encode()
        pool = urllib3.PoolManager(ssl_context=tls_context(settings.CC_NOTIFICATIONS.ca_file, ""))
        headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "CipherCanary"}
        url = f"{self._witness.url}/add-checkpoint"
        with requested(pool, "POST", url, body=body, headers=headers) as response:
            return response.status, read_bounded(response, _MAX_RESPONSE)

    def _cosignature_in(self, checkpoint: AuditCheckpoint, content: bytes) -> Cosignature:
        text = checkpoint.note.rpartition("\n\n")[0]
        try:
            [cosignature] = find_cosignatures(f"{text}\n\n{content.decode()}", [self._witness.key])
        except ValueError as error:  # a CheckpointInvalid, no signature of this key, or not UTF-8
            raise _WitnessRefused("its response is no valid cosignature") from error
        if abs(cosignature.timestamp - database_now().timestamp()) > _CLOCK_SECONDS:
            raise _WitnessRefused(f"its clock differs by more than {_CLOCK_SECONDS} seconds")
        return cosignature


class WitnessTask:
    """Brings one checkpoint of each period of ``CC_ANCHOR_SECONDS`` to a witness, and stores the cosignature."""

    def __init__(self, witness: _Witness) -> None:
        self._witness = witness
        self._client = _WitnessClient(witness)
        self._taken = 0

    def run(self, *, at_once: bool = False) -> None:
        """``at_once``: the newest checkpoint. Failures are logged, counted and repeated by the next call. Never raises."""
        try:
            checkpoint = latest_checkpoint() if at_once else _checkpoint_of_period()
            if checkpoint is not None and checkpoint.size != self._taken:
                self._bring(checkpoint)
        except (_WitnessRefused, ExchangeFailed) as error:
            audit_anchor_failures_total.labels(_METRIC).inc()
            logger.warning("the witness %s did not cosign: %s", self._witness.key.name, error)
        except Exception:
            audit_anchor_failures_total.labels(_METRIC).inc()
            logger.exception("the request to the witness %s failed", self._witness.key.name)
        finally:
            django.db.connections.close_all()

    def _bring(self, checkpoint: AuditCheckpoint) -> None:
        try:
            cosignature = self._client.cosign(checkpoint)
        except _WitnessRefused as refusal:
            if refusal.other_size is not None:
                raise_alarms([self._alarm(checkpoint, refusal)])
            raise
        self._taken = checkpoint.size
        store_receipt(self._witness.anchor, checkpoint, cosignature.line.rstrip("\n"))

    def _alarm(self, checkpoint: AuditCheckpoint, refusal: _WitnessRefused) -> Alarm:
        return Alarm(
            kind=AlarmKind.WITNESS_CONTRADICTS,
            expected=f"what {self._witness.key.name} cosigned",
            found=f"checkpoint of {checkpoint.size}: {refusal}",
            # The same while the witness refuses. After a resolved alarm, another contradiction is another alarm.
            identity=f"{self._witness.key.key_name} {refusal.other_size}",
        )


@contextmanager
def witnessing() -> Iterator[None]:
    """Bring checkpoints to all witnesses while the block runs. At its end, bring the newest, for a few seconds at most."""
    stopping = Event()
    tasks = [WitnessTask(witness) for witness in configured_witnesses()]
    if tasks:
        audit_anchor_failures_total.labels(_METRIC)  # begins at 0, so that the first increase shows
    threads = [Thread(target=_repeat, args=(task, stopping), name="witness", daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        until = time.monotonic() + _STOP_SECONDS
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0))


def _repeat(task: WitnessTask, stopping: Event) -> None:
    while not stopping.wait(RETRY_SECONDS):
        task.run()
    task.run(at_once=True)


def _checkpoint_of_period() -> AuditCheckpoint | None:
    """The last checkpoint before the current period, by the clock of the database. All threads and hosts find the same."""
    now = database_now()
    begin = now - timedelta(seconds=now.timestamp() % settings.CC_ANCHOR_SECONDS)
    return AuditCheckpoint.objects.filter(signed_at__lt=begin).order_by("-size").first()


def _size_in(content: bytes) -> int:
    try:
        return decode_decimal(content.decode().removesuffix("\n"))
    except ValueError as error:
        raise _WitnessRefused("its response has no size") from error
