"""Signing keys are published before use, stored wrapped, and wiped after other keys have taken over."""

import base64
import io
import json
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from audit import actions
from audit.models import CheckpointKey
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.checkpoints.signing import sign_checkpoint
from audit.sequencing.checkpoints.signing_keys import (
    active_signers,
    bootstrap_checkpoint_keys,
    origin,
    promote_covered_keys,
    rotate_checkpoint_keys,
    trusted_keys,
)
from audit.sequencing.running import checkpoint_now
from audit.sequencing.tree import latest_checkpoint
from audit.tlog.checkpoint import (
    CheckpointInvalid,
    VerifierKey,
    open_note,
    open_publication,
    publication_message,
)
from kernel.crypto import seed_signing
from kernel.crypto.errors import UnwrapFailed
from kernel.errors import Conflict
from kernel.trust.row_mac import IntegrityFailed
from tests.audit.sequencing.log import ACTOR, recreate_checkpoint_keys, sequence_all, write
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db(transaction=True)


def states():
    return sorted(CheckpointKey.objects.values_list("algorithm", "state"))


def keys_of(state):
    public_keys = {bytes(row.public_key) for row in CheckpointKey.objects.filter(state=state)}
    return [key for key in trusted_keys() if key.public_key in public_keys]


def published():
    rows = log_rows().filter(action=actions.CHECKPOINT_KEY_PUBLISHED).order_by("id")
    return [(row, json.loads(row.meta)["vkeys"]) for row in rows]


def test_the_first_keys_are_active_and_published_whole():
    recreate_checkpoint_keys()

    assert states() == [("ed25519", "active"), ("ml-dsa-44", "active")]
    [(entry, vkeys)] = published()
    assert vkeys == [key.vkey for key in trusted_keys()]
    assert [VerifierKey.parse(vkey) for vkey in vkeys] == trusted_keys()
    assert entry.object_id == ",".join(
        CheckpointKey.objects.order_by("created_at").values_list("kid", flat=True)
    )
    assert (entry.object_type, entry.actor_name) == ("checkpoint_key", "checkpoint-keys")


def test_a_start_makes_the_keys_that_are_missing_and_no_more():
    before = trusted_keys()
    bootstrap_checkpoint_keys()
    assert trusted_keys() == before

    CheckpointKey.objects.filter(algorithm="ml-dsa-44").delete()
    with pytest.raises(IntegrityFailed, match="key that signs checkpoints is missing"):
        active_signers()
    bootstrap_checkpoint_keys()
    assert states() == [("ed25519", "active"), ("ml-dsa-44", "active")]
    assert before[0] in trusted_keys()
    assert len(published()[-1][1]) == 1


def test_private_halves_are_stored_wrapped_and_bound_to_their_row():
    ed25519, ml_dsa = CheckpointKey.objects.order_by("algorithm")
    assert len(bytes(ed25519.wrapped)) == len(bytes(ml_dsa.wrapped)) == 1 + 12 + 32 + 16

    ed25519.wrapped, ml_dsa.wrapped = ml_dsa.wrapped, ed25519.wrapped
    ed25519.save_with_mac()
    ml_dsa.save_with_mac()
    with pytest.raises(UnwrapFailed):
        active_signers()


@pytest.mark.parametrize(
    "change",
    [{"public_key": b"0" * 32}, {"state": "retired"}, {"created_at": datetime(2020, 1, 1, tzinfo=UTC)}],
)
def test_a_key_altered_by_hand_is_neither_shown_nor_used(change):
    CheckpointKey.objects.filter(algorithm="ed25519").update(**change)
    with pytest.raises(IntegrityFailed):
        trusted_keys()


# --- signatures on new keys


def test_no_one_signs_the_first_publication():
    recreate_checkpoint_keys()
    assert set(json.loads(published()[-1][0].meta)) == {"vkeys", "linked_checkpoints"}


def test_each_outgoing_key_signs_the_keys_that_follow():
    recreate_checkpoint_keys()
    old = keys_of("active")
    new = rotate_checkpoint_keys(ACTOR)

    entry, vkeys = published()[-1]
    signatures = json.loads(entry.meta)["signatures"]
    assert set(signatures) == {key.key_name for key in old}
    lines = ["ciphercanary/checkpoint-keys/v1", origin(), *vkeys]
    message = "".join(f"{line}\n" for line in lines).encode()
    assert message == publication_message(origin(), vkeys)
    for key in old:
        signature = base64.b64decode(signatures[key.key_name])
        seed_signing.verify(key.algorithm, key.public_key, message, signature)
        assert open_publication(origin(), vkeys, signatures, [key]) == new


def test_a_key_made_alone_is_signed_by_the_one_that_is_left():
    CheckpointKey.objects.filter(algorithm="ml-dsa-44").delete()
    [left] = keys_of("active")
    bootstrap_checkpoint_keys()

    entry, vkeys = published()[-1]
    signatures = json.loads(entry.meta)["signatures"]
    assert [key.vkey for key in open_publication(origin(), vkeys, signatures, [left])] == vkeys


