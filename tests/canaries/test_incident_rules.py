"""Which touches are one incident, which are expected, and when a notice is due. Without a database."""

from datetime import timedelta

import pytest

from canaries.documents import Exemption, Incidents, Kind, Level, Status
from canaries.incidents import add_touch, announce, due, is_expected
from tests.canaries.samples import NOON, canary, touch

EXEMPTION = Exemption(token_id="7", operation="crypto.message.encrypted", client_ip="192.0.2.1", per_hour=3)
EXPECTED = {"outcome": "ok", "action": "crypto.message.encrypted", "code": ""}
KEY = canary(1, kind=Kind.KEY, level=Level.QUARANTINE, exemptions=(EXEMPTION,))
SECOND = timedelta(seconds=1)


@pytest.fixture
def incidents():
    return Incidents()


@pytest.mark.parametrize(
    "other",
    [
        {"outcome": "denied"},
        {"credential": "token:8"},
        {"action": "crypto.message.decrypted"},
        {"client_ip": "192.0.2.2"},
    ],
)
def test_an_exemption_covers_its_token_operation_address_and_successes_only(incidents, other):
    assert is_expected(incidents, KEY, touch(**EXPECTED))
    assert not is_expected(incidents, KEY, touch(**EXPECTED | other))


def test_an_exemption_covers_a_number_of_uses_an_hour(incidents):
    def use(after, count=1):
        return is_expected(incidents, KEY, touch(**EXPECTED, at=NOON + after, count=count))

    assert use(SECOND, count=3)
    assert not use(SECOND)
    assert not use(timedelta(hours=1))
    assert use(SECOND + timedelta(hours=1))


@pytest.mark.parametrize("action", ["crypto.message.decrypted", "keys.key.exported"])
def test_a_successful_use_or_export_of_a_key_proves_a_theft(incidents, action):
    refused = add_touch(incidents, KEY, touch(action=action))
    assert (refused.level, refused.proved_at) == (Level.QUARANTINE, None)
    proved = add_touch(incidents, KEY, touch(action=action, outcome="ok", at=NOON + SECOND))
    assert (proved is refused, proved.proved_at, proved.touches) == (True, NOON + SECOND, 2)


def test_a_change_of_a_key_proves_nothing(incidents):
    assert add_touch(incidents, KEY, touch(action="keys.key.disabled", outcome="ok")).proved_at is None


def test_a_notice_is_due_at_once_and_then_once_a_minute(incidents):
    incident = add_touch(incidents, KEY, touch())
    assert due(incidents, NOON) == [incident]
    announce(incident, {}, NOON)
    assert due(incidents, NOON + timedelta(hours=1)) == []
    add_touch(incidents, KEY, touch())
    assert due(incidents, NOON + 59 * SECOND) == []
    assert due(incidents, NOON + 60 * SECOND) == [incident]


@pytest.mark.parametrize("status", [Status.CLOSED, Status.FALSE_ALARM])
def test_an_ended_incident_has_no_notice_and_another_touch_opens_one(incidents, status):
    ended = add_touch(incidents, KEY, touch())
    ended.status = status
    assert due(incidents, NOON) == []
    assert add_touch(incidents, KEY, touch()) is not ended


def test_the_level_observe_has_no_notice(incidents):
    add_touch(incidents, canary(2, level=Level.OBSERVE), touch())
    assert due(incidents, NOON) == []


def test_the_document_keeps_open_incidents_and_the_last_200_closed_ones(incidents):
    opened = add_touch(incidents, KEY, touch(credential="token:first"))
    for number in range(201):
        add_touch(incidents, KEY, touch(credential=f"token:{number}")).status = Status.CLOSED
    add_touch(incidents, KEY, touch(credential="token:last"))
    kept = [incident.credential for incident in incidents.incidents]
    assert kept == [opened.credential, *(f"token:{number}" for number in range(1, 201)), "token:last"]
