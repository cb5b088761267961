"""Every health check is a metric, and so is the difference between the clocks."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import time_machine

from audit.log.events import Actor, Event
from audit.sequencing.catching_up import catch_up
from ciphercanary import health_metrics
from console import actions, checks, health
from console.key_encryption.copies import OBJECT_TYPE
from kernel.observability.check_rounds import CheckRounds
from kernel.observability.metrics import health_check
from kernel.runtime import ProcessState
from kernel.trust.models import KeyEncryptionKey
from tests.audit.test_health import measured
from tests.log_entries import record

pytestmark = pytest.mark.django_db


def register(monkeypatch, **checks):
    group = (ProcessState(partial(CheckRounds, checks)), checks)
    monkeypatch.setattr(health, "_ROUNDS", [*health._ROUNDS, group])


def failing():
    """The names of all checks, and of those that fail."""
    found = {name: value for name, value in measured().items() if name.startswith("health_check{")}
    return {name.split('"')[1] for name in found}, {
        name.split('"')[1] for name, value in found.items() if value == 0
    }


def test_a_check_is_a_metric_once_it_is_registered(monkeypatch):
    monkeypatch.setattr(checks, "LEAST_FREE_BYTES", 0)
    monkeypatch.setattr(checks, "LEAST_FREE_SHARE", 0)
    register(monkeypatch, new_good=lambda: health.HEALTHY, new_bad=lambda: 1 / 0, new_slow=lambda: "lagging")
    every, bad = failing()
    assert every >= {*health.names(), *health.VITAL, *health.DEGRADING, "new_good"}
    assert bad == {"new_bad", "new_slow", "key_encryption_key_copy"}
    health_metrics.invalidate()
    assert {health_check.labels(name)._value.get() for name in health.names()} == {0}


def test_a_full_disk_and_a_checked_copy_are_seen(monkeypatch):
    monkeypatch.setattr(checks, "LEAST_FREE_SHARE", 2)
    event = Event(
        action=actions.KEK_COPY_CHECKED, object_type=OBJECT_TYPE, object_id=KeyEncryptionKey.objects.get().pk
    )
    record(event, Actor.system("test", "command"))
    catch_up()
    assert failing()[1] & {*health.names(), "key_encryption_key_copy"} == {"disk"}


@pytest.mark.postgresql
def test_the_skew_of_the_clocks_is_measured():
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        assert measured()["clock_skew_seconds"] == pytest.approx(3600, abs=300)
