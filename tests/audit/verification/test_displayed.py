"""An altered row is marked wherever the log is shown; ``tests.tampering.displayed`` tests every column."""

import pytest

from tests.tampering.displayed import CHANGE_SURFACES, ENTRY_SURFACES, Campaign

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

# Values that Django cannot convert, on either database.
COLUMNS = "audit_logs.timestamp|audit_trail.changed_at"


def test_an_altered_row_is_marked_wherever_it_is_shown_and_raises_one_alarm(root_of_trust):
    tally = Campaign(COLUMNS, variants=1).play(states=[True])
    assert tally.faults == 0
    assert tally.alarmed == tally.alterations == 2
    assert (
        len(tally.marked) == len(ENTRY_SURFACES) + len(CHANGE_SURFACES) - 1
    )  # a list by time does not find the unreadable time
