"""The content of a file and of a row of a segment, without a log."""

import hashlib
import json
import lzma

import pytest

from audit.archive import segments
from audit.archive.contents import Kept, encode_kept, encode_removed, has_removed, removed_numbers
from audit.archive.segments import Segment
from audit.models import AuditSegment
from audit.tlog.proof import format_proof, parse_proof
from kernel.clock import database_now
from tests.audit.archive.archived import ENTRIES

ENTRY = b'{"meta":"{}"}'
ROW = b'{"name":"a"}'


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(AuditSegment, "ENTRIES", ENTRIES)


def segment_of(number=3, proof="proof\n", rows=(ROW,)):
    meta = json.dumps({"trail_sha256": [hashlib.sha256(row).hexdigest() for row in rows]})
    naming = json.dumps({"meta": meta}).encode()
    return Segment(number, proof, [naming, *[ENTRY] * (ENTRIES - 1)], list(rows))


def test_a_file_has_the_content_that_was_written():
    segment = segment_of(rows=[ROW, ROW + b" "])

    assert Segment.decode(segment.encode()) == segment
    assert segment_of().with_proof_of(segment_of(proof="older").encode()) == segment_of(proof="older")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}\n" + ENTRY * ENTRIES,
        segment_of().content[:-1],
        b"\n".join(segment_of(rows=[]).content.split(b"\n")[:-2]) + b"\n",
        b"[" * 10_000 + b"\n" + (ENTRY + b"\n") * 64,
        b"{\n" + (ENTRY + b"\n") * 64,
        b'{"proof":1,"segment":1}\n' + (ENTRY + b"\n") * 64,
        b'{"proof":"1","segment":"1"}\n' + (ENTRY + b"\n") * 64,
    ],
)
def test_other_content_is_no_segment(content):
    with pytest.raises(ValueError, match=r"incomplete|names no segment"):
        Segment.decode(lzma.compress(content))


def test_a_file_has_a_largest_size(monkeypatch):
    segment = segment_of()
    monkeypatch.setattr(segments, "MOST_CONTENT_BYTES", len(segment.content))
    octets = segment.encode()
    assert Segment.decode(octets) == segment
    monkeypatch.setattr(segments, "MOST_CONTENT_BYTES", len(segment.content) - 1)

    with pytest.raises(ValueError, match="at most"):
        segment.encode()
    with pytest.raises(ValueError, match="too long"):
        Segment.decode(octets)


def test_changed_rows_are_those_that_entries_name():
    segment = segment_of(rows=[ROW, ROW, b"{}"])

    assert segment.has_named_rows
    for rows in ([ROW, b"{}"], [ROW, b"{}", b"{}"], [*segment.rows, ROW], []):
        assert not segments.replace(segment, rows=rows).has_named_rows


def test_kept_places_are_those_that_were_encoded():
    kept = Kept(AuditSegment(kept=encode_kept([0, 7, 8, ENTRIES - 1])))

    assert [place for place in range(ENTRIES) if place in kept] == [0, 7, 8, ENTRIES - 1]


@pytest.mark.sqlite
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("first", "end", "is_removed"),
    [(1, 5, False), (1, 6, True), (9, 12, True), (10, 12, False), (10, 21, True), (1, 30, True)],
)
def test_numbers_of_a_bundle_meet_removed_ones(first, end, is_removed):
    now = database_now()
    removed = encode_removed([("a", number) for number in (*range(5, 10), 20)] + [("b", 11)])
    other = {
        "first_at": now,
        "last_at": now,
        "archived_at": now,
        "first_id": 1,
        "last_id": ENTRIES,
        "size": 1,
    }
    AuditSegment.objects.create(number=0, removed=removed, kept=encode_kept([]), **other)

    assert removed_numbers(AuditSegment(removed=removed)) == {"a": [(5, 9), (20, 20)], "b": [(11, 11)]}
    assert has_removed("a", range(first, end)) == is_removed
    assert not has_removed("c", range(first, end))


def test_a_proof_is_read_as_it_was_written():
    hashes = [bytes([number]) * 32 for number in range(3)]
    text = format_proof(64, hashes, "note\n\n— signature\n")

    assert parse_proof(text, 64) == (hashes, "note\n\n— signature\n")
    for wrong in (
        text.replace("index 64", "index 65"),
        text.replace("v1", "v2"),
        "",
        format_proof(64, hashes, "n", b"x"),
    ):
        with pytest.raises(ValueError, match=r"."):
            parse_proof(wrong, 64)
