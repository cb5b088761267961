"""Which words of a search are filters. ``tests/audit/test_pages_log.py`` shows the result on the page."""

import pytest

from audit.browse.filters import in_words
from audit.browse.interpretation import interpret

SIGN_IN = {"action": "accounts.session.opened"}


@pytest.mark.parametrize(
    ("search", "rest", "filters"),
    [
        ("", "", {}),
        ("denied", "", {"outcome": "denied"}),
        ("Allowed", "", {"outcome": "ok"}),
        ("ok", "", {"outcome": "ok"}),
        ("failed sign in", "", {"outcome": "denied"} | SIGN_IN),
        ("Sign In failed", "", {"outcome": "denied"} | SIGN_IN),
        ("sign", "", {"action": "sign"}),
        ("signing", "signing", {}),
        ("key signing", "signing", {"action": "keys.key.expired"}),
        ("open try it", "", {"action": "keys.trial.opened"}),
        ("file job failed today", "", {"action": "keys.file.failed", "period": "today"}),
        ("report-job denied", "report-job", {"outcome": "denied"}),
        ("payments-db decrypted", "payments-db decrypted", {}),
        ("api last 24 hours", "", {"source": "api", "period": "24h"}),
        ("scheduler command", '"command"', {"source": "scheduler"}),
        ("console yesterday x", "x", {"source": "console", "period": "yesterday"}),
        ("last week", "last week", {}),
        ("admin", "admin", {}),
        ('"denied" "sign in"', '"denied" "sign in"', {}),
        ('"sign in', '"sign in', {}),
        ("denied failed", '"failed"', {"outcome": "denied"}),
        ("last denied hour", '"last" "hour"', {"outcome": "denied"}),
        ("sign rotate key", '"rotate" "key"', {"action": "sign"}),
    ],
)
def test_the_longest_phrases_are_filters_and_the_rest_stays(search, rest, filters):
    left, found = interpret(search)
    assert (left, {name: value for name, (_, value) in found.items()}) == (rest, filters)
    assert interpret(left) == (left, {})  # a link with the rest has the same meaning


def test_a_filter_that_has_a_value_takes_no_words():
    assert interpret("denied today", taken={"outcome"}) == ('"denied"', {"period": ("today", "today")})


def test_the_first_words_of_several_labels_are_shown_as_such():
    shown = [in_words({"action": action})[0][1] for action in ("sign", "sign in", "keys.key.expired", "x")]
    assert shown == ["Sign …", "Sign in", "Key expired", "x"]
