"""The keys that sign checkpoints: one of Ed25519 and one of ML-DSA-44, published in the log before they are used.

A verifier with a pinned key finds its successor in an entry that a checkpoint of the pinned key covers. A next key
becomes active only after such a checkpoint. Then the private half of the old one is wiped. The current keys also sign
the next keys, because an entry that an attacker inserts into the database gets a leaf, too.
"""

import secrets
from collections.abc import Sequence
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import Subquery

from audit import actions
from audit.log.events import Actor, Event, Source
from audit.models import AuditLog, CheckpointKey
from audit.sequencing.eras import Eras
from audit.sequencing.leadership import leading
from audit.sequencing.tree import latest_checkpoint
from audit.services.recording import record
from audit.tlog.checkpoint import CheckpointInvalid, Signer, VerifierKey, open_note, publication_message
from kernel.clock import database_now
from kernel.crypto import seed_signing
from kernel.crypto.encoding import encode_base64
from kernel.errors import Conflict
from kernel.trust import kek
from kernel.trust.models import Instance
from kernel.trust.row_mac import IntegrityFailed

# In a key publication: every later checkpoint has a link. So write access to the database cannot remove the links.
LINKED = "linked_checkpoints"
ALGORITHMS = (seed_signing.ED25519, seed_signing.ML_DSA_44)
ACTOR = Actor.system("checkpoint-keys", Source.SCHEDULER)

_STATE = CheckpointKey.State
_ORDER = ("created_at", "algorithm")


def origin() -> str:
    """The name of the log in its checkpoints, and of its keys."""
    return _origin_of(Instance.objects.get().id)


def _origin_of(instance_id: object) -> str:
    return f"ciphercanary/{instance_id}"


def bootstrap_checkpoint_keys() -> None:
    """Create and publish the first active keys, if they are missing."""
    present = set(CheckpointKey.objects.filter(state=_STATE.ACTIVE).values_list("algorithm", flat=True))
    missing = [algorithm for algorithm in ALGORITHMS if algorithm not in present]
    if not missing:
        return
    try:
        with transaction.atomic():
            _publish(missing, _STATE.ACTIVE, ACTOR)
    except IntegrityError:
        # Another process was faster. The constraint allows one key of each algorithm, and that key is as good as ours.
        return


def rotate_checkpoint_keys(actor: Actor) -> list[VerifierKey]:
    """Publish the next keys, to sign after the current keys sign that. Raises Conflict while others wait for it."""
    try:
        with transaction.atomic():
            return _publish(ALGORITHMS, _STATE.NEXT, actor)
    except IntegrityError:
        raise Conflict(
            "The keys that were published last are still waiting for a checkpoint that covers their publication. "
            "Check that run_sequencer is running, and try again in a moment."
        ) from None


def promote_covered_keys(*, waits: bool = False) -> None:
    """Activate the next keys if the newest checkpoint, by the current ones, covers their publication."""
    if not CheckpointKey.objects.filter(state=_STATE.NEXT).exists():
        return
    with leading(waits=waits) as leads:
        upcoming = _locked_rows(_STATE.NEXT) if leads else []
        if upcoming and _is_covered(upcoming):
            _promote(upcoming)


def trusted_keys() -> list[VerifierKey]:
    """All keys: next, active and retired, in order of creation, with one query. Raises IntegrityFailed."""
    return [key for key, _ in stored_keys()]


def stored_keys() -> list[tuple[VerifierKey, CheckpointKey]]:
    """The keys of ``trusted_keys`` with their rows. Raises IntegrityFailed."""
    instance = Subquery(Instance.objects.values("id")[:1])
    rows = CheckpointKey.objects.annotate(instance_id=instance).order_by(*_ORDER)
    return [(_verifier_key(_origin_of(row.instance_id), row.check_mac()), row) for row in rows]


def active_signers() -> list[tuple[VerifierKey, Signer]]:
    """The active keys with their signers. Raises IntegrityFailed, UnwrapFailed and KekUnavailable."""
    rows = _rows(_STATE.ACTIVE)
    if {row.algorithm for row in rows} != set(ALGORITHMS):
        raise IntegrityFailed(
            "The key that signs checkpoints is missing. Restart the server, and find out who removed the key."
        )
    return _signers(rows)


