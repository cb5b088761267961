import json

import pytest

from audit.forwarding.events.formats import FORMATS, LogFormat
from audit.forwarding.events.severities import _OF_SUCCESS, Severity, severity_of
from kernel import __version__
from tests.action_tables import labels
from tests.audit.forwarding.ocsf_schema import published
from tests.audit.forwarding.samples import ACCOUNT, KEY, REVOKED, USER, altered, few_samples, sample

# Every control character, the separators of Unicode, and what CEF escapes.
HOSTILE = "".join(map(chr, range(1, 32))) + "\r\n\x7f\x85\u2028\u2029 a=b | c\\d\\n \\"
ANYTHING = altered(
    id="not a number",
    event_id=17,
    timestamp="yesterday",
    client_ip="somewhere",
    action=HOSTILE,
    actor_type="root",
    outcome="maybe",
    object_version="three",
    count=2**70,
    size=True,
    meta="[" * 5_000,
)


def events(log_format, *entries):
    return [json.loads(FORMATS[log_format](entry)) for entry in entries]


def test_canonical_json_is_the_bytes_of_the_leaf():
    assert FORMATS["json"](REVOKED) == REVOKED.octets


def test_an_altered_entry_has_its_integrity_in_each_format():
    assert events("json", ANYTHING)[0]["integrity"] == "altered"
    assert events("ecs", ANYTHING)[0]["ciphercanary"]["integrity"] == "altered"
    assert events("ocsf", ANYTHING)[0]["unmapped"]["integrity"] == "altered"
    assert b"flexString1=altered flexString1Label=integrity" in FORMATS["cef"](ANYTHING)


@pytest.mark.parametrize("log_format", LogFormat)
def test_no_text_breaks_the_line(log_format):
    entry = sample(actor_name=HOSTILE, user_agent=HOSTILE, object_id=HOSTILE, meta=HOSTILE, code=HOSTILE)
    for found in (FORMATS[log_format](entry), FORMATS[log_format](ANYTHING)):
        assert len(found.splitlines()) == 1
        found.decode()


def test_an_event_of_ocsf_is_valid_for_every_action_and_outcome():
    schemas = published()
    assert [
        (event["metadata"]["event_code"], fault)
        for event in events("ocsf", *few_samples(), ANYTHING)
        for fault in schemas.faults(event)
    ] == []


@pytest.mark.parametrize(
    ("action", "outcome", "class_uid", "activity_id"),
    [
        ("crypto.message.decrypted", "ok", 6003, 99),
        ("crypto.data_key.generated", "denied", 6003, 99),
        ("keys.key.created", "ok", 6003, 1),
        ("keys.key.listed", "denied", 6003, 2),
        ("keys.key.rotated", "ok", 6003, 3),
        ("keys.grant.removed", "ok", 6003, 4),
        ("an.unknown.action", "ok", 6003, 99),
        ("accounts.session.opened", "denied", 3002, 1),
        ("accounts.session.closed", "ok", 3002, 2),
        ("accounts.user.created", "ok", 3001, 1),
        ("accounts.user.disabled", "ok", 3001, 5),
        ("accounts.totp.reset", "ok", 3001, 11),
        ("audit.log.alarmed", "error", 2004, 1),
        ("audit.alarm.resolved", "ok", 2004, 3),
        ("audit.alarm.resolved", "denied", 6003, 99),
    ],
)
def test_an_action_has_a_class_and_an_activity_of_ocsf(action, outcome, class_uid, activity_id):
    [event] = events("ocsf", sample(action=action, outcome=outcome))
    assert (event["class_uid"], event["activity_id"]) == (class_uid, activity_id)


def test_an_event_of_ocsf_names_actor_address_and_object():
    [event] = events("ocsf", REVOKED)
    assert event["time"] == 1_796_042_096_789
    assert event["actor"]["user"] == {"name": "mira", "uid": USER, "type_id": 1}
    assert event["src_endpoint"] == {"ip": "192.0.2.77"}
    assert event["resources"] == [{"type": "key", "uid": KEY}]
    assert (event["status_id"], event["status_detail"], event["severity_id"]) == (2, "denied", 3)
    [hidden] = events("ocsf", sample(outcome="denied", object_type="key", object_id="name:invoices"))
    assert hidden["resources"] == [{"type": "key", "name": "invoices"}]
    [created] = events(
        "ocsf",
        sample(action="accounts.service_account.created", object_type="service_account", object_id=ACCOUNT),
    )
    assert created["user"] == {"uid": ACCOUNT, "type_id": 99, "type": "service_account"}


def test_the_end_of_an_alarm_is_the_finding_of_the_alarm():
    raised = sample(action="audit.log.alarmed", outcome="error", code="entry_altered", event_id=USER)
    resolved = sample(action="audit.alarm.resolved", meta=json.dumps({"raised_by": USER}))
    first, second = events("ocsf", raised, resolved)
    assert first["finding_info"] == {"uid": USER, "title": "Entry altered", "types": ["entry_altered"]}
    assert (second["finding_info"]["uid"], first["status_id"], second["status_id"]) == (USER, 1, 4)


