"""The notice of an incident: names, result, origin and next steps, within bounds. Without a database."""

from datetime import timedelta
from uuid import UUID

import pytest

from canaries.documents import Incident, Kind, Level, Status
from canaries.incidents import announce
from canaries.next_steps import next_steps
from tests.canaries.samples import NOON, canary, touch


def incident_of(canaries, credential="token:7", **members):
    return Incident(
        id=UUID(int=99),
        credential=credential,
        first=touch(canary_id=canaries[0].id, credential=credential, **members),
        canary_ids=[each.id for each in canaries],
        level=Level.ALERT,
        touches=3,
        last_at=NOON + timedelta(seconds=5),
    )


def notice_of(canaries, **members):
    return announce(incident_of(canaries, **members), {each.id: each for each in canaries}, NOON)


def test_a_notice_names_what_happened_and_the_next_steps():
    notice = notice_of([canary(1, note=".env of the CI")])
    assert (notice.title, notice.topic) == ("Canary touched: service token deploy-1", "canary.touched")
    lines = notice.text.split("\n")
    assert lines[0] == "Canary touched: service token deploy-1 (.env of the CI)."
    assert lines[1].endswith(": denied (token_revoked), by ci from 192.0.2.1 (curl/8).")
    assert lines[2:] == [
        "First touch: 2026-12-01 12:00:00 UTC, entry 42, request r1.",
        "Touches so far: 3, the last one on 2026-12-01 12:00:05 UTC.",
        "Incident: 00000000-0000-0000-0000-000000000063",
        "",
        "Next steps:",
        "1. Acknowledge the incident, so that the other officers know that you work on it.",
        "2. Read the latest events of the credential. Decide whether this is an attack or a false alarm.",
        "3. Revoke the service token, and create another one for its client.",
        "4. Someone read the place where you put the token. Replace all secrets stored there.",
    ]


def test_a_notice_has_the_same_facts_for_programs():
    assert notice_of([canary(1)]).facts == {
        "incident": "00000000-0000-0000-0000-000000000063",
        "is_drill": False,
        "level": "alert",
        "canaries": ["service token deploy-1"],
        "touches": 3,
        "last_at": "2026-12-01T12:00:05+00:00",
        "first": {
            "at": "2026-12-01T12:00:00+00:00",
            "entry": 42,
            "action": "accounts.service_token.used",
            "outcome": "denied",
            "code": "token_revoked",
            "actor": "ci",
            "credential": "token:7",
            "client_ip": "192.0.2.1",
            "user_agent": "curl/8",
            "request_id": "r1",
        },
    }


def test_an_unknown_client_has_an_address_to_block():
    text = notice_of(
        [canary(1)], credential="unauthenticated:x", actor_name="", client_ip="", user_agent=""
    ).text
    assert "by an unauthenticated client from an unknown address (no user agent)." in text
    assert "3. Find out to whom the address belongs, and block it if it is not yours." in text


def test_a_key_that_a_stranger_named_proves_no_stolen_account():
    text = notice_of([canary(1, kind=Kind.KEY)], credential="unauthenticated:x").text
    assert text.endswith("3. Find out to whom the address belongs, and block it if it is not yours.")


def test_texts_are_bounded_and_removed_canaries_have_no_name():
    canaries = [canary(number, note="n" * 201) for number in range(7)]
    notice = announce(incident_of(canaries, user_agent="u" * 400), {canaries[1].id: canaries[1]}, NOON)
    assert notice.title == "Canary touched: a removed canary"
    names = notice.facts["canaries"]
    assert names[:2] == ["a removed canary", f"service token deploy-1 ({'n' * 199}…)"]
    assert names[4:] == ["a removed canary", "2 more"]
    assert "u" * 199 + "…" in notice.text


def test_later_touches_are_updates_which_replace_each_other():
    canaries = [canary(1)]
    incident = incident_of(canaries)
    first = announce(incident, {}, NOON)
    incident.touches = 9
    later = announce(incident, {canaries[0].id: canaries[0]}, NOON)
    assert (later.title, later.topic) == ("More touches of service token deploy-1: 9", "incident.updated")
    assert (first.key, later.key) == ("", f"incident {incident.id}")


def test_an_acknowledged_incident_needs_no_acknowledgement():
    incident = incident_of([canary(1)])
    incident.status = Status.ACKNOWLEDGED
    assert "1. Read the latest events" in announce(incident, {}, NOON).text


@pytest.mark.parametrize(
    ("kind", "credential", "step"),
    [
        (Kind.TOKEN, "token:1", "Revoke the token: nobody needs it. Plant another one."),
        (
            Kind.CLIENT,
            "service_account:1",
            "Disable the service account: nobody needs it. Plant another one.",
        ),
        (Kind.CLIENT, "token:7", "Disable the service account: nobody needs it. Plant another one."),
        (Kind.USER, "user:1", "Disable the user: nobody needs it. Plant another one."),
        (Kind.KEY, "user:1", "End all sessions of the user, and reset their password and second factor."),
    ],
)
def test_the_step_for_a_planted_credential_ends_it(kind, credential, step):
    incident = incident_of([canary(1)], credential=credential, holder="1")
    incident.status = Status.CONFIRMED
    assert next(next_steps(incident, [canary(1, kind=kind)])) == step


@pytest.mark.parametrize(
    ("credential", "step"),
    [
        ("token:7", "Someone used an account"),
        ("user:7", "CipherCanary has disabled or signed out the user."),
        ("user:1", "Someone signs in"),
    ],
)
def test_quarantine_has_ended_the_credential(credential, step):
    kind = Kind.USER if credential == "user:1" else Kind.KEY
    incident = incident_of([canary(1)], credential=credential, holder=credential[-1])
    incident.status, incident.quarantined_at = Status.CONFIRMED, NOON
    assert next(next_steps(incident, [canary(1, kind=kind)])).startswith(step)


def test_a_drill_is_called_one():
    notice = notice_of([canary(1)], credential="drill:1")
    assert notice.title == "Drill. Canary touched: service token deploy-1"
    assert notice.text.startswith("This is a drill.")
    assert notice.text.endswith("1. No action is necessary: a command on the server started a drill.")
    assert notice.facts["is_drill"]