def _signers(rows: Sequence[CheckpointKey]) -> list[tuple[VerifierKey, Signer]]:
    name = origin()
    return [
        (_verifier_key(name, row), partial(seed_signing.sign, row.algorithm, kek.unwrap_row(row)))
        for row in rows
    ]


def _rows(state: str) -> list[CheckpointKey]:
    return [row.check_mac() for row in CheckpointKey.objects.filter(state=state).order_by(*_ORDER)]


def _locked_rows(state: str) -> list[CheckpointKey]:
    """The rows for a change: locked, because another process may wrap their keys again."""
    rows = CheckpointKey.objects.select_for_update().filter(state=state).order_by(*_ORDER)
    return [row.check_mac() for row in rows]


def _publish(algorithms: Sequence[str], state: CheckpointKey.State, actor: Actor) -> list[VerifierKey]:
    outgoing = _signers(_rows(_STATE.ACTIVE))  # empty at the first start: the first keys are pinned
    rows = [_generate(algorithm, state) for algorithm in algorithms]
    for row in rows:
        row.save_with_mac()
    name = origin()
    keys = [_verifier_key(name, row) for row in rows]
    vkeys = [key.vkey for key in keys]
    message = publication_message(name, vkeys)
    signatures = {key.key_name: encode_base64(sign(message)) for key, sign in outgoing}
    signed = {"signatures": signatures} if signatures else {}
    meta = {"vkeys": vkeys, LINKED: True, **signed}
    record(_event(actions.CHECKPOINT_KEY_PUBLISHED, rows, **meta), actor)
    return keys


def _generate(algorithm: str, state: CheckpointKey.State) -> CheckpointKey:
    material, public_key = seed_signing.generate(algorithm)
    key = CheckpointKey(
        kid=secrets.token_hex(8),
        algorithm=algorithm,
        public_key=public_key,
        state=state,
        created_at=database_now(),
    )
    kek.wrap_into(key, material)
    return key


def _verifier_key(name: str, row: CheckpointKey) -> VerifierKey:
    return VerifierKey(name, row.algorithm, bytes(row.public_key))


def _is_covered(upcoming: Sequence[CheckpointKey]) -> bool:
    publications = AuditLog.objects.filter(  # noqa: CC2 - the publications of checkpoint keys
        action=actions.CHECKPOINT_KEY_PUBLISHED, object_id=_object_id(upcoming)
    )
    log_id: int | None = publications.order_by("id").values_list("id", flat=True).last()
    newest = latest_checkpoint()
    index = None if log_id is None else Eras.read().index_of(log_id)
    if index is None or newest is None:
        return False
    name = origin()
    try:
        signed = open_note(newest.note, [_verifier_key(name, row) for row in _rows(_STATE.ACTIVE)])
    except CheckpointInvalid:
        return False  # signing refuses to continue from it, and reports it
    return index < signed.size


def _promote(upcoming: Sequence[CheckpointKey]) -> None:
    # The old ones first, because only one key of an algorithm can be active.
    retiring = [
        row for row in _locked_rows(_STATE.ACTIVE) if row.algorithm in {key.algorithm for key in upcoming}
    ]
    for row in retiring:
        row.state, row.wrapped = _STATE.RETIRED, b""
        row.save_with_mac()
    for row in upcoming:
        row.state = _STATE.ACTIVE
        row.save_with_mac()
    meta = {"retired": [row.kid for row in retiring]}
    record(_event(actions.CHECKPOINT_KEY_ROTATED, upcoming, **meta), ACTOR)


def _event(action: str, rows: Sequence[CheckpointKey], **meta: object) -> Event:
    return Event(action=action, object_type="checkpoint_key", object_id=_object_id(rows), meta=meta)


def _object_id(rows: Sequence[CheckpointKey]) -> str:
    return ",".join(row.kid for row in rows)
