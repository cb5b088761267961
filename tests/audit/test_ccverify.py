import ast
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from audit.log import canonical
from audit.log.entries import entry_bytes, trail_bytes, trail_digest
from audit.tlog import merkle, tiles
from audit.tlog.checkpoint import Checkpoint, VerifierKey, ed25519_only, publication_message, sign_note
from audit.tlog.proof import format_proof
from kernel.crypto import seed_signing
from tests.audit.ccverify import CCVERIFY, run
from tests.audit.exports.exporting import unbundled

ORIGIN = "ciphercanary/5b0c9ee1-36f0-4d0c-9a5e-000000000001"
BEGIN = datetime(2026, 11, 24, 12, tzinfo=UTC)
WRITERS = [uuid.UUID(int=number) for number in (1, 2, 3)]
ACCOUNT = uuid.UUID(int=4)
SIZES = (1, 256, 300, 512, 601)


def new_signer(algorithm=seed_signing.ED25519, name=ORIGIN):
    material, public = seed_signing.generate(algorithm)
    return VerifierKey(name, algorithm, public), lambda message: seed_signing.sign(
        algorithm, material, message
    )


ED, PQ = new_signer(), new_signer(seed_signing.ML_DSA_44)


@dataclass
class Log:
    """The contents of an export; tests may corrupt any list before it is written."""

    rows: list = field(default_factory=list)
    trail: list = field(default_factory=list)
    notes: dict = field(default_factory=dict)

    def add(self, action="crypto.message.encrypted", *, meta=None, changes=0):
        number = len(self.rows)
        event_id, moment = uuid.UUID(int=1000 + number), BEGIN + timedelta(seconds=number)
        changed = [self._change(event_id, moment) for _ in range(changes)]
        meta = {
            **(meta or {}),
            **({"trail_sha256": [trail_digest(row) for row in changed]} if changed else {}),
        }
        self.rows.append(
            {
                "id": 10 + 2 * number,
                "event_id": event_id,
                "timestamp": moment,
                "user_id": None,
                "actor_id": ACCOUNT if number % 5 == 3 else None,
                "actor_type": "user",
                "actor_name": "mira \u00e9",
                "auth_method": "password",
                "token_id": "t",
                "client_ip": "2001:db8::1",
                "user_agent": "curl/8",
                "source": "api",
                "action": action,
                "object_type": "key",
                "object_id": "k",
                "object_version": 2,
                "outcome": "ok",
                "code": "",
                "request_id": f"r{number}",
                "count": 1,
                "size": None,
                "meta": canonical.encode(meta).decode(),
                "writer": WRITERS[number % 3],
                "wseq": number // 3 + 1,
            }
        )

    def _change(self, event_id, moment):
        row = {
            "id": len(self.trail) + 1,
            "event_id": event_id,
            "table_name": "encryption_keys",
            "record_id": "k",
            "action": "update",
            "old_values": {"state": "active"},
            "new_values": {"state": "suspended"},
            "changed_by": None,
            "changed_at": moment,
            "actor_id": ACCOUNT if len(self.trail) % 2 else None,
        }
        self.trail.append(row)
        return row

    def entries(self):
        return list(map(entry_bytes, self.rows))

    def sign(self, size, signers):
        leaves = list(map(merkle.leaf_hash, self.entries()[:size]))
        root = merkle.Frontier.EMPTY.extended(leaves).root()
        self.notes[size] = sign_note(Checkpoint(ORIGIN, size, root), signers, 1_700_000_000 + size)

    def write(self, folder):
        entries = self.entries()
        grown = tiles.append(0, {}, list(map(merkle.leaf_hash, entries)))
        for level, number, width in tiles.tiles_of(len(entries)):
            put(folder / tiles.tile_path(level, number, width), grown[level, number])
            if level == 0:
                bundle = tiles.encode_bundle(entries[number * 256 : number * 256 + width])
                put(folder / tiles.entries_path(number, width), bundle)
        for size, note in self.notes.items():
            put(folder / "checkpoints" / str(size), note.encode())
        put(folder / "checkpoint", self.notes[max(self.notes)].encode())
        put(folder / "trail.jsonl", b"".join(map(trail_line, self.trail)))
        return folder


def trail_line(row):
    """The bytes that ``trail_digest`` hashes, and the end of the line."""
    line = trail_bytes(row)
    assert hashlib.sha256(line).hexdigest() == trail_digest(row)
    return line + b"\n"


def put(path, octets):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)


def new_log(size=601, sizes=SIZES, signers=(ED, PQ)):
    log = Log()
    for number in range(size):
        log.add(changes=2 if number % 50 == 7 else 0)
    for each in sizes:
        log.sign(each, signers)
    return log


def verify(folder, *arguments, key=ED):
    return run("verify-export", folder, "--key", key[0].vkey, *arguments)


