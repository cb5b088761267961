"""bin/ccverify checks the cosignatures of witnesses."""

import pytest

from audit.tlog import merkle
from audit.tlog.checkpoint import Checkpoint, sign_line
from audit.tlog.proof import format_proof
from tests.audit.ccverify import run
from tests.audit.test_ccverify import ED, new_log
from tests.audit.tlog.test_cosignature import key_of
from tests.audit.witnessing import reader

ANNA, BEN = key_of("anna", "anna.example"), key_of("ben", "ben.example")


@pytest.fixture(scope="module")
def log():
    """``ANNA`` cosigned the checkpoints of 3 and 5 entries, ``BEN`` that of 3 entries."""
    log = new_log(6, sizes=(1, 3, 5, 6))
    for size, witness in ((3, ANNA), (3, BEN), (5, ANNA)):
        cosign(log, size, witness)
    return log


def cosign(log, size, witness, time=1_700_000_100):
    head = Checkpoint.parse(log.notes[size].partition("\n\n")[0] + "\n")
    log.notes[size] += sign_line(head, *witness, time)


@pytest.fixture
def verify(log, tmp_path):
    def verify_with(*arguments):
        folder = tmp_path / "export"
        if not folder.exists():
            log.write(folder)
        return run("verify-export", folder, "--key", ED[0].vkey, *arguments)

    return verify_with


def options(*witnesses):
    return [part for key, _ in witnesses for part in ("--witness", key.vkey)]


def test_the_newest_checkpoint_with_the_quorum_is_printed(verify):
    both = verify(*options(ANNA, BEN))
    assert both.returncode == 0
    assert (
        "checkpoints/3: size 3, witnessed by anna.example at 1700000100, ben.example at 1700000100 "
        in both.stdout
    )
    one = verify(*options(ANNA, BEN), "--quorum", "1")
    assert one.returncode == 0
    assert "checkpoints/5: size 5, witnessed by anna.example at 1700000100 (" in one.stdout
    assert "witnessed" not in verify().stdout


def test_an_export_without_the_quorum_does_not_pass(verify):
    third = key_of("cleo", "cleo.example")
    done = verify(*options(ANNA, BEN, third))
    assert done.returncode == 1
    assert "3 of the given witnesses cosigned no checkpoint" in done.stdout
    assert verify(*options(ANNA, BEN, third), "--quorum", "2").returncode == 0


def test_one_witness_counts_once(verify):
    assert verify(*options(ANNA, ANNA), "--quorum", "2").returncode == 2


def test_a_wrong_cosignature_is_found(verify, tmp_path):
    verify()
    path = tmp_path / "export/checkpoints/5"
    path.write_text(path.read_text() + path.with_name("3").read_text().splitlines(keepends=True)[-1])
    assert verify(*options(ANNA)).returncode == 0
    done = verify(*options(BEN))
    assert done.returncode == 1
    assert "checkpoints/5 is not what its witness ben.example cosigned" in done.stdout


def test_the_checkpoint_of_a_proof_must_be_witnessed(log, tmp_path):
    leaves = [merkle.leaf_hash(entry) for entry in log.entries()]
    path = tmp_path / "proof"
    for size, code in ((3, 0), (5, 1)):
        hashes = merkle.inclusion_proof(1, size, reader(leaves))
        path.write_text(format_proof(1, hashes, log.notes[size], extra=log.entries()[1]))
        arguments = ("verify-proof", path, "--key", ED[0].vkey, *options(ANNA, BEN))
        assert run(*arguments).returncode == code
        assert run(*arguments, "--quorum", "1").returncode == 0


def test_wrong_options_are_refused(verify):
    for arguments in (
        ["--witness", ED[0].vkey],
        ["--witness", "x"],
        ["--key", ANNA[0].vkey],
        ["--quorum", "1"],
        [*options(ANNA), "--quorum", "0"],
        [*options(ANNA), "--quorum", "2"],
    ):
        assert verify(*arguments).returncode == 2, arguments
    assert run("consistency", "A", "B", "--key", ED[0].vkey, *options(ANNA)).returncode == 2
