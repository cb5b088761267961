import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from audit.log import entries

ENTRY = {
    "id": 7,
    "event_id": uuid.UUID("0b1e7a52-9c1d-4c8e-8f6e-0d3c1a2b3c4d"),
    "timestamp": datetime(2026, 11, 24, 15, 3, 9, 42, tzinfo=UTC),
    "user_id": None,
    "actor_type": "user",
    "actor_name": "mira",
    "auth_method": "password",
    "token_id": "t",
    "client_ip": "2001:db8::1",
    "user_agent": "curl/8",
    "source": "api",
    "action": "keys.key.rotated",
    "object_type": "key",
    "object_id": "k",
    "object_version": 2,
    "outcome": "ok",
    "code": "",
    "request_id": "r",
    "count": 1,
    "size": None,
    "meta": '{"reason":"caf\u00e9"}',
    "writer": uuid.UUID("6f9619ff-8b86-4011-b42d-00c04fc964ff"),
    "wseq": 3,
    "actor_id": None,
}
TRAIL = {
    "id": 1,
    "event_id": ENTRY["event_id"],
    "table_name": "encryption_keys",
    "record_id": "k",
    "action": "update",
    "old_values": {"state": "active"},
    "new_values": {"state": "suspended"},
    "changed_by": None,
    "changed_at": ENTRY["timestamp"],
    "actor_id": None,
}
ACCOUNT = uuid.UUID("3f2c9a6e-5b1d-4e7f-8a90-1b2c3d4e5f60")


def altered(value):
    match value:
        case None:
            return 0
        case int():
            return value + 1
        case str():
            return value + "x"
        case uuid.UUID():
            return uuid.UUID(int=value.int ^ 1)
        case datetime():
            return value + timedelta(microseconds=1)
        case dict():
            return {**value, "more": None}
    raise AssertionError(value)


def test_an_entry_has_these_bytes_for_ever():
    # Typed in, not computed: if these bytes change, every past hash is worthless.
    assert entries.entry_bytes(ENTRY) == (
        b'{"action":"keys.key.rotated","actor_name":"mira","actor_type":"user","auth_method":"password",'
        b'"client_ip":"2001:db8::1","code":"","count":1,"event_id":"0b1e7a52-9c1d-4c8e-8f6e-0d3c1a2b3c4d",'
        b'"id":7,"meta":"{\\"reason\\":\\"caf\xc3\xa9\\"}","object_id":"k","object_type":"key","object_version":2,'
        b'"outcome":"ok","request_id":"r","size":null,"source":"api","timestamp":"2026-11-24T15:03:09.000042Z",'
        b'"token_id":"t","user_agent":"curl/8","user_id":null,"version":1,'
        b'"writer":"6f9619ff-8b86-4011-b42d-00c04fc964ff","wseq":3}'
    )


def test_a_changed_row_has_this_digest_for_ever():
    assert (
        entries.trail_digest(TRAIL)
        == hashlib.sha256(
            b'{"action":"update","changed_at":"2026-11-24T15:03:09.000042Z","changed_by":null,'
            b'"event_id":"0b1e7a52-9c1d-4c8e-8f6e-0d3c1a2b3c4d","id":1,"new_values":{"state":"suspended"},'
            b'"old_values":{"state":"active"},"record_id":"k","table_name":"encryption_keys","version":1}'
        ).hexdigest()
    )


def test_an_entry_of_a_service_account_is_of_version_2():
    entry = {**ENTRY, "actor_type": "service_account", "actor_name": "billing", "actor_id": ACCOUNT}
    assert entries.entry_bytes(entry) == (
        b'{"action":"keys.key.rotated","actor_id":"3f2c9a6e-5b1d-4e7f-8a90-1b2c3d4e5f60","actor_name":"billing",'
        b'"actor_type":"service_account","auth_method":"password",'
        b'"client_ip":"2001:db8::1","code":"","count":1,"event_id":"0b1e7a52-9c1d-4c8e-8f6e-0d3c1a2b3c4d",'
        b'"id":7,"meta":"{\\"reason\\":\\"caf\xc3\xa9\\"}","object_id":"k","object_type":"key","object_version":2,'
        b'"outcome":"ok","request_id":"r","size":null,"source":"api","timestamp":"2026-11-24T15:03:09.000042Z",'
        b'"token_id":"t","user_agent":"curl/8","user_id":null,"version":2,'
        b'"writer":"6f9619ff-8b86-4011-b42d-00c04fc964ff","wseq":3}'
    )


def test_a_changed_row_of_a_service_account_is_of_version_2():
    assert entries.trail_bytes({**TRAIL, "actor_id": ACCOUNT}) == (
        b'{"action":"update","actor_id":"3f2c9a6e-5b1d-4e7f-8a90-1b2c3d4e5f60",'
        b'"changed_at":"2026-11-24T15:03:09.000042Z","changed_by":null,'
        b'"event_id":"0b1e7a52-9c1d-4c8e-8f6e-0d3c1a2b3c4d","id":1,"new_values":{"state":"suspended"},'
        b'"old_values":{"state":"active"},"record_id":"k","table_name":"encryption_keys","version":2}'
    )


of_either_version = pytest.mark.parametrize("actor_id", [None, ACCOUNT])


@of_either_version
@pytest.mark.parametrize("name", entries.ENTRY_FIELDS)
def test_every_column_changes_the_entry(name, actor_id):
    entry = {**ENTRY, "actor_id": actor_id}
    assert entries.entry_bytes({**entry, name: altered(entry[name])}) != entries.entry_bytes(entry)


@of_either_version
@pytest.mark.parametrize("name", entries.MAC_FIELDS)
def test_every_column_but_the_id_changes_what_the_mac_covers(name, actor_id):
    entry = {**ENTRY, "actor_id": actor_id}
    assert entries.mac_bytes({**entry, name: altered(entry[name])}) != entries.mac_bytes(entry)


@of_either_version
@pytest.mark.parametrize("name", entries.TRAIL_FIELDS)
def test_every_column_of_a_changed_row_changes_its_digest(name, actor_id):
    row = {**TRAIL, "actor_id": actor_id}
    assert entries.trail_digest({**row, name: altered(row[name])}) != entries.trail_digest(row)


@of_either_version
def test_the_mac_covers_the_entry_without_its_id(actor_id):
    octets = entries.entry_bytes({**ENTRY, "actor_id": actor_id})
    covered = json.loads(octets)
    del covered["id"]

    assert json.loads(entries.mac_bytes({**ENTRY, "actor_id": actor_id})) == covered
    assert entries.without_id(octets, ENTRY["id"]) == entries.mac_bytes({**ENTRY, "actor_id": actor_id})


def test_a_missing_column_is_an_error_not_a_null():
    with pytest.raises(KeyError, match="wseq"):
        entries.entry_bytes({name: value for name, value in ENTRY.items() if name != "wseq"})


def test_a_column_of_another_type_is_refused():
    with pytest.raises(TypeError, match="float"):
        entries.entry_bytes({**ENTRY, "size": 1.5})
