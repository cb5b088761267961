"""Home, Usage and the audit log count the same operations."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest

from audit.log.events import Actor, Event, Source
from audit.sequencing.bundles.step import sequence_step
from audit.usage.charts import RANGES
from audit.usage.sums import HOUR, Span, Used
from console.home.services import read_attention
from console.usage.services import read_usage
from kernel.clock import process_now
from tests.audit.pages import links
from tests.browsing import signed_in
from tests.log_entries import insert_events

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]
ACTOR = Actor.system("test", Source.API)


def operation(key_id, outcome="denied", count=1, action="crypto.message.encrypted"):
    return Event(action=action, object_type="key", object_id=str(key_id), outcome=outcome, count=count)


def write(*events, actor=ACTOR):
    """Write and sequence ``(event, time)`` pairs."""
    writer = uuid4()
    for number, (event, at) in enumerate(events, 1):
        insert_events([(event, actor)], at=at, writer=writer, first=number)
    sequence_step()


@pytest.fixture
def operations(admin, make_key):
    """Operations within and before the 24 hours until the returned time, and refused requests that are no operations
    with a key.
    """
    key, now = make_key(admin, "payments-db").id, process_now()
    since = Span.until(now, HOUR, 24).since
    no_key = Event(action="crypto.random.generated", outcome="denied")
    write(
        (operation(key, "ok", 40), now),
        (operation(key, count=7), now),  # equal refusals share an entry
        (operation(key, action="crypto.message.decrypted", count=2), since),
        (operation(uuid4()), now - HOUR),
        (operation(key, "error", 3), now),
        (operation(key, count=100), since - timedelta(microseconds=1)),
        (operation("name:payments-db", count=100), now),
        (operation(key, action="keys.key.rotated", count=100), now),
        (no_key, now),
    )
    return now


def counted(browser, url):
    """The number of events that the page of the log shows."""
    [number] = re.findall(r'id="log-status"[^>]*>(\d+) events in \d entr', browser.get(url).content.decode())
    return int(number)


def test_the_figures_of_home_are_those_of_usage_and_of_the_linked_entries(operations, admin, at_admin):
    home = read_attention(principal=admin.principal, at=operations, limit=1).facts
    usage = read_usage(principal=admin.principal, chosen=RANGES["24h"], now=operations)
    assert home.used == Used(allowed=40, denied=10, failed=3)
    assert home.used == Used(usage.chart.allowed, usage.chart.denied, usage.chart.failed)
    assert home.span == usage.span
    assert [counted(at_admin, url) for url in (usage.log.denied, usage.log.failed)] == [10, 3]
    by_key = {row.name: row for row in usage.busiest.by_key}["payments-db"]
    assert "object=payments-db" in by_key.denied_url
    assert counted(at_admin, by_key.denied_url) == by_key.used.denied == 9


def test_a_caller_leads_to_the_operations_that_usage_counts(at_admin, admin, make_key):
    key = make_key(admin, "payments-db")
    counts = {"ok": 40, "denied": 7}
    events = [(operation(key.id, outcome, count), process_now()) for outcome, count in counts.items()]
    write(*events, actor=admin.principal.actor)
    [row] = at_admin.get("/usage/").context["usage"].busiest.by_caller
    assert [counted(at_admin, url) for url in (row.log_url, row.denied_url)] == [47, 7]
    assert {row.log_url, row.denied_url} <= set(links(at_admin.get("/usage/")))


def test_the_api_finds_the_same_operations(operations, admin):
    found = admin.api.get("/api/v1/audit/logs?action=operation&outcome=denied&limit=100").json["results"]
    assert (
        sum(entry["count"] for entry in found) == 110
    )  # without ``from``, also the operations before the period


def test_the_pages_link_their_figures_to_the_entries(at_admin):
    for page in (at_admin.get("/home/"), at_admin.get("/usage/")):
        links = re.findall(
            r'href="/audit/\?action=operation&amp;outcome=(\w+)&amp;from=', page.content.decode()
        )
        assert links == ["denied", "error"]


def test_the_figures_of_a_developer_do_not_lead_to_entries_that_they_cannot_see(
    developer, admin, make_key, use
):
    """They count what others did with the developer's keys, but the log shows the developer's own actions."""
    use(make_key(developer, "his"), outcome="denied", by=admin)
    browser = signed_in(developer)
    assert browser.get("/home/").context["log"] is None
    for path in ("/home/", "/usage/"):
        assert not [link for link in links(browser.get(path)) if link.startswith("/audit/?")]