def first_bad(done):
    """The first bad index in the output; a range gives a pair."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Good" not in done.stdout
    found = re.search(r"First bad index: (\d+)(?: to (\d+))?\.$", done.stdout)
    assert found, done.stdout
    return int(found[1]) if found[2] is None else (int(found[1]), int(found[2]))


@pytest.fixture(scope="module")
def log():
    return new_log()


@pytest.fixture(scope="module")
def written(log, tmp_path_factory):
    return log.write(tmp_path_factory.mktemp("good") / "export")


@pytest.fixture
def export(written, tmp_path):
    return shutil.copytree(written, tmp_path / "export")


@pytest.fixture
def outside(log, tmp_path):
    """A checkpoint of 300 entries that the auditor kept."""
    path = tmp_path / "kept-300"
    path.write_text(log.notes[300])
    return path


def rebundled(folder, change):
    """Rewrite the bundle of the entries 256 to 511, but not its tile."""
    path = folder / tiles.entries_path(1)
    entries = unbundled(path.read_bytes())
    change(entries)
    path.write_bytes(tiles.encode_bundle(entries))


def with_longer_last(bundle):
    last = unbundled(bundle)[-1]
    return bundle[: -len(last) - 2] + (len(last) + 1).to_bytes(2) + last


def flipped(path, at=0):
    octets = bytearray(path.read_bytes())
    octets[at] ^= 1
    path.write_bytes(octets)


def test_a_good_export_verifies_and_its_size_and_root_are_printed(export, log):
    done = verify(export)
    assert (done.returncode, done.stderr) == (0, "")
    root = log.notes[601].split("\n")[2]
    assert f"{ORIGIN}, size 601, root {root}" in done.stdout
    assert "6 checkpoints are signed" in done.stdout
    assert "No --checkpoint from outside" in done.stdout
    assert done.stdout.endswith("\nGood.\n")


def test_the_program_as_a_process_prints_the_same(export):
    command = [sys.executable, CCVERIFY, "verify-export", export, "--key", ED[0].vkey]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == verify(export).stdout


@pytest.mark.parametrize("keys", [[PQ], [ED, PQ]])
def test_a_good_export_holds_under_each_of_its_keys(export, keys):
    done = run("verify-export", export, *(part for key, _ in keys for part in ("--key", key.vkey)))
    assert done.returncode == 0, done.stdout


def test_a_file_may_contain_the_trusted_keys(export, tmp_path):
    path = tmp_path / "pinned"
    path.write_text(f"{ED[0].vkey}\n{PQ[0].vkey}\n")
    assert run("verify-export", export, "--key", path).returncode == 0


def test_earlier_checkpoints_kept_outside_hold_also_in_their_short_form(export, log, outside, tmp_path):
    short = tmp_path / "from-syslog"
    short.write_text(ed25519_only(log.notes[512]))
    done = verify(export, "--checkpoint", outside, "--checkpoint", short)
    assert done.returncode == 0, done.stdout
    assert "8 checkpoints" in done.stdout
    assert "No --checkpoint" not in done.stdout


def test_an_empty_log_holds(tmp_path):
    log = new_log(0, sizes=[0])
    assert verify(log.write(tmp_path / "export")).returncode == 0


SPOILT_FILES = {
    "an entry is altered": (lambda folder: flipped(folder / tiles.entries_path(1), 10), 256),
    "an entry in the middle is altered": (
        lambda folder: rebundled(folder, lambda e: e.__setitem__(100, e[100].replace(b"curl", b"wget"))),
        356,
    ),
    "an entry is deleted": (lambda folder: rebundled(folder, lambda e: e.pop(44)), 300),
    "the last entry of a bundle is deleted": (lambda folder: rebundled(folder, lambda e: e.pop()), 511),
    "an entry is inserted": (lambda folder: rebundled(folder, lambda e: e.insert(44, e[3])), 300),
    "an entry is appended": (lambda folder: rebundled(folder, lambda e: e.append(e[3])), 512),
    "two entries are swapped": (
        lambda folder: rebundled(folder, lambda e: e.__setitem__(slice(7, 9), [e[8], e[7]])),
        263,
    ),
    "a bundle ends inside an entry": (
        lambda folder: (path := folder / tiles.entries_path(2, 89)).write_bytes(path.read_bytes()[:-1]),
        600,
    ),
    "the last length is one too large": (
        lambda folder: (path := folder / tiles.entries_path(2, 89)).write_bytes(
            with_longer_last(path.read_bytes())
        ),
        600,
    ),
    "a bundle is missing": (lambda folder: (folder / tiles.entries_path(1)).unlink(), 256),
    "a leaf is altered": (lambda folder: flipped(folder / tiles.tile_path(0, 2, 89), 32 * 88), 600),
    "a tile above is altered": (lambda folder: flipped(folder / tiles.tile_path(1, 0, 2), 32), 256),
    "a tile is missing": (lambda folder: (folder / tiles.tile_path(0, 1)).unlink(), 256),
    "a tile above is missing": (lambda folder: (folder / tiles.tile_path(1, 0, 2)).unlink(), 0),
    "a tile is longer": (
        lambda folder: (path := folder / tiles.tile_path(0, 1)).write_bytes(path.read_bytes() + b"x"),
        256,
    ),
    "a row of the trail is altered": (lambda folder: flipped(folder / "trail.jsonl", 20), 7),
    "a row of the trail is deleted": (
        lambda folder: (path := folder / "trail.jsonl").write_bytes(
            b"".join(path.read_bytes().splitlines(keepends=True)[:-1])
        ),
        557,
    ),
}


@pytest.mark.parametrize(("spoil", "index"), SPOILT_FILES.values(), ids=SPOILT_FILES)
def test_a_defect_in_a_folder_is_found_with_its_first_index(export, spoil, index):
    spoil(export)
    assert first_bad(verify(export)) == index


def test_a_row_of_the_trail_that_no_entry_names_is_found(export, log):
    with (export / "trail.jsonl").open("ab") as trail:
        trail.write(trail_line({**log.trail[0], "id": 999}))
    done = verify(export)
    assert done.returncode == 1
    assert "a row that no entry names" in done.stdout


@pytest.mark.parametrize("name", ["checkpoint", "checkpoints/256"])
def test_an_altered_checkpoint_is_found_wherever_it_was_altered(export, name):
    octets = (export / name).read_bytes()
    ends = len(octets) - len(octets.split(b"\n")[-2]) - 1  # the line of ML-DSA-44, whose key is not pinned
    for at in (0, 50, 60, octets.index(b"\n\n"), ends - 2):  # origin, size, root, form, signature
        flipped(export / name, at)
        assert verify(export).returncode == 1, at
        (export / name).write_bytes(octets)
    assert verify(export).returncode == 0


def rewritten(log, change, signers):
    """The log rewritten by an attacker who can write everything, with checkpoints by ``signers``."""
    other = Log(rows=[dict(row) for row in log.rows], trail=[dict(row) for row in log.trail])
    change(other.rows)
    for size in SIZES:
        if size <= len(other.rows):
            other.sign(size, signers)
    return other


def test_a_log_rewritten_without_the_key_is_found_between_the_checkpoints_around_it(log, tmp_path):
    other = rewritten(log, lambda rows: rows[400].update(actor_name="nobody"), [ED, PQ])
    other.notes = log.notes
    assert first_bad(verify(other.write(tmp_path / "export"))) == (300, 511)


def test_a_log_rewritten_with_another_key_is_not_believed_regardless_of_the_folder_of_keys(log, tmp_path):
    stranger = new_signer()
    folder = rewritten(log, lambda rows: rows[400].update(actor_name="nobody"), [stranger]).write(
        tmp_path / "export"
    )
    (folder / "keys").write_text(stranger[0].vkey + "\n")
    done = verify(folder)
    assert done.returncode == 1
    assert "signed by no trusted key" in done.stdout


def test_a_log_rewritten_with_the_signing_key_is_found_by_a_checkpoint_kept_outside_alone(
    log, tmp_path, outside
):
    folder = rewritten(log, lambda rows: rows[290].update(actor_name="nobody"), [ED, PQ]).write(
        tmp_path / "export"
    )
    assert verify(folder).returncode == 0
    # The checkpoints in the folder were all re-signed, so they do not narrow it down.
    assert first_bad(verify(folder, "--checkpoint", outside)) == (0, 299)
    earlier = outside.with_name("kept-256")
    earlier.write_text(log.notes[256])
    assert first_bad(verify(folder, "--checkpoint", outside, "--checkpoint", earlier)) == (256, 299)


def test_a_log_cut_off_behind_a_checkpoint_kept_outside_is_found(log, tmp_path):
    cut = Log(rows=log.rows[:512], trail=[row for row in log.trail if row["event_id"].int < 1512])
    cut.notes = {size: note for size, note in log.notes.items() if size <= 512}
    folder, kept = cut.write(tmp_path / "export"), tmp_path / "kept-601"
    kept.write_text(log.notes[601])
    assert verify(folder).returncode == 0
    assert first_bad(verify(folder, "--checkpoint", kept)) == 512
    shutil.copy(kept, folder / "checkpoints" / "601")
    assert first_bad(verify(folder)) == 512


def test_a_larger_checkpoint_that_no_one_trusted_signed_proves_no_cut(export, log):
    other = rewritten(log, lambda rows: rows.append({**rows[0], "id": 5000}), [new_signer()])
    other.sign(602, [new_signer()])
    (export / "checkpoints" / "602").write_text(other.notes[602])
    assert "signed by no trusted key" in verify(export).stdout


def test_a_checkpoint_of_another_log_does_not_pass_for_one_of_this_though_the_tree_is_the_same(
    export, log, tmp_path
):
    name, root = "ciphercanary/another", base64.b64decode(log.notes[300].split("\n")[2])
    other, kept = new_signer(name=name), tmp_path / "kept"
    kept.write_text(sign_note(Checkpoint(name, 300, root), [other], 0))
    done = verify(export, "--key", other[0].vkey, "--checkpoint", kept)
    assert "signed another log" in done.stdout
    assert done.returncode == 1


def test_a_witness_does_not_replace_the_signature_of_the_log(export, log):
    key, sign = new_signer(name="witness.example/w")
    for path in [export / "checkpoint", *(export / "checkpoints").iterdir()]:
        text = path.read_text().partition("\n\n")[0] + "\n"
        line = base64.b64encode(key.key_id + sign(text.encode())).decode()
        path.write_text(f"{path.read_text()}\u2014 {key.name} {line}\n")
    assert verify(export, "--key", key.vkey).returncode == 0
    assert "signed by no trusted key" in verify(export, key=(key, sign)).stdout


SPOILT_ROWS = {
    "a number of a writer is missing": (lambda rows: rows.pop(400), 402),
    "a writer begins at another number": (lambda rows: rows[1].update(wseq=2), 1),
    "a number of a writer comes twice": (lambda rows: rows[10].update(wseq=3), 10),
    "an id comes twice": (lambda rows: rows[400].update(id=rows[30]["id"]), 400),
    "a digest has no row": (lambda rows: rows[57].update(meta=rows[7]["meta"]), 57),
    "meta is no object": (lambda rows: rows[57].update(meta="[]"), 57),
    "meta is no JSON": (lambda rows: rows[57].update(meta=""), 57),
}


@pytest.mark.parametrize(("spoil", "index"), SPOILT_ROWS.values(), ids=SPOILT_ROWS)
def test_an_alteration_before_the_signature_is_found(log, tmp_path, spoil, index):
    assert first_bad(verify(rewritten(log, spoil, [ED]).write(tmp_path / "export"))) == index


def test_a_row_of_the_trail_that_belongs_to_another_event_is_found(tmp_path):
    log = Log()
    for _ in range(3):
        log.add(changes=1)
    log.rows[1]["event_id"] = uuid.uuid4()
    log.sign(3, [ED])
    assert first_bad(verify(log.write(tmp_path / "export"))) == 1


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{}",
        b"[]",
        b"nonsense",
        b"\xff",
        b"[" * 5000,
        b'{"version":1,"version":1}',
        lambda entry: entry + b" ",
        lambda entry: entry.replace(b'"version":1', b'"version":2'),
        lambda entry: entry.replace(b'"actor_name"', b'"actor_id":"x","actor_name"'),
        lambda entry: b'{"id":10,' + entry[1:],
        lambda entry: entry.replace(b'"id":10', b'"id":[]'),
        lambda entry: json.dumps(json.loads(entry), separators=(",", ":")).encode(),
    ],
)
def test_an_entry_that_is_no_canonical_entry_is_found(tmp_path, octets):
    log = Log()
    log.add()
    entry = octets(log.entries()[0]) if callable(octets) else octets
    log.entries = lambda: [entry]
    log.sign(1, [ED])
    assert first_bad(verify(log.write(tmp_path / "export"))) == 0


def publication(keys, signers, origin=ORIGIN):
    """``meta`` of the entry that publishes keys, signed by the current signers."""
    vkeys = [key.vkey for key, _ in keys]
    message = publication_message(origin, vkeys)
    signatures = {key.key_name: base64.b64encode(sign(message)).decode() for key, sign in signers}
    return {"vkeys": vkeys, "signatures": signatures}


def rotated(published_at, first_size_of_the_new, meta=None, new=None):
    """A log whose keys changed, and the new signer."""
    new, log = new or new_signer(), Log()
    meta = meta or publication([new, PQ], [ED, PQ])
    for number in range(601):
        log.add(*(["audit.checkpoint_key.published"] if number == published_at else []), meta=meta)
    for size in SIZES:
        log.sign(size, [new if size >= first_size_of_the_new else ED])
    return log, new


def test_a_key_that_the_log_published_is_trusted_after_a_checkpoint_that_covers_it(tmp_path):
    log, new = rotated(published_at=270, first_size_of_the_new=512)
    folder = log.write(tmp_path / "export")
    assert verify(folder).returncode == 0
    # A client that pins only the new key cannot verify checkpoints of the former key.
    assert "signed by no trusted key" in verify(folder, key=new).stdout
    assert run("verify-export", folder, "--key", ED[0].vkey, "--key", new[0].vkey).returncode == 0


@pytest.mark.parametrize(("published_at", "first_size"), [(270, 300), (310, 512), (600, 512), (None, 512)])
def test_a_key_does_not_vouch_for_its_own_publication(tmp_path, published_at, first_size):
    log, _ = rotated(published_at, first_size)
    done = verify(log.write(tmp_path / "export"))
    assert done.returncode == 1
    assert "signed by no trusted key" in done.stdout


NEW = new_signer()
SIGNED = publication([NEW, PQ], [ED])


@pytest.mark.parametrize(
    "meta",
    [
        {"vkeys": SIGNED["vkeys"]},
        SIGNED | {"signatures": {}},
        SIGNED | {"signatures": [1]},
        SIGNED | {"signatures": {ED[0].key_name: 7}},
        SIGNED | {"signatures": {ED[0].key_name: "AAAA"}},
        SIGNED | {"vkeys": SIGNED["vkeys"][:1]},
        SIGNED | {"vkeys": SIGNED["vkeys"][::-1]},
        SIGNED | {"vkeys": 7},
        publication([NEW, PQ], [NEW]),
        publication([NEW, PQ], [ED], origin="ciphercanary/another"),
        publication([NEW, PQ], [PQ]),  # which is not pinned
        {**SIGNED, "signatures": {ED[0].key_name: publication([NEW], [NEW])["signatures"][NEW[0].key_name]}},
    ],
)
def test_a_published_key_that_no_trusted_key_signed_is_not_trusted(tmp_path, meta):
    """An attacker who can write to the database gets any entry signed by the next checkpoint."""
    log, _ = rotated(270, 512, meta=meta, new=NEW)
    done = verify(log.write(tmp_path / "export"))
    assert done.returncode == 1
    assert "signed by no trusted key" in done.stdout
    assert "checkpoints/512" in done.stdout


def test_each_of_the_outgoing_keys_can_vouch_for_those_that_follow(tmp_path):
    meta = publication([NEW, PQ], [PQ])
    log, _ = rotated(270, 1000, meta=meta, new=NEW)
    for size in SIZES:
        log.sign(size, [ED, PQ] if size < 512 else [NEW])
    folder = log.write(tmp_path / "export")
    assert run("verify-export", folder, "--key", ED[0].vkey, "--key", PQ[0].vkey).returncode == 0
    assert run("verify-export", folder, "--key", ED[0].vkey).returncode == 1


def test_a_witness_does_not_vouch_for_the_keys_of_a_log(tmp_path):
    witness = new_signer(name="witness.example/w")
    log, _ = rotated(270, 512, meta=publication([NEW], [witness]), new=NEW)
    done = verify(log.write(tmp_path / "export"), "--key", witness[0].vkey)
    assert "signed by no trusted key" in done.stdout


def test_keys_that_changed_twice_between_two_checkpoints_are_followed(tmp_path):
    log, last = Log(), new_signer()
    for number in range(20):
        meta = {3: publication([NEW], [ED]), 5: publication([last], [NEW])}.get(number)
        log.add(*(["audit.checkpoint_key.published"] if meta else []), meta=meta)
    log.sign(10, [ED])
    log.sign(20, [last])
    assert verify(log.write(tmp_path / "export")).returncode == 0


def log_with_alarms(indices, size=40):
    log = Log()
    for number in range(size):
        meta = {"expected": "the content of its MAC\x1b[2J", "log_id": number}
        log.add(
            *(["audit.log.alarmed"] if number in indices else []), meta=meta if number in indices else None
        )
        if number in indices:
            log.rows[-1]["code"] = "mac_mismatch"
    log.sign(size, [ED])
    return log


def test_alarms_in_the_log_are_printed_and_fail_the_verification(tmp_path):
    folder = log_with_alarms([7, 10]).write(tmp_path / "export")
    done = verify(folder)
    assert first_bad(done) == 7
    assert "ALTERED. Of 2 alarms in the log, 2 are open. First bad index: 7." in done.stdout
    first, second = [line for line in done.stdout.splitlines() if line.startswith("Alarm ")]
    moment = "2026-11-24T12:00:07.000000Z"
    for said in ("index 7:", moment, "audit.log.alarmed", "mac_mismatch", '"log_id": 7'):
        assert said in first
    assert "index 10:" in second
    assert "\x1b" not in done.stdout
    assert "Every entry hashes to its leaf" in done.stdout


def test_alarms_that_are_known_pass_and_those_after_them_do_not(tmp_path):
    folder = log_with_alarms([7, 10]).write(tmp_path / "export")
    done = verify(folder, "--known-alarms", 1)
    assert first_bad(done) == 10
    assert "index 7" not in done.stdout
    for known in (2, 3):
        done = verify(folder, "--known-alarms", known)
        assert done.returncode == 0, done.stdout
        assert "Of 2 alarms in the log, each is resolved" in done.stdout
    for wrong in ("-1", "x", "01"):
        assert verify(folder, f"--known-alarms={wrong}").returncode == 2


def test_the_first_of_many_alarms_are_printed_and_the_others_counted(tmp_path):
    done = verify(log_with_alarms(range(5, 35)).write(tmp_path / "export"))
    assert first_bad(done) == 5
    assert done.stdout.count("Alarm at index") == 20
    assert "And 10 alarms more." in done.stdout


def log_with_a_loss(*, expected=6, found=4, writer=WRITERS[0], is_resolved=True):
    """The entries 5 and 6 of a writer are missing at index 12. The alarm at index 20 names missing entries."""
    log = Log()
    for number in range(40):
        if number == 20:
            log.add("audit.log.alarmed", meta={"writer": str(writer), "expected": expected, "found": found})
            log.rows[-1]["code"] = "sequence_gap"
        elif number == 25 and is_resolved:
            meta = {"raised_by": str(log.rows[20]["event_id"]), "reason": "a failover on Friday"}
            log.add("audit.alarm.resolved", meta=meta)
        else:
            log.add()
        log.rows[-1]["wseq"] += 2 if number >= 12 and number % 3 == 0 else 0
    log.sign(40, [ED])
    return log


def test_a_loss_that_a_person_accepted_passes_and_is_printed(tmp_path):
    done = verify(log_with_a_loss().write(tmp_path / "export"))
    assert done.returncode == 0, done.stdout
    accepted = (
        f"the numbers 5 to 6 of the writer {WRITERS[0]} are missing: accepted by the resolution at index 25."
    )
    assert accepted in done.stdout
    assert "numbers are complete, except for accepted losses" in done.stdout
    assert "Resolution at index 25" in done.stdout
    assert "a failover on Friday" in done.stdout


@pytest.mark.parametrize(
    "named",
    [{"is_resolved": False}, {"expected": 5}, {"found": 5}, {"writer": WRITERS[1]}, {"found": "4"}],
)
def test_a_loss_that_no_resolved_alarm_names_does_not_pass(tmp_path, named):
    assert first_bad(verify(log_with_a_loss(**named).write(tmp_path / "export"))) == 12


def test_a_loss_excuses_no_other_one(tmp_path):
    log = log_with_a_loss()
    for row in log.rows[30:]:
        row["wseq"] += 1 if row["writer"] == WRITERS[0] else 0
    log.sign(40, [ED])
    assert first_bad(verify(log.write(tmp_path / "export"))) == 30


def test_an_accepted_older_database_passes_and_is_printed(tmp_path):
    log = Log()
    for number in range(10):
        log.add(*(["audit.log.rollback_accepted"] if number == 7 else []), meta={"reason": "the disk broke"})
    log.sign(10, [ED])
    done = verify(log.write(tmp_path / "export"))
    assert done.returncode == 0, done.stdout
    assert "An older database was accepted at index 7" in done.stdout
    assert "the disk broke" in done.stdout


def test_each_accepted_loss_is_printed_beyond_any_number_of_resolutions(tmp_path):
    log = Log()
    for number in range(60):
        before = str(log.rows[-1]["event_id"]) if number else ""
        action = "audit.alarm.resolved" if number % 2 else "audit.log.alarmed"
        log.add(action, meta={"raised_by": before} if number % 2 else {})
    log.add("audit.log.rollback_accepted", meta={"reason": "the disk broke"})
    log.sign(61, [ED])
    done = verify(log.write(tmp_path / "export"))
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Resolution at index") == done.stdout.count("Alarm at index") == 20
    assert "And 10 resolutions more." in done.stdout
    assert "An older database was accepted at index 60" in done.stdout


@pytest.mark.parametrize(("fault", "first"), [(22, 12), (30, 30)])
def test_a_loss_hides_no_later_fault_and_is_accepted_from_its_resolution_on(tmp_path, fault, first):
    log = log_with_a_loss()
    log.rows[fault]["id"] = log.rows[fault - 1]["id"]
    log.sign(40, [ED])
    done = verify(log.write(tmp_path / "export"))
    assert first_bad(done) == first
    assert f"Entry {fault} has the id of another" in done.stdout


def test_known_alarms_excuse_nothing_else(tmp_path):
    folder = log_with_alarms([7]).write(tmp_path / "export")
    flipped(folder / tiles.entries_path(0, 40), 10)
    assert first_bad(verify(folder, "--known-alarms", 1)) == 0


def test_a_row_of_the_trail_that_comes_twice_is_found(tmp_path):
    log = Log()
    for number in range(10):
        log.add(changes=2 if number == 3 else 0)
    log.sign(10, [ED])
    folder = log.write(tmp_path / "export")
    first, second = (folder / "trail.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "trail.jsonl").write_bytes(second + second + first)
    assert first_bad(verify(folder)) == 3
    (folder / "trail.jsonl").write_bytes(second + first)
    assert verify(folder).returncode == 0


def replaced_by_link(path):
    target = path.rename(path.with_name(path.name + "-elsewhere"))
    path.symlink_to(target)


def replaced_by_pipe(path):
    path.unlink()
    os.mkfifo(path)


INSIDE = ["checkpoint", "checkpoints/256", "trail.jsonl", "tile/entries/001", "tile/0/001", "tile/1/000.p/2"]


@pytest.mark.parametrize("replaced", [replaced_by_link, replaced_by_pipe])
@pytest.mark.parametrize("name", INSIDE)
def test_nothing_but_plain_files_is_read_inside_an_export(export, name, replaced):
    replaced(export / name)
    done = verify(export)
    assert done.returncode == 1, done.stderr
    assert f"{name} is a link, or no file." in done.stdout


@pytest.mark.parametrize("name", ["checkpoints", "tile", "tile/entries", "tile/0/002.p"])
def test_no_folder_inside_an_export_is_a_link(export, name):
    replaced_by_link(export / name)
    assert "is a link, or no file." in verify(export).stdout


def test_the_export_itself_may_be_reached_by_a_link(export, tmp_path):
    (tmp_path / "link").symlink_to(export)
    assert verify(tmp_path / "link").returncode == 0


@pytest.mark.parametrize(
    ("name", "limit"),
    [("checkpoint", 256 * 1024), ("tile/entries/001", 256 * 65537), ("tile/0/001", 8192)],
)
def test_no_file_is_read_beyond_what_it_can_be(export, name, limit):
    with (export / name).open("r+b") as file:
        file.truncate(limit + 1)
    assert f"{name} is longer than such a file can be." in verify(export).stdout
    with (export / name).open("r+b") as file:
        file.truncate(limit)
    assert "longer than such a file" not in verify(export).stdout


def test_a_line_of_the_trail_has_an_end(export):
    with (export / "trail.jsonl").open("r+b") as file:
        file.truncate(0)
        file.truncate(2**24 + 1)
    assert first_bad(verify(export)) == 7


def test_a_checkpoint_from_outside_may_lie_anywhere_and_is_bounded(export, outside, tmp_path):
    (tmp_path / "link").symlink_to(outside)
    assert verify(export, "--checkpoint", tmp_path / "link").returncode == 0
    assert "longer than such a file" in verify(export, "--checkpoint", "/dev/zero").stdout


def test_a_pinned_ml_dsa_44_key_alone_trusts_no_published_ed25519_key(tmp_path):
    log, new = rotated(published_at=270, first_size_of_the_new=1000)
    for size in SIZES:
        log.sign(size, [ED, PQ] if size < 512 else [new])
    done = verify(log.write(tmp_path / "export"), key=PQ)
    assert done.returncode == 1
    assert "signed by no trusted key" in done.stdout


WITHOUT_ML_DSA = """
import runpy, sys
sys.modules["cryptography.hazmat.primitives.asymmetric.mldsa"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_without_ml_dsa(*arguments):
    command = [sys.executable, "-c", WITHOUT_ML_DSA, CCVERIFY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_ed25519_decides_with_a_notice_if_the_library_has_no_ml_dsa(export):
    done = run_without_ml_dsa("verify-export", export, "--key", ED[0].vkey, "--key", PQ[0].vkey)
    assert done.returncode == 0, done.stderr
    assert "has no ML-DSA-44" in done.stdout
    flipped(export / "checkpoint", 60)
    assert run_without_ml_dsa("verify-export", export, "--key", ED[0].vkey).returncode == 1


def test_an_ml_dsa_key_alone_is_an_error_if_the_library_has_no_ml_dsa(export):
    done = run_without_ml_dsa("verify-export", export, "--key", PQ[0].vkey)
    assert (done.returncode, done.stdout) == (2, "")


def test_without_the_library_there_is_no_response(export):
    command = [sys.executable, "-I", "-S", CCVERIFY, "verify-export", export, "--key", ED[0].vkey]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cryptography is missing" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["verify-export"],
        ["verify-export", "EXPORT"],
        ["verify-export", "EXPORT", "EXPORT", "--key", ED[0].vkey],
        ["verify-export", "NOWHERE", "--key", ED[0].vkey],
        ["verify-export", "EXPORT", "--key", "NOWHERE"],
        ["verify-export", "EXPORT", "--key", ED[0].vkey[:-1]],
        ["verify-export", "EXPORT", "--key", ED[0].vkey.replace("+", "+0", 1)],
        ["verify-export", "EXPORT", "--key", ED[0].vkey.replace(ED[0].key_id.hex(), "00000000")],
        ["verify-export", "EXPORT", "--key", "EXPORT/trail.jsonl"],
        ["verify-export", "EXPORT", "--key", ED[0].vkey, "--checkpoint", "NOWHERE"],
        ["verify-proof", "NOWHERE", "--key", ED[0].vkey, "--entry", "EXPORT/trail.jsonl"],
        ["consistency", "EXPORT/checkpoint", "--key", ED[0].vkey],
        ["consistency", "EXPORT/checkpoints/300", "EXPORT/checkpoint", "--key", ED[0].vkey],
        ["falsify", "EXPORT", "--key", ED[0].vkey],
    ],
)
def test_an_impossible_check_reports_neither_good_nor_altered(written, arguments):
    done = run(
        *(
            each.replace("EXPORT", str(written)).replace("NOWHERE", str(written / "nowhere"))
            for each in arguments
        )
    )
    assert done.returncode == 2, done.stdout
    assert "Good" not in done.stdout
    assert "ALTERED" not in done.stdout


