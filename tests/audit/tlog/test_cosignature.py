"""Cosignatures and the bodies of requests, with published data of other implementations."""

import hashlib

import pytest

from audit.tlog.checkpoint import (
    COSIGNATURE,
    Checkpoint,
    CheckpointInvalid,
    VerifierKey,
    open_note,
    sign_line,
    sign_note,
)
from audit.tlog.cosignature import WitnessRequest, find_cosignatures, read_witness
from kernel.crypto import seed_signing
from kernel.crypto.material import KeyMaterial

# A checkpoint of a public log, with lines of witnesses. Each key is published.
PUBLISHED = """\
arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
"""
LOG = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
WITNESS = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
# The example of C2SP tlog-witness.
REQUEST = b"""\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\xe2\x80\x94 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""


def key_of(seed, name, algorithm=COSIGNATURE):
    material = KeyMaterial(hashlib.sha256(seed.encode()).digest())
    key = VerifierKey(name, algorithm, seed_signing.public_key(seed_signing.ED25519, material))
    return key, lambda message: seed_signing.sign(seed_signing.ED25519, material, message)


def test_a_published_cosignature_is_found_and_verified():
    witness = read_witness(WITNESS)
    assert witness.key_id == bytes.fromhex("da77ade7")
    [found] = find_cosignatures(PUBLISHED, [witness])
    assert (found.witness, found.timestamp) == (witness, 1779573024)
    assert found.line == PUBLISHED.splitlines(keepends=True)[-1]
    assert open_note(PUBLISHED, [VerifierKey.parse(LOG), witness]).size == 1432088532


def test_a_cosignature_of_other_entries_or_of_another_time_is_wrong():
    witness = read_witness(WITNESS)
    for before, after in (("1432088532", "1432088533"), ("AABqEiEg", "AABqEiEh")):
        with pytest.raises(CheckpointInvalid, match="remora"):
            find_cosignatures(PUBLISHED.replace(before, after), [witness])


def test_our_cosignature_is_found_beside_those_of_others():
    key, sign = key_of("witness", "witness.example/w")
    other, _ = key_of("other", "witness.example/w")
    line = sign_line(Checkpoint.parse(PUBLISHED.partition("\n\n")[0] + "\n"), key, sign, 1_700_000_000)
    found = find_cosignatures(PUBLISHED + line, [other, key])
    assert [(each.witness, each.timestamp, each.line) for each in found] == [(key, 1_700_000_000, line)]


@pytest.mark.parametrize("timestamp", [0, 2**63])
def test_a_time_out_of_range_is_refused(timestamp):
    key, sign = key_of("witness", "witness.example/w")
    line = sign_line(Checkpoint.parse(PUBLISHED.partition("\n\n")[0] + "\n"), key, sign, timestamp)
    with pytest.raises(CheckpointInvalid, match="out of range"):
        find_cosignatures(PUBLISHED + line, [key])


def test_a_witness_is_no_key_of_the_log():
    """Even under the name of the log: otherwise its cosignature could replace the log's signature."""
    log, sign = key_of("log", "log.example", seed_signing.ED25519)
    witness, cosign = key_of("witness", "log.example")
    head = Checkpoint("log.example", 0, hashlib.sha256().digest())
    note = sign_note(head, [(log, sign)], 1) + sign_line(head, witness, cosign, 1)
    with pytest.raises(CheckpointInvalid, match="no trusted key"):
        open_note(note, [witness])
    with pytest.raises(ValueError, match="0x04"):
        read_witness(log.vkey)


def test_the_request_of_the_specification_is_read_and_written():
    request = WitnessRequest.decode(REQUEST)
    assert (request.old_size, len(request.proof)) == (20852014, 4)
    assert request.note.startswith("example.com/behind-the-sofa\n20852163\n")
    assert request.encode() == REQUEST
    first = REQUEST.replace(b"old 20852014", b"old 0")
    assert WitnessRequest.decode(first[:6] + first[first.index(b"\n\n") :]).proof == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"old 20852014", b"old 020852014"),
        (b"old 20852014", b"old -1"),
        (b"old 20852014", b"new 1"),
        (b"old 20852014", b"old"),
        (b"PlRN", b"PlR"),
        (b"kaw=\n", b"kaw=\r\n"),
        (b"PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=", b"AAAA"),
        (b"old 20852014\n", b"old 20852014\n" + b"PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n" * 60),
        (b"old", b"\xff"),
        (REQUEST, b""),
    ],
)
def test_a_malformed_request_is_refused(before, after):
    with pytest.raises(CheckpointInvalid, match="old size"):
        WitnessRequest.decode(REQUEST.replace(before, after))
