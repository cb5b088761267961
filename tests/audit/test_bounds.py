"""Bounds of what the log reads: notes of others, manifests, searches."""

import pytest

from audit.browse.selection import LogCriteria
from audit.log import object_names
from audit.tlog import checkpoint
from audit.tlog.checkpoint import Checkpoint, CheckpointInvalid
from backups import manifest
from kernel.errors import Invalid

LINE = "— log.example/x AAAAAAA=\n"


@pytest.mark.parametrize(("size", "fault"), [(256 * 1024, "signature"), (256 * 1024 + 1, "characters")])
def test_a_note_has_256_kibibytes_at_most(size, fault):
    with pytest.raises(CheckpointInvalid, match=fault):
        checkpoint._split("a\n\n— name x\n".rjust(size))


def test_a_note_has_32_signatures_at_most():
    assert len(checkpoint._split("text\n\n" + LINE * 32)[1]) == 32
    with pytest.raises(CheckpointInvalid, match="at most 32"):
        checkpoint._split("text\n\n" + LINE * 33)


def test_names_and_sizes_of_checkpoints_fit_the_signed_message():
    for name, is_name in (("", False), ("a", True), ("a" * 255, True), ("a" * 256, False), ("a\nb", False)):
        assert checkpoint._is_key_name(name) is is_name
        if is_name:
            Checkpoint(name, 2**63 - 1, bytes(32))
        else:
            with pytest.raises(CheckpointInvalid):
                Checkpoint(name, 2**63 - 1, bytes(32))
    assert checkpoint.decode_decimal(str(2**63 - 1)) == 2**63 - 1
    with pytest.raises(ValueError, match="decimal"):
        checkpoint.decode_decimal(str(2**63))


def test_a_manifest_is_read_up_to_16_mebibytes(tmp_path):
    path, size = tmp_path / "manifest.json", 16 * 1024 * 1024
    for excess in (0, 1):
        with path.open("wb") as file:
            file.truncate(size + excess)
        if excess:
            with pytest.raises(Invalid, match="too large"):
                manifest._read(path)
        else:
            assert len(manifest._read(path)) == size


def test_a_search_has_8_different_words_at_most():
    words = [f"word{number}" for number in range(9)]
    assert len(LogCriteria(search=" ".join([*words[:8], *words[:8]])).words) == 8
    with pytest.raises(Invalid):
        LogCriteria(search=" ".join(words))


def test_a_process_remembers_the_checks_of_50_000_names_at_most():
    known = object_names._checked_rows.current
    known.update(range(50_000))
    object_names._checked([], {})
    assert len(known) == 50_000
    known.add("one more")
    object_names._checked([], {})
    assert not known