def proof_of(log, index, size, **extra):
    leaves = list(map(merkle.leaf_hash, log.entries()[:size]))
    known = tiles.append(0, {}, leaves)
    read = tiles.reader(lambda level, number: known[level, number])
    return format_proof(index, merkle.inclusion_proof(index, size, read), log.notes[size], **extra)


@pytest.fixture
def prove(tmp_path):
    def verify_proof(text, entry, *arguments, key=ED):
        proof, path = tmp_path / "proof", tmp_path / "entry"
        proof.write_text(text)
        path.write_bytes(entry)
        return run("verify-proof", proof, "--entry", path, "--key", key[0].vkey, *arguments)

    return verify_proof


@pytest.mark.parametrize(
    ("index", "size"), [(0, 1), (0, 601), (255, 256), (256, 601), (599, 601), (600, 601)]
)
def test_a_proof_of_an_entry_holds(log, prove, index, size):
    done = prove(proof_of(log, index, size), log.entries()[index])
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"is entry number {index + 1} of this log (leaf {index})" in done.stdout
    assert f"size {size}, root {log.notes[size].split()[2]}" in done.stdout


def test_the_line_end_that_an_editor_adds_and_extra_data_do_not_matter(log, prove):
    assert prove(proof_of(log, 5, 300, extra=b"more"), log.entries()[5] + b"\n").returncode == 0


