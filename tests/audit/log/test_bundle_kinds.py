"""The columns of an entry, checked before the entry is committed, and the body of a bundle, checked when it is read."""

import json
from datetime import UTC, datetime

import pytest
from msgspec import structs

from audit.log.bundles import bundle_of, entry_of, kind_of, open_body
from audit.log.entry_mac import compute_entry_mac
from audit.log.events import META_LIMIT, TEXT_LIMITS, Actor, Event, Source

ACTOR = Actor.system("sequencer", Source.SCHEDULER)


def test_an_entry_counts_at_least_one_event():
    assert json.loads(kind_of(Event(action="a", count=1), ACTOR))["count"] == 1
    with pytest.raises(ValueError, match="does not fit"):
        kind_of(Event(action="a", count=0), ACTOR)


@pytest.mark.parametrize("name", ["action", "object_id", "code"])
def test_a_text_fits_its_column_or_is_refused(name):
    event = Event(action="a")
    structs.force_setattr(event, name, "x" * TEXT_LIMITS[name])
    assert json.loads(kind_of(event, ACTOR))[name] == "x" * TEXT_LIMITS[name]
    structs.force_setattr(event, name, "x" * (TEXT_LIMITS[name] + 1))
    with pytest.raises(ValueError, match="does not fit"):
        kind_of(event, ACTOR)


def test_the_digests_of_changed_rows_fit_the_details_or_are_refused():
    digests = ["x" * 64] * 400
    room = META_LIMIT - _size(digests) - len(',""')
    assert _size([*digests, "x" * room]) == META_LIMIT
    with pytest.raises(ValueError, match="too many"):
        _size([*digests, "x" * (room + 1)])


@pytest.mark.django_db
def test_a_body_must_be_json_with_as_many_entries_as_its_bundle(root_of_trust):
    at = datetime(2026, 11, 25, tzinfo=UTC)
    bundle = bundle_of([entry_of(Event(action="a"), ACTOR)], at=at, writer="w", first=1)
    assert len(open_body(bundle).entries) == 1
    for change, message in (({"body": b"{}"}, "no JSON"), ({"entries": 2}, "another number")):
        altered = bundle._replace(**change)
        with pytest.raises(ValueError, match=message):
            open_body(altered._replace(mac=compute_entry_mac(altered.covered, 1)))


def _size(digests):
    return len(json.loads(kind_of(Event(action="a"), ACTOR, digests))["meta"])
