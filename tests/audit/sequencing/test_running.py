"""How often the sequencer works, and that it continues after any failure."""

import time

import pytest
from django.conf import settings
from django.db import connection

from audit.models import AuditCheckpoint, AuditTree
from audit.sequencing import running
from audit.sequencing.bundles.step import batch_size
from audit.sequencing.running import Sequencer, pause_after
from tests.audit.sequencing.log import write
from tests.conftest import append_only_triggers_off

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("part", "seconds"), [(0.0, 1.0), (0.5, 0.5), (0.95, 0.1)])
def test_a_fuller_step_shortens_the_next_pause(part, seconds):
    assert pause_after(int(part * batch_size())) == pytest.approx(seconds)


def test_a_full_step_continues_at_once_and_on_sqlite_after_a_short_pause():
    assert pause_after(batch_size()) == (0.1 if settings.CC_SQLITE else 0.0)


def test_a_turn_sequences_and_signs():
    write(3)
    assert Sequencer(lambda: False).turn() == pytest.approx(1.0, abs=0.1)
    assert AuditCheckpoint.objects.get().size == AuditTree.objects.get().size == 3


def test_repeated_failures_lengthen_the_pause_until_a_success(caplog):
    sequencer = Sequencer(lambda: False)
    with append_only_triggers_off(), connection.cursor() as cursor:  # SQLite would rewrite their texts
        cursor.execute("ALTER TABLE audit_bundles RENAME TO elsewhere")
        pauses = [sequencer.turn() for _ in range(12)]
        cursor.execute("ALTER TABLE elsewhere RENAME TO audit_bundles")
    assert pauses == [0.5, 1.0, 2.0, 4.0, *[5.0] * 8]
    assert sequencer._failures == 10  # two to the power of a thousand is no float
    assert "the sequencer continues after a pause" in caplog.text

    write()
    assert sequencer.turn() == pytest.approx(1.0, abs=0.1)
    assert AuditTree.objects.get().size == 1


def test_an_unwritable_head_does_not_stop_the_sequencer(settings, tmp_path):
    home, settings.CC_HOME = settings.CC_HOME, tmp_path
    (tmp_path / "audit-head").mkdir()  # it cannot be read or replaced
    for key in home.glob("kek-*.key"):
        (tmp_path / key.name).write_bytes(key.read_bytes())
    write(2)

    assert Sequencer(lambda: False).turn() == 0.5
    assert AuditTree.objects.get().size == 2


def test_a_stop_ends_the_pause_and_sequences_once_more(monkeypatch):
    monkeypatch.setattr(running, "PAUSE", 600.0)
    begun = time.monotonic()
    write()

    def has_to_stop():
        if time.monotonic() - begun > 0.2 and AuditTree.objects.get().size == 1:
            write()
            return True
        return AuditTree.objects.get().size > 1

    Sequencer(has_to_stop).run()
    assert time.monotonic() - begun < 60
    assert AuditCheckpoint.objects.first().size == AuditTree.objects.get().size