def test_a_proof_that_holds_its_entry_needs_no_other_file(log, tmp_path):
    proof, entry = tmp_path / "5.tlog-proof", log.entries()[5]
    proof.write_text(proof_of(log, 5, 300, extra=entry))
    done = run("verify-proof", proof, "--key", ED[0].vkey)
    assert done.returncode == 0, done.stdout + done.stderr
    assert entry.decode() in done.stdout

    proof.write_text(proof_of(log, 5, 300, extra=log.entries()[6]))
    assert first_bad(run("verify-proof", proof, "--key", ED[0].vkey)) == 5
    proof.write_text(proof_of(log, 5, 300))
    assert run("verify-proof", proof, "--key", ED[0].vkey).returncode == 2


def test_no_proof_holds_for_another_entry_or_index(log, prove):
    text = proof_of(log, 5, 300)
    assert first_bad(prove(text, log.entries()[6])) == 5
    assert first_bad(prove(text.replace("index 5\n", "index 6\n"), log.entries()[5])) == 6
    assert first_bad(prove(text.replace("index 5\n", "index 300\n"), log.entries()[5])) == 300


def test_no_altered_proof_holds(log, prove):
    text, entry = proof_of(log, 5, 300), log.entries()[5]
    lines = text.split("\n")
    for spoilt in (
        [*lines[:3], *lines[4:]],
        [*lines[:3], lines[3], *lines[3:]],
        [*lines[:3], base64.b64encode(bytes(32)).decode(), *lines[4:]],
        [*lines[:3], base64.b64encode(bytes(31)).decode(), *lines[4:]],
        ["c2sp.org/tlog-proof@v2", *lines[1:]],
        [lines[0], "index 05", *lines[2:]],
        [lines[0], *lines[2:]],
        lines[: lines.index("")],
    ):
        done = prove("\n".join(spoilt), entry)
        assert done.returncode == 1, spoilt
        assert done.stdout.splitlines()[-1].startswith("ALTERED. ")


