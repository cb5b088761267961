"""Short forms of ``campaigns.tampering.campaign`` (every kind of alteration once) and of ``campaigns.tampering.displayed``."""

import os
import re
import subprocess
import sys

import pytest

from campaigns.tampering.displayed import CHANGE_SURFACES, ENTRY_SURFACES, Campaign
from tests.product import ROOT

# Values that Django cannot convert, on either database.
COLUMNS = "audit_logs.timestamp|audit_trail.changed_at"
SHORT = ("--entries", "300", "--parts", "4", "--rows", "1", "--times", "1", "--untouched", "4")


@pytest.mark.sweep
@pytest.mark.database
def test_every_alteration_of_the_log_is_noticed_and_no_whole_log_is_suspected():
    done = subprocess.run(
        [sys.executable, "-m", "campaigns.tampering.campaign", *SHORT],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    names = re.findall(r"^(\S.*?)  +[1-9]", done.stdout, re.MULTILINE)
    [(tried, right)] = re.findall(r"^(\d+) tried, (\d+) as it should be", done.stdout, re.MULTILINE)
    assert int(tried) == int(right) > 100
    for table in (
        "audit_logs",
        "audit_trail",
        "audit_bundles",
        "audit_tiles",
        "audit_tree",
        "audit_checkpoints",
        "sealed_documents",
        "journal_pages",
        "log_position",
    ):
        assert any(name.startswith(f"{table}.") for name in names)
    for kind in (
        "removed",
        "inserted",
        "swapped",
        "duplicated",
        "renumbered",
        "cut off",
        "an old copy",
        "rewritten",
        "sealed journal",
    ):
        assert any(name.startswith(kind) for name in names)


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_an_altered_row_is_marked_wherever_it_is_shown_and_raises_one_alarm(root_of_trust):
    tally = Campaign(COLUMNS, variants=1).play(states=[True])
    assert tally.faults == 0
    assert tally.alarmed == tally.alterations == 2
    # A list by time does not find the unreadable time.
    assert len(tally.marked) == len(ENTRY_SURFACES) + len(CHANGE_SURFACES) - 1
