"""The row of several entries: its details, its MAC, and malformed ones."""

import base64
import hmac
import json
import uuid
from datetime import UTC, datetime

import pytest

from audit.log import packed_rows
from audit.log.bundles import bundle_of, entry_of, open_body
from audit.log.entries import ENTRY_FIELDS
from audit.log.entry_rows import STATIC
from audit.log.events import Actor, Event, Source
from audit.log.operations import has_only_succeeded
from audit.log.row_numbers import last_of, number_of_entries
from audit.sequencing.bundles.expanding import Expanded, expand
from kernel.crypto.errors import MacMismatch
from kernel.trust import kek
from kernel.trust.models import SystemKey
from kernel.trust.wrapped_row import SYSTEM_LABEL

SYSTEM = Actor.system("test", Source.COMMAND)
USED = Event(action="crypto.message.encrypted", object_type="key", object_id="k")
PLAIN, HYPHENATED = uuid.UUID(int=1, version=4).hex, str(uuid.UUID(int=2, version=4))
NAMES = packed_rows.ROW_COLUMNS


def rows_of(events, *, first_id=1, id_shift=0, requests=None):
    """The columns of each row that a bundle of these events becomes, by name."""
    entries = [
        entry_of(event, SYSTEM.of_request(requests[place] if requests else uuid.uuid4().hex))
        for place, event in enumerate(events)
    ]
    bundle = bundle_of(entries, at=datetime(2026, 12, 1, tzinfo=UTC), writer=str(uuid.uuid4()), first=5)
    expanded = Expanded()
    expand(bundle, open_body(bundle), first_id, expanded, id_shift=id_shift, is_sqlite=True)
    assert len(expanded.leaves) == len(events)
    columns = (*STATIC, "event_id", "request_id", "size", "timestamp", "writer", "wseq", "id")
    return [dict(zip((*columns, "mac", "entries", "details"), row, strict=True)) for row in expanded.rows]


def spelled(row):
    """As ``raw_rows`` spells a row of SQLite."""
    dashed = {name: str(uuid.UUID(row[name])) for name in ("event_id", "writer")}
    return tuple({**row, **dashed, "timestamp": "2026-12-01T00:00:00.000000Z"}[name] for name in NAMES)


def runs(rows):
    return [row["entries"] or 1 for row in rows]


@pytest.mark.django_db
def test_equal_operations_of_a_bundle_share_a_row(root_of_trust):
    other = Event(action="crypto.message.encrypted", object_type="key", object_id="k-2")
    assert runs(rows_of([USED, other, USED, USED, other])) == [3, 2]
    assert runs(rows_of([USED])) == [1]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "event",
    [
        Event(action="keys.key.updated", object_id="k"),
        Event(action="crypto.message.encrypted", object_id="k", outcome="denied"),
        Event(action="crypto.message.encrypted", object_id="k", outcome="error"),
    ],
)
def test_every_other_entry_has_its_own_row(root_of_trust, event):
    assert runs(rows_of([event, event])) == [1, 1]


def test_an_operation_that_names_changed_rows_is_no_plain_success():
    assert has_only_succeeded("crypto.x", "ok", "{}")
    assert not has_only_succeeded("crypto.x", "ok", '{"trail_sha256":[]}')


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ([PLAIN, PLAIN], [2]),
        ([HYPHENATED, HYPHENATED], [2]),
        ([PLAIN, HYPHENATED, HYPHENATED], [1, 2]),
        (["chosen", "chosen"], [1, 1]),
        ([PLAIN.upper().replace("0", "A"), PLAIN], [1, 1]),
        ([PLAIN, PLAIN + "0"], [1, 1]),
        ([HYPHENATED.replace("-", "", 1), HYPHENATED], [1, 1]),
        (["", ""], [1, 1]),
    ],
)
def test_only_request_ids_of_one_form_share_a_row(root_of_trust, requests, expected):
    assert runs(rows_of([USED] * len(requests), requests=requests)) == expected


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("first_id", "id_shift", "expected"),
    [(255, 0, [2, 2]), (256, 0, [1, 3]), (257, 0, [4]), (256, 1, [2, 2]), (258, 1, [4])],
)
def test_the_leaves_of_a_row_are_in_one_tile(root_of_trust, first_id, id_shift, expected):
    assert runs(rows_of([USED] * 4, first_id=first_id, id_shift=id_shift)) == expected


@pytest.mark.django_db
def test_a_row_has_as_many_entries_as_a_tile(root_of_trust):
    full, rest = rows_of([USED] * 300)
    assert (full["entries"], rest["entries"]) == (256, 44)
    assert len(packed_rows.unpack(spelled(full))) == 256