def test_a_proof_under_another_key_does_not_hold(log, prove):
    done = prove(proof_of(log, 5, 300), log.entries()[5], key=new_signer())
    assert "signed by no trusted key" in done.stdout


def test_a_proof_is_compared_with_an_earlier_checkpoint(log, prove, outside, tmp_path):
    entry = log.entries()[5]
    assert prove(proof_of(log, 5, 601), entry, "--checkpoint", outside).returncode == 0
    assert prove(proof_of(log, 5, 300), entry, "--checkpoint", outside).returncode == 0
    assert prove(proof_of(log, 5, 256), entry, "--checkpoint", outside).returncode == 1
    other = rewritten(log, lambda rows: rows[6].update(code="x"), [ED])
    outside.write_text(other.notes[300])
    assert prove(proof_of(log, 5, 300), entry, "--checkpoint", outside).returncode == 1


@pytest.fixture
def compare(log, written, tmp_path):
    """Run ``ccverify consistency`` between two sizes; if ``proof`` is None, it reads the export instead."""

    def consistency(old, new, proof=None, *, folder=written, keys=(ED,)):
        for name, note in (("old", old), ("new", new)):
            (tmp_path / name).write_text(note if isinstance(note, str) else log.notes[note])
        by = ("--dir", folder)
        if proof is not None:
            (tmp_path / "hashes").write_text("".join(base64.b64encode(h).decode() + "\n" for h in proof))
            by = ("--proof", tmp_path / "hashes")
        pins = [part for key, _ in keys for part in ("--key", key.vkey)]
        return run("consistency", tmp_path / "old", tmp_path / "new", *by, *pins)

    return consistency


