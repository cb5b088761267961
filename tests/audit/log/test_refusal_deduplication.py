import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

from audit.log.events import Actor, Event, Outcome
from audit.log.refusal_deduplication import RefusalDeduplicator
from tests.audit.service_accounts import BILLING, REPORTS, account


def refusal(action="keys.key.read", code="not_found", object_id="k", ip="192.0.2.1", name=""):
    event = Event(action=action, object_type="key", object_id=object_id, outcome=Outcome.DENIED, code=code)
    return event, Actor.anonymous(ip, "agent", "r", name=name)


def user(number, *, token="", ip="192.0.2.1", request_id=""):
    return Actor(
        user_id=uuid.UUID(int=number),
        actor_type="user",
        actor_name=f"user-{number}",
        auth_method="password",
        token_id=token,
        client_ip=ip,
        user_agent="",
        source="api",
        request_id=request_id,
    )


def test_the_first_of_a_kind_is_written_and_the_rest_is_counted():
    table = RefusalDeduplicator()

    assert [table.is_first(*refusal()) for _ in range(5)] == [True, False, False, False, False]

    ((event, actor),) = table.drain()
    assert (event.count, event.code, event.object_id, actor.client_ip) == (4, "not_found", "k", "192.0.2.1")


def test_a_service_account_is_a_subject_of_its_own_and_not_anonymous():
    table = RefusalDeduplicator(capacity=5, per_subject=2)
    event, _ = refusal()
    for number in range(3):  # anonymous clients fill their half
        table.is_first(*refusal(ip=f"192.0.2.{number}"))

    assert table.is_first(event, account(BILLING))
    assert table.is_first(event, account(REPORTS))


class Details:
    """The object ids that were added."""

    def __init__(self):
        self.ids = []

    def add(self, event, _actor):
        self.ids.append(event.object_id)

    def sealed(self):
        return ",".join(self.ids)


def test_only_refusals_beyond_the_limits_leave_details():
    table = RefusalDeduplicator(per_subject=1, begin_details=Details)
    for object_id in ("a", "a", "b", "c", "b"):
        table.is_first(*refusal(object_id=object_id))
    table.is_first(*refusal(ip="192.0.2.9", object_id="d"))

    kind, overflow = (event for event, _ in table.drain())
    assert (kind.object_id, kind.count, dict(kind.meta)) == ("a", 1, {})
    assert (overflow.count, overflow.meta["sealed"]) == (3, "b,c,b")


def test_the_overflow_is_drained_alone():
    table = RefusalDeduplicator(per_subject=1, begin_details=Details)
    table.is_first(*refusal())
    table.is_first(*refusal())
    assert not table.has_overflow
    table.is_first(*refusal(object_id="b"))
    assert table.has_overflow

    assert [event.count for event, _ in table.drain_overflow()] == [1]
    assert (table.has_overflow, table.drain_overflow()) == (False, [])
    table.is_first(*refusal(object_id="c"))
    assert [event.meta.get("sealed") for event, _ in table.drain()] == [None, "c"]


def test_a_single_refusal_needs_no_second_record():
    table = RefusalDeduplicator()
    table.is_first(*refusal())

    assert table.drain() == []


def test_a_flush_makes_the_next_refusal_a_first_one_again():
    table = RefusalDeduplicator()
    table.is_first(*refusal())
    table.drain()

    assert table.is_first(*refusal())
    assert table.drain() == []


def test_a_flush_makes_room_for_every_kind():
    table = RefusalDeduplicator(capacity=4)
    for _ in range(2):
        assert [table.is_first(*refusal(ip=f"192.0.2.{number}")) for number in range(3)] == [
            True,
            True,
            False,
        ]
        table.drain()


def test_address_name_action_code_and_object_make_a_kind():
    table = RefusalDeduplicator()
    kinds = [
        refusal(),
        refusal(ip="192.0.2.2"),
        refusal(name="mira"),
        refusal(action="keys.key.rotated"),
        refusal(code="permission_denied"),
        refusal(object_id="k2"),
    ]

    assert all(table.is_first(*kind) for kind in kinds)
    assert not any(table.is_first(*kind) for kind in kinds)


def test_users_behind_one_address_are_distinguished():
    table = RefusalDeduplicator()
    event, _ = refusal()

    assert table.is_first(event, user(1))
    assert table.is_first(event, user(2))


