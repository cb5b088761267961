"""The schedule of the demo: believable, in order, and nothing in the future."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from demo.data import ADMIN, AUDITOR, INCIDENT, KEYS, OFFICER, OPERATOR
from demo.schedule import SATURDAY, plan

NOW = datetime(2026, 11, 27, 10, 17, tzinfo=UTC)  # a Friday
DAY = timedelta(days=1)
# Days and hours at which a shift to working hours could leave the history.
ENDS = [NOW + DAY * number + timedelta(hours=5 * number) for number in (0, 1, 3, 6)]
MANY = 10  # calls on a working day
USES = {"encrypt", "decrypt"}


def planned(days=60, ends=NOW):
    return plan(KEYS, ends - DAY * days, ends, 6 * DAY)


@pytest.mark.parametrize("days", [2, 14, 60])
@pytest.mark.parametrize("ends", ENDS)
def test_every_key_lives_in_order_and_before_now(days, ends):
    steps = planned(days, ends)
    assert all(ends - DAY * days <= step.at < ends for step in steps)
    assert all(before.at <= after.at for before, after in pairwise(steps))
    for key in KEYS:
        own = [step for step in steps if step.subject == key.name]
        assert own[0].kind == "create"
        changes = [step.kind for step in own if step.kind in {"create", "rotate", "retire", "end"}]
        assert changes.count("create") == 1
        assert changes.count("end") == (key.fate in {"disabled", "revoked", "compromised", "scheduled"})
        assert changes.count("retire") == bool(key.retired)
        assert "end" not in changes[:-1]
        if not key.fate and key.use.calls > MANY:
            assert ends - own[-1].at < DAY


@pytest.mark.parametrize(("days", "day", "hour"), [(14, 6, 12), (21, 6, 0), (60, 5, 12), (60, 8, 0)])
def test_an_application_is_connected_after_its_keys_are_created(days, day, hour):
    """A developer cannot create a key with a tag that has a grant. At these ends, both fall on the same day."""
    steps = planned(days, datetime(2026, 11, day, hour, tzinfo=UTC))
    connected = next(step.at for step in steps if (step.kind, step.subject) == ("connect", "fraud-model"))
    tagged = {key.name for key in KEYS if "ml" in key.tags}
    assert all(step.at < connected for step in steps if step.kind == "create" and step.subject in tagged)


def caller_of(step):
    key = next((key for key in KEYS if key.name == step.subject), None)
    callers = {
        "sign_out": step.subject,
        "refresh": step.subject,
        "export": AUDITOR,
        "replace_password": ADMIN,
        "define_policies": ADMIN,
        "appoint": OFFICER,
        "plant": ADMIN,
        "doom": ADMIN,
        "connect": ADMIN,
        "add_webhook": ADMIN,
        "move_in": ADMIN,
        "rotate": OPERATOR,
        "retire": OPERATOR,
        "end": OPERATOR if key and key.fate == "disabled" else ADMIN,
    }
    return callers.get(step.kind) or key.owner  # of the key that is created or used


@pytest.mark.parametrize("ends", ENDS)
def test_each_actor_has_signed_in_before_acting(ends):
    for days in (2, 60):
        steps = planned(days, ends)
        sessions = Counter()  # a person may have several at the same time
        for step in steps:
            if step.kind in {"sign_in", "open_session"}:
                sessions[step.subject] += 1
            elif step.kind not in {"fail_to_sign_in", "rotate_due", "intrude", "call"}:
                assert sessions[caller_of(step)] > 0, step
                sessions[step.subject] -= step.kind == "sign_out"


def test_two_plans_of_the_demo_are_equal():
    assert planned() == planned()


def test_a_working_day_is_busier_than_a_sunday_and_noon_busier_than_the_night():
    used = [step for step in planned() if step.kind in USES and not step.origin]
    by_weekday = Counter(step.at.weekday() for step in used)
    assert by_weekday[SATURDAY + 1] < 0.8 * by_weekday[1]
    nightly = {key.name for key in KEYS if key.use.rhythm == "night"}
    by_hour = Counter(step.at.hour for step in used if step.subject not in nightly)
    assert by_hour[3] < 0.3 * by_hour[12]
    assert {step.at.hour for step in used if step.subject == "fraud-features"} == {2}


def test_the_use_of_a_key_grows():
    used = [step for step in planned() if step.kind in USES and step.subject == "payments-db"]
    weeks = Counter((NOW - step.at).days // 7 for step in used)
    assert weeks[1] > 1.4 * weeks[7]


def test_a_job_calls_a_disabled_key_in_the_last_hour_and_the_incident_has_attempts_after_its_end():
    steps = planned()
    job = [step for step in steps if step.subject == "legacy-csv" and step.kind == "encrypt"]
    assert NOW - job[-1].at < timedelta(hours=1)
    incident = [step for step in steps if step.subject == INCIDENT]
    ended = next(step.at for step in incident if step.kind == "end")
    assert sum(step.at > ended for step in incident) > 30
    assert all(step.origin for step in incident if step.at > ended)