def consistency_proof(log, old, new):
    known = tiles.append(0, {}, list(map(merkle.leaf_hash, log.entries()[:new])))
    return merkle.consistency_proof(old, new, tiles.reader(lambda level, number: known[level, number]))


PAIRS = [(1, 256), (1, 601), (256, 300), (256, 512), (300, 512), (300, 601), (512, 601), (601, 601)]


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_later_checkpoint_continues_an_earlier(log, compare, old, new):
    for proof in (None, consistency_proof(log, old, new)):
        done = compare(old, new, proof)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"its first {old} entries are the same" in done.stdout


def test_every_log_continues_the_empty_one(compare, log):
    empty = sign_note(Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT), [ED], 0)
    assert compare(empty, 300).returncode == compare(empty, 300, []).returncode == 0
    wrong = sign_note(Checkpoint(ORIGIN, 0, bytes(32)), [ED], 0)
    assert compare(wrong, 300).returncode == compare(wrong, 300, []).returncode == 1


@pytest.mark.parametrize(("old", "new"), PAIRS[::3])
def test_a_checkpoint_of_another_history_is_not_continued(log, compare, old, new):
    other = rewritten(log, lambda rows: rows[0].update(code="x"), [ED])
    for proof in (None, consistency_proof(log, old, new), consistency_proof(other, old, new)):
        done = compare(other.notes[old], new, proof)
        assert done.returncode == 1
        assert "ALTERED" in done.stdout


