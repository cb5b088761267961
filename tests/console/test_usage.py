"""The page of usage shows the roll-ups of the keys that the reader may see."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from audit.usage.sums import DAY, HOUR, Span, Used, used_over_time
from kernel.templatetags.pages import percent
from tests.audit.usage import sum_up_days
from tests.browsing import signed_in

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]
NOW = datetime(2026, 11, 25, 14, 5, tzinfo=UTC)


def test_a_span_of_hours_ends_in_the_hour_that_is_under_way():
    starts = Span.until(NOW, HOUR, 24).starts
    assert (starts[0], starts[-1], len(starts)) == (
        datetime(2026, 11, 24, 15, tzinfo=UTC),
        datetime(2026, 11, 25, 14, tzinfo=UTC),
        24,
    )


def test_a_span_of_days_begins_at_midnight():
    starts = Span.until(NOW, DAY, 7).starts
    assert (starts[0], starts[-1]) == (datetime(2026, 11, 19, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC))


def test_hours_are_added_up_to_days(make_key, use, admin):
    key = make_key(admin, "payments-db")
    midnight = NOW.replace(hour=0, minute=0)
    for hour, count in ((0, 1), (14, 10), (-1, 100)):
        row = use(key, count)
        row.hour = midnight + timedelta(hours=hour)
        row.save()
    sum_up_days()
    steps = dict(used_over_time(Span.until(NOW, DAY, 7)))
    assert (
        steps[midnight].allowed,
        steps[midnight - DAY].allowed,
        sum(u.allowed for u in steps.values()),
    ) == (
        11,
        100,
        111,
    )


@pytest.mark.parametrize(
    ("share", "said"), [(0.0, "0%"), (1 / 3, "33.3%"), (0.00001, "< 0.1%"), (1.0, "100.0%")]
)
def test_a_share_is_never_rounded_to_nothing(share, said):
    assert percent(share) == said


def test_the_page_shows_keys_and_callers_by_name_the_busiest_first(at_admin, admin, make_key, use):
    calm, busy = make_key(admin, "calm"), make_key(admin, "busy")
    use(calm, 2, by=admin)
    use(busy, 1200, by=admin)
    use(busy, 34, outcome="denied")
    use("nobody-has-this", 1, outcome="denied")
    shown = at_admin.get("/usage/").context["usage"]
    assert [(row.name, row.used) for row in shown.busiest.by_key] == [
        ("busy", Used(1200, 34, 0)),
        ("calm", Used(2, 0, 0)),
        ("", Used(0, 1, 0)),
    ]
    assert [(row.name, row.used.total) for row in shown.busiest.by_caller] == [("ada", 1202), ("", 35)]
    assert percent(shown.denied_share) == "2.8%"
    assert shown.chart.peak == 1237


@pytest.mark.parametrize(
    ("word", "steps", "done"), [("24h", 24, 1), ("7d", 7, 11), ("30d", 30, 111), ("9y", 24, 1)]
)
def test_a_range_contains_the_uses_of_its_period(word, steps, done, at_admin, admin, make_key, use):
    key = make_key(admin, "payments-db")
    use(key, 1)
    use(key, 10, ago=timedelta(days=5))
    use(key, 100, ago=timedelta(days=20))
    use(key, 1000, ago=timedelta(days=40))
    chart = at_admin.get(f"/usage/?range={word}").context["usage"].chart
    assert (len(chart.columns), chart.allowed) == (steps, done)


def test_a_developer_sees_the_use_of_their_own_keys_alone(developer, admin, make_key, use):
    use(make_key(admin, "not-his"), 1000, by=admin)
    use(make_key(developer, "his"), 7, by=admin)
    browser = signed_in(developer)
    page = browser.get("/usage/")
    content = page.content.decode()
    assert page.context["usage"].chart.allowed == 7
    assert [row.name for row in page.context["usage"].busiest.by_key] == ["his"]
    assert "not-his" not in content
    assert "This page shows only your own keys." in content
    rows = list(csv.DictReader(io.StringIO(browser.get("/usage/numbers.csv").content.decode())))
    assert sum(int(row["allowed"]) for row in rows) == 7


def test_the_file_has_the_numbers_of_the_table(at_admin, admin, make_key, use):
    key = make_key(admin, "payments-db")
    use(key, 5)
    use(key, 2, outcome="denied")
    use(key, 1, outcome="error")
    response = at_admin.get("/usage/numbers.csv?range=7d")
    rows = list(csv.reader(io.StringIO(response.content.decode())))
    assert response["Content-Type"].startswith("text/csv")
    assert response["Content-Disposition"].startswith('attachment; filename="usage-7d-')
    assert rows[0] == ["day", "allowed", "denied", "failed"]
    assert len(rows) == 8
    assert rows[-1][1:] == ["5", "2", "1"]


def test_without_any_use_the_page_says_so(at_admin):
    content = at_admin.get("/usage/").content.decode()
    assert "No operations in this period." in content
    assert "No key was used in the last 24 hours." in content


def test_the_drawing_has_a_name_and_no_style(at_admin, admin, make_key, use):
    use(make_key(admin, "payments-db"), 5)
    content = at_admin.get("/usage/").content.decode()
    assert 'role="img" aria-label="Operations of the last 24 hours: 5 allowed, 0 denied, 0 failed.' in content
    assert "style=" not in content