def test_an_event_of_ecs_has_the_documented_fields():
    [event] = events("ecs", REVOKED)
    own = event.pop("ciphercanary")
    assert event == {
        "@timestamp": "2026-11-30T12:34:56.789012Z",
        "ecs": {"version": "8.11.0"},
        "message": "Revoke key — denied",
        "log": {"level": "warning"},
        "event": {
            "kind": "event",
            "module": "ciphercanary",
            "dataset": "ciphercanary.audit",
            "action": "keys.key.revoked",
            "category": ["api"],
            "type": ["change"],
            "outcome": "failure",
            "severity": 3,
            "id": "11111111-2222-4333-8444-555555555555",
            "sequence": 4711,
            "code": "permission_denied",
            "provider": "console",
        },
        "service": {"name": "CipherCanary", "type": "ciphercanary", "version": __version__},
        "user": {"id": USER, "name": "mira"},
        "source": {"ip": "192.0.2.77", "address": "192.0.2.77"},
    }
    assert own["object"] == {"type": "key", "id": KEY}
    assert (own["outcome"], own["meta"], own["integrity"]) == ("denied", "{}", "verified")


def test_an_address_has_no_zone():
    [event] = events("ecs", sample(client_ip="fe80::1%eth0"))
    assert event["source"] == {"ip": "fe80::1", "address": "fe80::1"}


# Values of ``event.category`` and ``event.type`` that ECS permits together.
PERMITTED = {
    "api": {"access", "admin", "allowed", "change", "creation", "deletion", "denied", "end", "info", "start", "user"},
    "authentication": {"start", "end", "info"},
    "iam": {"admin", "change", "creation", "deletion", "group", "info", "user"},
    "intrusion_detection": {"allowed", "denied", "info"},
}  # fmt: skip


def test_an_event_of_ecs_has_a_category_and_a_type_of_it():
    found = [event["event"] for event in events("ecs", *few_samples())]
    assert {category for event in found for category in event["category"]} == PERMITTED.keys()
    assert all(set(event["type"]) <= PERMITTED[event["category"][0]] for event in found)


def test_an_event_of_ecs_has_no_value_of_another_type():
    [event] = events("ecs", ANYTHING)
    assert event["@timestamp"] == "1970-01-01T00:00:00.000000Z"
    assert "source" not in event
    assert not {"sequence", "id"} & event["event"].keys()
    assert not {"count", "size"} & event["ciphercanary"].keys()


def test_an_event_of_cef_is_a_header_and_an_extension():
    assert FORMATS["cef"](REVOKED).decode() == (
        f"CEF:0|CipherCanary|CipherCanary|{__version__}|keys.key.revoked|Revoke key|5|"
        "rt=1796042096789 externalId=11111111-2222-4333-8444-555555555555 outcome=failure reason=permission_denied "
        f"suid={USER} suser=mira sourceServiceName=console cnt=1 src=192.0.2.77 "
        f"cs1=key cs1Label=objectType cs2={KEY} cs2Label=objectId cs4={{}} cs4Label=meta "
        "cn1=4711 cn1Label=entryId flexString1=verified flexString1Label=integrity "
        "flexString2=user flexString2Label=actorType"
    )


def test_cef_escapes_what_would_start_another_field():
    entry = sample(action="a|b\\c", actor_name="eve\nact=allowed\r\nsuser=admin", client_ip="2001:db8::5")
    line = FORMATS["cef"](entry).decode()
    assert "|a\\|b\\\\c|" in line
    assert " suser=eve\\nact\\=allowed\\nsuser\\=admin sourceServiceName=" in line
    assert " c6a2=2001:db8::5 c6a2Label=Source IPv6 Address " in line
    assert "src=" not in line


def test_cef_shortens_a_text_beyond_the_limit_of_its_field():
    assert f"cs4={'x' * 3_999}\u2026 cs4Label=meta" in FORMATS["cef"](sample(meta="x" * 4_001)).decode()
    assert f"cs4={'x' * 4_000} cs4Label=meta" in FORMATS["cef"](sample(meta="x" * 4_000)).decode()


@pytest.mark.parametrize(
    ("action", "outcome", "severity"),
    [
        ("crypto.message.encrypted", "ok", Severity.INFORMATIONAL),
        ("crypto.message.encrypted", "denied", Severity.LOW),
        ("crypto.message.encrypted", "error", Severity.LOW),
        ("keys.key.rotated", "ok", Severity.LOW),
        ("keys.key.rotated", "denied", Severity.MEDIUM),
        ("keys.key.exported", "ok", Severity.MEDIUM),
        ("keys.key.exported", "denied", Severity.MEDIUM),
        ("audit.log.rollback_accepted", "ok", Severity.HIGH),
        ("audit.log.rollback_accepted", "denied", Severity.HIGH),
        ("audit.log.verified", "ok", Severity.INFORMATIONAL),
        ("audit.log.verified", "error", Severity.HIGH),
        ("audit.log.alarmed", "error", Severity.CRITICAL),
    ],
)
def test_the_severity_follows_from_action_and_outcome(action, outcome, severity):
    assert severity_of(action, outcome) == severity


def test_each_action_with_a_severity_of_its_own_exists():
    assert _OF_SUCCESS.keys() <= labels().keys()


def test_the_severities_of_syslog_are_those_of_rfc_5424():
    assert [severity.of_syslog for severity in Severity] == [6, 5, 4, 3, 2]