@pytest.mark.django_db
@pytest.mark.parametrize("number", [1, 257])
def test_no_row_has_another_number_of_entries(root_of_trust, number):
    [row] = rows_of([USED])
    details = packed_rows.encode_details([(uuid.uuid4().hex, PLAIN, 1)] * number)
    with pytest.raises(ValueError, match="another number"):
        packed_rows.unpack(spelled(row | {"entries": number, "details": details}))


@pytest.mark.parametrize(
    ("stored", "number"), [(None, 1), (1, 1), (2, 2), (256, 256), (257, 1), ("x", 1), (float("inf"), 1)]
)
def test_an_altered_number_of_entries_counts_as_one(stored, number):
    assert number_of_entries(stored) == number


@pytest.mark.parametrize(("first", "more", "last"), [(5, 3, 8), ("x", 3, "x"), (5, "x", 5)])
def test_the_last_number_of_a_row_is_that_of_its_last_entry(first, more, last):
    assert last_of(first, more) == last


@pytest.mark.django_db
@pytest.mark.parametrize("requests", [[PLAIN, PLAIN, PLAIN[::-1]], [HYPHENATED] * 3])
def test_each_entry_of_a_row_has_its_own_columns(root_of_trust, requests):
    sizes = [None, 0, 2**40]
    events = [
        Event(action="crypto.message.encrypted", object_type="key", object_id="k", size=size)
        for size in sizes
    ]
    [row] = rows_of(events, requests=requests, first_id=70)
    assert (row["entries"], row["size"], row["id"], row["wseq"]) == (3, 2**40, 70, 5)

    entries = [dict(zip(packed_rows.COLUMNS, each, strict=True)) for each in packed_rows.unpack(spelled(row))]

    assert [each["id"] for each in entries] == [70, 71, 72]
    assert [each["wseq"] for each in entries] == [5, 6, 7]
    assert [each["size"] for each in entries] == sizes
    assert [each["request_id"] for each in entries] == requests
    assert len({each["event_id"] for each in entries}) == 3
    assert entries[0]["event_id"] == spelled(row)[NAMES.index("event_id")]
    packed_rows.check_mac(spelled(row))


@pytest.mark.django_db
def test_the_mac_is_made_as_the_documentation_says(root_of_trust):
    [row] = rows_of([USED] * 3)
    columns = dict(zip(NAMES, spelled(row), strict=True))
    version, kid, tag = columns["mac"].split(".")
    wrapped = SystemKey.objects.get(kid=kid).wrapped_key
    key = kek.unwrap(wrapped, label=SYSTEM_LABEL, parts=[b"audit-mac", kid.encode()])
    members = {name: columns[name] for name in ENTRY_FIELDS if name != "actor_id"} | {"version": 1}
    text = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    expected = hmac.digest(key.expose(), b"(" + text + b",3)" + columns["details"], "sha256")
    assert (version, base64.urlsafe_b64decode(tag + "=")) == ("3", expected)


@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMES)
def test_the_mac_covers_every_column(root_of_trust, name):
    [row] = rows_of([USED] * 3)
    altered = dict(zip(NAMES, spelled(row), strict=True))
    if name == "details":
        altered[name] = altered[name][:20] + bytes([altered[name][20] ^ 1]) + altered[name][21:]
    elif isinstance(altered[name], int):
        altered[name] += 1
    elif altered[name] is None:
        altered[name] = 1 if name == "object_version" else str(uuid.uuid4())
    else:
        altered[name] += "x"
    with pytest.raises((MacMismatch, ValueError)):
        packed_rows.check_mac(tuple(altered.values()))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "changed",
    [
        {"entries": None},
        {"entries": 1},
        {"entries": 2},
        {"entries": 4},
        {"entries": 257},
        {"entries": "three"},
        {"details": None},
        {"details": "text"},
        {"details": b""},
        {"details": b"\x00" + bytes(100)},
        {"details": b"\x01" + bytes(96) + b"\x93\x01\x02"},
        {"details": b"\x03" + bytes(96) + b"\x93\x01\x02\x03"},
        {"details": b"\x01" + bytes(96) + b"\x92\x01\x02"},
        {"wseq": "one"},
    ],
)
def test_a_malformed_row_is_one_entry(root_of_trust, changed):
    [row] = rows_of([USED] * 3)
    altered = dict(zip(NAMES, spelled(row), strict=True)) | changed
    with pytest.raises(ValueError, match=r"row|details"):
        packed_rows.unpack(tuple(altered.values()))
    assert packed_rows.unpack_any(tuple(altered.values())) == [tuple(altered.values())[:-2]]