def test_a_stolen_token_is_reported_by_the_address_that_used_it():
    table = RefusalDeduplicator()
    event, _ = refusal()
    owner, thief = user(1, token="t-1"), user(1, token="t-1", ip="203.0.113.9")

    assert [table.is_first(event, actor) for actor in (owner, thief, owner, thief, thief)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert table.is_first(event, user(1, token="t-2")), "another token of the same user"
    counts = {actor.client_ip: event.count for event, actor in table.drain()}
    assert counts == {"192.0.2.1": 1, "203.0.113.9": 2}


def test_an_entry_of_several_refusals_has_only_their_common_facts():
    table = RefusalDeduplicator(per_subject=2)
    event, _ = refusal()
    for number in range(4):
        table.is_first(event, user(1, token="t", request_id=f"r-{number}"))
    for number in range(100):
        table.is_first(event, user(1, token="t", ip=f"203.0.113.{number}"))
    kind, overflow = (actor for _, actor in table.drain())

    assert (kind.client_ip, kind.token_id, kind.request_id) == ("192.0.2.1", "t", "")
    assert (overflow.user_id, overflow.token_id, overflow.client_ip) == (uuid.UUID(int=1), "t", "")


def test_a_count_of_one_has_the_details_of_that_refusal():
    table = RefusalDeduplicator()
    event, _ = refusal()
    for number in range(2):
        table.is_first(event, user(1, request_id=f"r-{number}"))
    ((_, actor),) = table.drain()
    assert actor.request_id == "r-1"


def test_a_full_table_still_counts_for_a_subject_that_has_a_count():
    table = RefusalDeduplicator(capacity=3, per_subject=1)
    for number, object_id in ((1, "a"), (1, "b"), (2, "a"), (1, "c")):
        table.is_first(refusal(object_id=object_id)[0], user(number))
    ((event, actor),) = table.drain()
    assert (event.count, actor.user_id) == (2, uuid.UUID(int=1))


def test_addresses_of_one_ipv6_network_share_its_bound_and_no_address():
    table = RefusalDeduplicator(per_subject=2)
    firsts = [table.is_first(*refusal(ip=f"2001:db8::{number:x}")) for number in range(100)]

    assert firsts == [True] * 2 + [False] * 98
    ((event, actor),) = table.drain()
    assert (event.count, event.meta["network"], actor.client_ip) == (98, "2001:db8::/64", "")


def test_one_subject_with_many_kinds_is_reported_by_name_and_number():
    table = RefusalDeduplicator(per_subject=3)
    firsts = [table.is_first(*refusal(object_id=str(number))) for number in range(10)]

    assert firsts == [True] * 3 + [False] * 7
    assert table.is_first(*refusal(ip="192.0.2.2")), "another subject still has its own"
    ((event, actor),) = table.drain()
    assert (event.action, event.count, event.object_id) == ("api.refusals.overflowed", 7, "")
    assert event.meta == {}
    assert (event.outcome, actor.client_ip) == (Outcome.DENIED, "192.0.2.1")


def test_the_table_is_bounded_under_any_load():
    table = RefusalDeduplicator(capacity=10)
    firsts = [table.is_first(*refusal(ip=f"192.0.2.{number}")) for number in range(100)]

    assert firsts == [True] * 5 + [False] * 95
    assert len(table._buckets) == 6
    assert all(table.is_first(refusal()[0], user(number)) for number in range(4)), "users keep their half"
    assert not table.is_first(refusal()[0], user(4))
    ((event, actor),) = table.drain()
    assert (event.action, event.count) == ("api.refusals.overflowed", 96)
    assert (actor.actor_type, actor.actor_name, actor.client_ip) == ("system", "refusal recorder", "")


def test_nothing_is_counted_twice_or_lost_under_threads():
    table = RefusalDeduplicator(capacity=20, per_subject=5)
    gate = threading.Barrier(8)

    def work(worker):
        gate.wait()
        written = counted = 0
        for turn in range(500):
            number = (worker * 500 + turn) % 60
            written += table.is_first(*refusal(ip=f"192.0.2.{number % 9}", object_id=str(number)))
            if turn % 100 == 0:
                counted += sum(event.count for event, _ in table.drain())
        return written + counted

    with ThreadPoolExecutor(8) as pool:
        recorded = sum(pool.map(work, range(8)))

    assert recorded + sum(event.count for event, _ in table.drain()) == 8 * 500
