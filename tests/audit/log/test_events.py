import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from audit.log import bundles, canonical
from audit.log.canonical import MAX_INTEGER
from audit.log.events import TEXT_LIMITS, Actor, ActorType, Event, Outcome, RowChange, Source, clean_text
from kernel.http.addresses import canonical_address
from kernel.identities import Identity
from tests.audit.service_accounts import BILLING, ORIGIN, account


@pytest.mark.parametrize(
    ("actor", "identity"),
    [
        (ORIGIN.user(uuid.UUID(int=1), "mira"), Identity.user(uuid.UUID(int=1))),
        (account(), Identity.service_account(BILLING)),
        (Actor.system("sequencer", Source.SCHEDULER), Identity.SYSTEM),
        (Actor.anonymous("127.0.0.1", "", ""), None),
    ],
)
def test_an_actor_has_an_identity_unless_it_is_anonymous(actor, identity):
    assert actor.identity == identity
    assert ORIGIN.actor_like(actor).identity == identity


def test_nul_and_lone_surrogates_are_replaced_in_every_text_of_an_event():
    event = Event(
        action="a\x00b", object_id="\ud800", code="x\udfff", meta={"reason": "n\x00", "l": ["\ud801"]}
    )

    assert (event.action, event.object_id, event.code) == ("a\ufffdb", "\ufffd", "x\ufffd")
    assert dict(event.meta) == {"reason": "n\ufffd", "l": ["\ufffd"]}


def test_texts_are_cut_to_their_column_and_show_it():
    actor = Actor.anonymous("127.0.0.1", "x" * 5000, "r" * 100, name="n" * 200)

    assert len(actor.user_agent) == TEXT_LIMITS["user_agent"]
    assert actor.user_agent.endswith("x\u2026")
    assert len(actor.request_id) == TEXT_LIMITS["request_id"]
    assert len(actor.actor_name) == TEXT_LIMITS["actor_name"]


@given(st.text(), st.integers(1, 50))
def test_a_cleaned_text_fits_is_storable_and_is_left_alone_when_cleaned_again(text, limit):
    cleaned = clean_text(text, limit)

    assert len(cleaned) <= limit
    assert "\x00" not in cleaned
    cleaned.encode("utf-8")
    assert clean_text(cleaned, limit) == cleaned


@pytest.mark.parametrize(
    ("spelling", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("unix:", ""),
        ("192.0.2.007", ""),
    ],
)
def test_an_address_has_one_spelling(spelling, address):
    assert canonical_address(spelling) == address
    assert Actor.anonymous(spelling, "", "").client_ip == address


def test_meta_holds_ids_and_moments_as_text():
    key = uuid.uuid4()
    event = Event(action="a", meta={"key": key, "at": datetime(2026, 1, 2, tzinfo=UTC), "tags": ("a", "b")})

    assert dict(event.meta) == {"key": str(key), "at": "2026-01-02T00:00:00.000000Z", "tags": ["a", "b"]}


@pytest.mark.parametrize("value", [b"key bytes", 1.5, object(), {"deep": [b""]}])
def test_meta_refuses_what_is_not_declared_data(value):
    with pytest.raises(TypeError, match="does not belong"):
        Event(action="a", meta={"value": value})


def test_a_text_of_meta_is_cut_to_4000_characters():
    event = Event(action="a", meta={"fits": "x" * 4000, "long": "x" * 4001})
    assert dict(event.meta) == {"fits": "x" * 4000, "long": "x" * 3999 + "\u2026"}


def meta_of(size):
    """Values whose text has this number of bytes."""
    texts = ["x" * 4000] * 7
    return {"list": [*texts, "x" * (size - len(canonical.encode({"list": [*texts, ""]})))]}


def test_meta_has_28_kibibytes_at_most():
    assert len(Event(action="a", meta=meta_of(28 * 1024)).meta_text) == 28 * 1024
    with pytest.raises(ValueError, match="too large"):
        Event(action="a", meta=meta_of(28 * 1024 + 1))


def test_the_digests_of_changed_rows_fit_into_meta_too():
    digests = ["0" * 64]
    room = 28 * 1024 - len(canonical.encode({"trail_sha256": digests})) + 1
    assert len(bundles._meta_with(Event(action="a", meta=meta_of(room)), digests)) == 28 * 1024
    with pytest.raises(ValueError, match="too many"):
        bundles._meta_with(Event(action="a", meta=meta_of(room + 1)), digests)


def test_the_digests_of_changed_rows_cannot_be_forged_by_a_caller():
    with pytest.raises(ValueError, match="recorder"):
        Event(action="a", meta={"trail_sha256": []})


@pytest.mark.parametrize("field", ["object_version", "count", "size"])
@pytest.mark.parametrize("number", [-1, MAX_INTEGER + 1])
def test_numbers_out_of_range_are_refused(field, number):
    with pytest.raises(ValueError, match="not a number"):
        Event(action="a", **{field: number})


def test_an_unknown_outcome_is_refused():
    with pytest.raises(ValueError, match="maybe"):
        Event(action="a", outcome="maybe")


def test_a_copy_of_an_event_keeps_its_meta():
    event = Event(action="a", meta={"reason": "r"})

    assert replace(event, count=7) == Event(action="a", count=7, meta={"reason": "r"})


def test_the_system_acts_for_no_one():
    actor = Actor.system("rotate_keys", Source.COMMAND)

    assert (actor.user_id, actor.actor_type, actor.actor_name) == (None, ActorType.SYSTEM, "rotate_keys")
    assert actor.source == "command"


def test_an_event_is_ok_and_single_by_default():
    event = Event(action="a")

    assert (event.outcome, event.count, event.size) == (Outcome.OK, 1, None)


@given(st.text())
def test_an_actor_of_another_request_is_as_if_made_for_it(request_id):
    def acting(by):
        return Actor.anonymous("192.0.2.7", "agent", by, name="n")

    assert acting("r-1").of_request(request_id) == acting(request_id)


class Row:
    pk = 7

    class _meta:  # noqa: N801 - Django's name
        db_table = "keys"


def test_a_change_of_a_row_has_the_fields_that_differ():
    before, after = {"name": "a", "state": "active"}, {"name": "b", "state": "active"}
    assert RowChange.of_row(Row(), after=after) == RowChange(
        table_name="keys", record_id="7", action="insert", new_values=after
    )
    assert RowChange.of_row(Row(), before=before, after=after) == RowChange(
        table_name="keys",
        record_id="7",
        action="update",
        old_values={"name": "a"},
        new_values={"name": "b"},
    )
    for known in (before, None):
        assert RowChange.of_row(Row(), before=known) == RowChange(
            table_name="keys", record_id="7", action="delete", old_values=known or {}
        )