def test_a_publication_is_opened_only_as_it_was_signed():
    recreate_checkpoint_keys()
    [old, other], name = keys_of("active"), origin()
    new = rotate_checkpoint_keys(ACTOR)
    entry, vkeys = published()[-1]
    signatures = json.loads(entry.meta)["signatures"]

    def refused(vkeys=vkeys, signatures=signatures, trusted=(old,), name=name):
        with pytest.raises(CheckpointInvalid, match="no trusted key"):
            open_publication(name, vkeys, signatures, trusted)

    refused(vkeys=vkeys[:1])
    refused(vkeys=vkeys[::-1])
    refused(vkeys=[*vkeys, "\ud800"])
    refused(signatures={})
    refused(signatures={old.key_name: signatures[other.key_name]})
    refused(signatures={old.key_name: "no base64"})
    refused(trusted=new)  # new keys do not vouch for themselves
    refused(name="ciphercanary/another")
    assert open_publication(name, vkeys, signatures | {old.key_name: ""}, [old, other]) == new


# --- rotation


def test_the_next_keys_are_published_and_do_not_sign_yet():
    recreate_checkpoint_keys()
    checkpoint_now()
    old = keys_of("active")

    keys = rotate_checkpoint_keys(ACTOR)
    assert keys == keys_of("next")
    assert [key.algorithm for key in keys] == ["ed25519", "ml-dsa-44"]
    assert published()[-1][1] == [key.vkey for key in keys]
    assert trusted_keys() == [*old, *keys]
    assert [key for key, _ in active_signers()] == old


def test_new_keys_sign_after_the_old_keys_have_signed_their_publication():
    recreate_checkpoint_keys()
    old = keys_of("active")
    keys = rotate_checkpoint_keys(ACTOR)
    promote_covered_keys()
    assert keys_of("next") == keys  # nothing is signed yet

    sequence_step()
    promote_covered_keys()
    assert keys_of("next") == keys  # it is in the tree, but still not signed

    covering = sign_checkpoint()
    assert published()[-1][0].id <= covering.size
    open_note(covering.note, old)
    with pytest.raises(CheckpointInvalid):
        open_note(covering.note, keys)

    promote_covered_keys()
    assert (keys_of("retired"), keys_of("active"), keys_of("next")) == (old, keys, [])
    sequence_step()
    open_note(sign_checkpoint().note, keys)
    with pytest.raises(CheckpointInvalid):
        open_note(latest_checkpoint().note, old)


def test_a_checkpoint_from_before_the_publication_does_not_promote():
    recreate_checkpoint_keys()
    write(3)
    checkpoint_now()
    rotate_checkpoint_keys(ACTOR)
    sequence_all()
    promote_covered_keys()

    assert len(keys_of("next")) == 2


def test_a_checkpoint_that_the_old_keys_did_not_sign_does_not_promote():
    recreate_checkpoint_keys()
    rotate_checkpoint_keys(ACTOR)
    sequence_all()
    checkpoint = sign_checkpoint()
    forged = checkpoint.note.replace("\n1\n", "\n9\n").replace(f"\n{checkpoint.size}\n", "\n9\n")
    type(checkpoint).objects.create(size=9, note=forged, signed_at=checkpoint.signed_at)
    promote_covered_keys()

    assert len(keys_of("next")) == 2


def test_the_private_half_of_a_retired_key_is_wiped():
    recreate_checkpoint_keys()
    rotate_checkpoint_keys(ACTOR)
    checkpoint_now()

    assert [bytes(row.wrapped) for row in CheckpointKey.objects.filter(state="retired")] == [b"", b""]
    rotated = log_rows().get(action=actions.CHECKPOINT_KEY_ROTATED)
    retired = CheckpointKey.objects.filter(state="retired").order_by("created_at")
    assert json.loads(rotated.meta) == {"retired": [row.kid for row in retired]}


def test_a_second_rotation_waits_for_the_first():
    recreate_checkpoint_keys()
    rotate_checkpoint_keys(ACTOR)
    with pytest.raises(Conflict, match="waiting for a checkpoint"):
        rotate_checkpoint_keys(ACTOR)
    assert len(published()) == 2

    checkpoint_now()
    rotate_checkpoint_keys(ACTOR)
    checkpoint_now()
    assert len(keys_of("retired")) == 4
    assert len(keys_of("active")) == 2


def test_two_commands_rotate_the_keys():
    recreate_checkpoint_keys()
    printed = io.StringIO()
    call_command("rotate_checkpoint_key", stdout=printed)
    assert [line.split("+")[0].split("/")[0] for line in printed.getvalue().split()] == ["ciphercanary"] * 2
    with pytest.raises(CommandError, match="waiting for a checkpoint"):
        call_command("rotate_checkpoint_key")
    call_command("checkpoint_audit_log", stdout=(printed := io.StringIO()))
    assert printed.getvalue() == latest_checkpoint().note
    assert (len(keys_of("retired")), len(keys_of("active")), len(keys_of("next"))) == (2, 2, 0)


def test_every_checkpoint_of_former_keys_is_believed():
    recreate_checkpoint_keys()
    notes = []
    for _ in range(3):
        notes.append(checkpoint_now().note)
        rotate_checkpoint_keys(ACTOR)
        notes.append(checkpoint_now().note)

    sizes = [open_note(note, trusted_keys()).size for note in notes]
    assert sizes == sorted(sizes)
    assert {key.name for key in trusted_keys()} == {origin()}
