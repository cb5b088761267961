"""The life of keys over 400 days of a moved clock, with the schedule alone at work."""

from datetime import timedelta
from itertools import groupby

import pytest

from kernel.clock import database_now
from kernel.demo_clock import running_from
from keys.deletion import services as deletion
from keys.models import Key
from keys.policies.services import changing
from keys.schedule import PERIODIC
from tests.log_entries import log_rows

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

STEPS = 80
# A little more than whole days, so that a rotation is due at its step and not at the next one.
STEP = timedelta(days=5, minutes=10)
SCHEDULED = 40  # the step at which a deletion is scheduled


@pytest.fixture
def keys(admin, new_key):
    """One key for each way through a life, by name, created 400 days ago and left alone until today."""
    begin = database_now() - STEPS * STEP
    with running_from(begin) as clock:
        policy = changing.create_policy(
            principal=admin.principal,
            name="yearly",
            algorithm="aes-256",
            key_lifetime_days=365,
            rotation_policy={"every_days": 90},
            minimum_deletion_days=14,
        )
        of_policy, start = {"policy_id": policy.id}, database_now()
        new_key(name="under-policy", **of_policy)
        new_key(name="with-own-period", rotation_period_days=30, **of_policy)
        new_key(name="pending", activates_at=start + timedelta(days=50), **of_policy)
        new_key(name="unmanaged")
        doomed = new_key(name="doomed", **of_policy)
        for step in range(1, STEPS + 1):
            clock.move_to(begin + step * STEP)
            if step == SCHEDULED:
                deletion.schedule_deletion(
                    principal=admin.principal,
                    key_id=doomed.id,
                    reason="obsolete",
                    confirm_name="doomed",
                    waiting_days=14,
                )
            for function in PERIODIC.values():
                function()
    return {key.name: key.check_mac() for key in Key.objects.all()}


def life_of(key):
    """The actions in the log of a key, each with how often it occurs in a row."""
    actions = log_rows().filter(object_id=str(key.id)).order_by("id").values_list("action", flat=True)
    return [(action.removeprefix("keys.key."), len(list(run))) for action, run in groupby(actions)]


def test_every_key_goes_through_the_life_of_its_policy_unattended_and_on_record(keys):
    assert {name: life_of(key) for name, key in keys.items()} == {
        "under-policy": [("created", 1), ("rotated", 4), ("expired", 1)],
        "with-own-period": [("created", 1), ("rotated", 12), ("expired", 1)],
        # Its cryptoperiod begins with its activation, and ends after these 400 days.
        "pending": [("created", 1), ("activated", 1), ("rotated", 4)],
        "unmanaged": [("created", 1)],
        "doomed": [("created", 1), ("rotated", 2), ("deletion_scheduled", 1), ("destroyed", 1)],
    }
    now = database_now()
    assert {name: str(key.lifecycle_state(now).status) for name, key in keys.items()} == {
        "under-policy": "expired",
        "with-own-period": "expired",
        "pending": "active",
        "unmanaged": "active",
        "doomed": "destroyed",
    }
