"""The filter form: fields that contradict each other, and the values that it shows afterwards."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.browse.filters import PERIODS, in_words
from audit.forms.filters import LogFilterForm

NOW = datetime(2026, 11, 27, 15, 30, tzinfo=UTC)
TIMES = {"from": "2026-11-20", "to": "2026-11-21 08:30"}
BOTH = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T08:30:00Z"}


@pytest.mark.parametrize(
    ("sent", "filters"),
    [
        ({**TIMES, "period": "1h", "shown_period": ""}, {"period": "1h"}),
        ({**TIMES, "period": "7d", "shown_period": "1h"}, {"period": "7d"}),
        ({**TIMES, "period": "1h", "shown_period": "1h"}, BOTH),
        ({**TIMES, "period": "", "shown_period": "1h"}, BOTH),
        ({**TIMES, "period": "1h"}, BOTH),  # a link
        ({"search": "last hour", **TIMES}, {"period": "1h"}),
        ({"search": "after:2026-11-20", "period": "1h", "shown_period": "1h"}, {"from": BOTH["from"]}),
        ({"to": TIMES["to"], "period": "24h", "shown_period": "24h"}, {"period": "24h", "to": BOTH["to"]}),
    ],
)
def test_the_newer_of_a_period_and_times_counts(sent, filters):
    form = LogFilterForm(sent)
    assert form.filters == filters
    assert {name for name in ("period", "from", "to") if form[name].value()} == filters.keys()
    assert form.rewritten == {
        name for name in ("search", "period", "from", "to") if bool(sent.get(name)) != (name in filters)
    }


def test_yesterday_is_the_day_before_in_utc():
    def bounds(**filters):
        criteria = LogFilterForm(filters).criteria(NOW)
        return criteria.since, criteria.until

    today = datetime(2026, 11, 27, tzinfo=UTC)
    assert bounds(period="yesterday") == (today - timedelta(days=1), today)
    assert bounds(period="today") == (today, None)
    assert bounds(period="yesterday", to="2026-11-26 12:00")[1] == today - timedelta(hours=12)
    assert bounds(period="1h") == (NOW - timedelta(hours=1), None)
    assert {word: bounds(period=word)[0] < NOW for word in PERIODS} == dict.fromkeys(PERIODS, True)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({"search": "payments-db result:ok"}, {"search": "payments-db", "outcome": "ok"}),
        ({"search": "actor:dora", "actor": "ada"}, {"actor": "dora"}),  # the field is hidden
        ({"search": "actor:ada", "actor": "ada", "more": "1"}, {"actor": "ada"}),
        ({"search": "denied x", "outcome": "ok"}, {"search": "x", "outcome": "denied"}),
        ({"search": "result:ok denied"}, {"search": '"denied"', "outcome": "ok"}),
        ({"search": "after:2026-11-20 today"}, {"search": '"today"', "from": "2026-11-20 00:00"}),
        ({"search": "after:2026-11-20 x"}, {"search": "x", "from": "2026-11-20 00:00"}),
    ],
)
def test_a_typed_filter_becomes_the_value_of_its_field(sent, shown):
    form = LogFilterForm(sent)
    assert not form.errors
    assert {name: form[name].value() for name in form.fields if form[name].value()} == shown
    assert form.rewritten == {name for name in form.fields if sent.get(name, "") != shown.get(name, "")}


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"search": "result:ok", "outcome": "denied"}, "The field Result has a different value."),
        ({"search": "actor:dora", "actor": "ada", "more": "1"}, "The field Actor has a different value."),
    ],
)
def test_a_qualifier_that_a_shown_field_contradicts_names_the_field(sent, message):
    form = LogFilterForm(sent)
    assert message in form.errors["search"][0]
    assert form["search"].value() == sent["search"]


def test_a_result_is_typed_as_the_page_shows_it_or_as_the_api_does():
    for typed in ("result:failed", "result:Failed", "result:error"):
        assert LogFilterForm({"search": typed}).asked == {"outcome": "error"}


def test_after_an_error_the_new_period_is_still_the_newer_one():
    sent = {"from": "2026-11-20", "period": "1h", "shown_period": "", "search": "result:perhaps"}
    wrong = LogFilterForm(sent)
    assert "search" in wrong.errors
    corrected = LogFilterForm(sent | {"search": "", "shown_period": wrong.shown_period})
    assert corrected.asked == {"period": "1h"}


def test_filters_are_shown_in_words():
    filters = {
        "search": "two words",
        "action": "keys.key.rotated",
        "object": "a-key",
        "outcome": "error",
        "source": "api",
        "actor_type": "service_account",
        "request_id": "1",
        "period": "yesterday",
        "from": "2026-11-20T15:16:53.217299Z",
        "to": "2026-11-21T15:00:00.000000Z",
    }
    assert in_words(filters) == [
        ("Search", "two words"),
        ("Action", "Rotate key"),
        ("Object", "a-key"),
        ("Result", "Failed"),
        ("Source", "API"),
        ("Actor type", "Service account"),
        ("Request ID", "1"),
        ("Period", "Yesterday (UTC)"),
        ("From", "2026-11-20 15:16:53Z"),
        ("To", "2026-11-21 15:00Z"),
    ]
    altered = {"outcome": "perhaps", "from": "soon", "period": "2y"}
    assert in_words(["x"]) == [("Filters", "['x']")]
    for value in (5, ["x"], {}, "0001-01-01T00:00+14:00"):
        assert [shown for _, shown in in_words(dict.fromkeys(altered, value))]
    assert in_words(altered) == [("Result", "Perhaps"), ("From", "soon"), ("Period", "2y")]