@pytest.mark.parametrize(("old", "new"), [(256, 300), (300, 601)])
def test_no_altered_consistency_proof_holds(log, compare, old, new):
    proof = consistency_proof(log, old, new)
    for spoilt in ([], proof[:-1], proof[1:], [*proof, bytes(32)], [bytes(32), *proof[1:]]):
        assert compare(old, new, spoilt).returncode == 1, spoilt


def test_a_log_that_shrank_is_not_continued(log, compare):
    assert compare(601, 300, consistency_proof(log, 300, 601)).returncode == 1
    assert compare(601, 300).returncode == 1


def test_a_checkpoint_of_another_log_is_not_continued(log, compare):
    other = new_signer(name="ciphercanary/another")
    for size in (300, 601):
        root = base64.b64decode(log.notes[size].split("\n")[2])
        note = sign_note(Checkpoint(other[0].name, size, root), [other], 0)
        done = compare(300, note, consistency_proof(log, 300, size), keys=[ED, other])
        assert "is of another log" in done.stdout
        assert done.returncode == 1


def test_an_export_that_is_too_small_does_not_decide(log, compare, tmp_path):
    small = new_log(300, sizes=[300]).write(tmp_path / "small")
    done = compare(300, 601, folder=small)
    assert done.returncode == 2
    assert "300 entries only" in done.stderr


def test_the_verifier_imports_only_cryptography():
    source = CCVERIFY.read_text()
    tree = ast.parse(source, feature_version=(3, 10))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}
    assert source.startswith("#!/usr/bin/env python3\n")
    assert CCVERIFY.stat().st_mode & 0o111 == 0o111
