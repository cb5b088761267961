"""The witness for the logs of other installations (C2SP tlog-witness): it cosigns a checkpoint that extends the last one.

``CC_WITNESS_FOR`` lists the keys of these logs. Not imported by ``audit.services``, for the reason given in ``proofs``.
"""

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Final

from django.conf import settings
from django.db import transaction

from audit import actions
from audit.log.events import Actor, Event, Source
from audit.models import WitnessedLog, WitnessKey
from audit.sequencing.checkpoints.signing_keys import origin
from audit.services.recording import record
from audit.tlog import merkle
from audit.tlog.checkpoint import (
    COSIGNATURE,
    Checkpoint,
    CheckpointInvalid,
    VerifierKey,
    open_note,
    sign_line,
    split_note,
)
from audit.tlog.cosignature import WitnessRequest
from kernel.clock import database_now
from kernel.crypto import seed_signing
from kernel.crypto.encoding import encode_base64
from kernel.databases.transactions import wait_for_lock
from kernel.errors import Denied, Invalid, NotFound, Refused, VersionConflict
from kernel.runtime import settings_cache
from kernel.trust import kek
from kernel.trust.row_heads import find_current, require_no_head

_LOCK: Final = int.from_bytes(b"cc-witns")  # our key among PostgreSQL's advisory locks, a bigint
_ACTOR: Final = Actor.system("witness", Source.SCHEDULER)


@settings_cache
def witnessed_keys() -> Mapping[str, list[VerifierKey]]:
    """The keys of ``CC_WITNESS_FOR`` by the origin of their log. Raises ValueError."""
    keys: dict[str, list[VerifierKey]] = {}
    for vkey in settings.CC_WITNESS_FOR:
        key = VerifierKey.parse(vkey)
        if key.algorithm == COSIGNATURE:
            raise ValueError("a vkey of the type 0x04 is that of a witness")
        keys.setdefault(key.name, []).append(key)
    return keys


def bootstrap_witness_key() -> None:
    """Create the key, if this installation is a witness and has none."""
    if not settings.CC_WITNESS_FOR:
        return
    with transaction.atomic():
        wait_for_lock(_LOCK)
        if WitnessKey.objects.exists():
            return
        material, public_key = seed_signing.generate(seed_signing.ED25519)
        row = WitnessKey(public_key=public_key, created_at=database_now())
        kek.wrap_into(row, material)
        row.save_with_mac()
        meta = {"vkey": verifier_key(row).vkey}
        record(Event(action=actions.WITNESS_KEY_CREATED, object_type="witness_key", meta=meta), _ACTOR)


def find_witness_key() -> VerifierKey:
    """The public key. Raises NotFound if this installation is no witness, and IntegrityFailed."""
    return verifier_key(_key_row())


def add_checkpoint(*, actor: Actor, body: bytes) -> str:
    """Cosign a checkpoint that extends the last one of its log. Returns the signature line.

    The signature of the log authenticates the request. Raises NotFound for an unknown log, Denied without its valid
    signature, VersionConflict with the known size, Refused for an inconsistent tree, Invalid, and the errors of the key.
    """
    row = _key_row()
    request, head = _read(body)
    lines = _admit(request, head)
    key = verifier_key(row)
    sign = partial(seed_signing.sign, seed_signing.ED25519, kek.unwrap_row(row))
    # The lock is held until the commit. Otherwise two requests could both continue from the same size.
    with transaction.atomic():
        wait_for_lock(_LOCK)
        log = _last_of(head.origin)
        _require_extension(request, head, log)
        now = database_now().replace(microsecond=0)
        line = sign_line(head, key, sign, int(now.timestamp()))
        if not log.revision or head.size > log.size:  # not if it cosigned the same size before
            log.size, log.root, log.cosigned_at = head.size, head.root, now
            log.note = f"{head.text}\n{lines}{line}"
            log.save_with_mac()
            record(_event(head), actor)
    return line


def newest_cosigned(origin_hash: str) -> str:
    """The note of a log's newest cosigned checkpoint. ``origin_hash``: SHA-256 of its origin, in hexadecimal.

    Raises NotFound and IntegrityFailed.
    """
    for name in witnessed_keys():
        if hashlib.sha256(name.encode()).hexdigest() == origin_hash:
            row = WitnessedLog.objects.filter(origin=name).first()
            if row is not None:
                return row.check_mac().note
    raise NotFound


def verifier_key(row: WitnessKey) -> VerifierKey:
    """The public key of the row, which is not verified."""
    # Another name than that of the own log, so that no one takes its cosignatures for signatures of the log.
    return VerifierKey(f"{origin()}/witness", COSIGNATURE, bytes(row.public_key))


def _key_row() -> WitnessKey:
    row = WitnessKey.objects.first() if settings.CC_WITNESS_FOR else None
    if row is None:
        raise NotFound(
            "This installation is not a witness. The first start with CC_WITNESS_FOR makes it one."
        )
    return row.check_mac()


def _read(body: bytes) -> tuple[WitnessRequest, Checkpoint]:
    try:
        request = WitnessRequest.decode(body)
        text, _ = split_note(request.note)
        return request, Checkpoint.parse(text)
    except CheckpointInvalid as error:
        raise Invalid(f"The request is malformed: {error}.") from error


def _admit(request: WitnessRequest, head: Checkpoint) -> str:
    """The signature lines of the log that were verified."""
    keys = witnessed_keys().get(head.origin)
    if keys is None:
        raise NotFound("This witness does not know the log.")
    try:
        open_note(request.note, keys)
    except CheckpointInvalid:
        raise Denied("The checkpoint is not signed by a known key of its log.") from None
    if request.old_size > head.size:
        raise Invalid("The old size is greater than the size of the checkpoint.")
    known = {(key.name, key.key_id) for key in keys}
    return "".join(line.text for line in split_note(request.note)[1] if (line.name, line.key_id) in known)


def _last_of(name: str) -> WitnessedLog:
    """The row of the log. A new one, not saved, has the empty tree."""
    row = find_current(WitnessedLog.objects.filter(origin=name))
    if row is None:
        require_no_head(WitnessedLog, name)
    return row or WitnessedLog(origin=name, size=0, root=merkle.EMPTY_ROOT)


def _require_extension(request: WitnessRequest, head: Checkpoint, log: WitnessedLog) -> None:
    if request.old_size != log.size:
        detail = f"This witness last cosigned a checkpoint of {log.size} entries. Send the proof from there."
        raise VersionConflict(detail, extra={"size": log.size})
    try:
        merkle.verify_consistency(log.size, bytes(log.root), head.size, head.root, request.proof)
    except merkle.ProofInvalid as error:
        raise Refused(f"The checkpoint does not extend the last one: {error}.") from error


def _event(head: Checkpoint) -> Event:
    meta = {"origin": head.origin, "size": head.size, "root": encode_base64(head.root)}
    return Event(
        action=actions.CHECKPOINT_COSIGNED, object_type="witnessed_log", object_id=head.origin, meta=meta
    )
