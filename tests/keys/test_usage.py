"""The use of a key by version and caller, and the requests that an action on it would have denied."""

from datetime import datetime, timedelta

import pytest
from django.db import connection

from audit import actions as audit_actions
from audit.log.events import Event
from audit.models import UsageRollup
from audit.sequencing.daily_usage import KEPT
from audit.usage.of_key import EVERYTHING
from kernel import runtime
from kernel.clock import database_now
from kernel.crypto.modes import SEALING_MODES
from keys.editing import services as editing
from keys.impact import KeyAction, stopped_versions
from keys.rotation.services import rotating
from tests.browsing import signed_in
from tests.factories import GrantFactory
from tests.log_entries import record_alone

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

LIMIT = SEALING_MODES["aes-256-gcm"].invocation_limit


@pytest.fixture
def restored(admin):
    """Record a restore of the database, as the command does."""

    def restore():
        record_alone(Event(action=audit_actions.BACKUP_RESTORED, object_type="backup"), admin.principal.actor)
        runtime.fresh()

    return restore


def usage_of(reader, key, **query):
    response = reader.api.get(url(key, "usage", query))
    assert response.status == 200, response.json
    return response.json


def impact_of(reader, key, action, **query):
    response = reader.api.get(url(key, "impact", {"action": action, **query}))
    assert response.status == 200, response.json
    return response.json


def url(key, what, query):
    return f"/api/v1/keys/{key.id}/{what}?" + "&".join(f"{name}={value}" for name, value in query.items())


def test_usage_is_added_up_by_version_and_by_caller(admin, developer, rotated, use):
    use(rotated, admin, version=3, count=5)
    use(rotated, admin, version=3, count=90, verb="decrypted", ago=timedelta(days=2))
    use(rotated, developer, version=2, count=9, verb="decrypted", ago=timedelta(hours=1))
    use(rotated, developer, version=2, count=1, verb="reencrypted", ago=timedelta(hours=2))
    use(rotated, developer, version=2, count=4, outcome="denied")
    use(rotated, admin, version=1, count=7, verb="decrypted", ago=timedelta(days=31))
    found = usage_of(admin, rotated)

    assert (found["count"], found["key_id"]) == (105, str(rotated.id))
    assert found["operations"] == [
        {"action": "crypto.message.decrypted", "count": 99},
        {"action": "crypto.message.encrypted", "count": 5},
        {"action": "crypto.message.reencrypted", "count": 1},
    ]
    columns = ("version", "is_primary", "count", "protected", "processed", "share")
    assert [tuple(each[name] for name in columns) for each in found["versions"]] == [
        (3, True, 95, 5, 90, "0.9000"),
        (2, False, 10, 0, 10, "0.1000"),
    ]
    assert [(each["name"], each["principal_type"], each["count"]) for each in found["callers"]] == [
        ("ada", "user", 95),
        ("dora", "user", 10),
    ]
    assert [each["action"] for each in found["callers"][1]["operations"]] == [
        "crypto.message.decrypted",
        "crypto.message.reencrypted",
    ]
    last = UsageRollup.objects.filter(outcome="ok").latest("last_at").last_at
    assert datetime.fromisoformat(found["last_used"]) == last


@pytest.mark.parametrize(("days", "count"), [(1, 1), (2, 11), (366, 111)])
def test_the_period_is_a_number_of_days(admin, key, use, days, count):
    for sum_, ago in ((1, timedelta(hours=22)), (10, timedelta(hours=46)), (100, timedelta(days=300))):
        use(key, admin, count=sum_, ago=ago)
    found = usage_of(admin, key, days=days)
    assert found["count"] == count
    since, hours = datetime.fromisoformat(found["since"]), timedelta(hours=24 * days)
    if days > KEPT.days:
        assert (since.hour, since.minute) == (0, 0)
        since += timedelta(hours=(database_now() - hours).hour + 1) % timedelta(days=1)
    assert hours - timedelta(hours=1) < database_now() - since <= hours


@pytest.mark.parametrize("days", ["0", "367", "1.0", "x"])
def test_a_period_out_of_range_is_rejected(admin, key, days):
    assert admin.api.get(url(key, "usage", {"days": days})).status == 400


def test_last_use_has_three_values(admin, new_key, use, restored):
    older, used = new_key(), new_key()
    assert usage_of(admin, older)["last_used"] == "never"
    assert datetime.fromisoformat(usage_of(admin, older)["recorded_since"]) == older.created_at
    restored()
    younger = new_key()
    use(used, admin)
    found = usage_of(admin, older)
    assert found["last_used"] == f"no record since {found['recorded_since']}"
    assert datetime.fromisoformat(found["recorded_since"]) > older.created_at
    assert usage_of(admin, younger)["last_used"] == "never"
    assert usage_of(admin, used)["last_used"].endswith("Z")
    page = signed_in(admin).get("/keys/").content.decode()
    assert [page.count(each) for each in ("No record since <time", "Never")] == [1, 1]
    assert "No recorded use since <time" in signed_in(admin).get(f"/keys/{older.name}/").content.decode()


@pytest.mark.parametrize(
    ("uses", "safe", "words"),
    [
        (
            [],
            3,
            "Versions 1 to 2 were not used in the last 30 days. You can raise the minimum version to 3.",
        ),
        ([(2, "decrypted"), (3, "decrypted")], 2, "Version 1 was not used in the last 30 days."),
        ([(1, "encrypted"), (2, "reencrypted")], 2, "You can raise the minimum version to 2."),
        ([(1, "decrypted")], 1, "If you raise the minimum version above 1, such requests fail."),
        ([(0, "decrypted")], None, "CipherCanary cannot suggest a minimum version."),
    ],
)
def test_the_safe_minimum_is_the_oldest_version_that_decrypts(admin, rotated, use, uses, safe, words):
    for version, verb in uses:
        use(rotated, admin, version=version, verb=verb)
    found = usage_of(admin, rotated)
    assert found["safe_minimum_version"] == safe
    assert found["unnamed_versions"] == (1 if safe is None else 0)
    assert words in signed_in(admin).get(f"/keys/{rotated.name}/versions/").content.decode()


def test_the_safe_minimum_names_the_start_of_its_record(admin, rotated, restored):
    restored()
    page = signed_in(admin).get(f"/keys/{rotated.name}/versions/").content.decode()
    assert "Versions 1 to 2 were not used since <time" in page
    assert "There is no complete record of the time before." in page


def test_a_deterministic_key_also_encrypts_with_earlier_versions(admin, new_key, use):
    key = new_key(algorithm="aes-256-siv")
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    use(key, admin, version=1)
    found = usage_of(admin, key)
    assert (found["safe_minimum_version"], found["budget"]) == (1, None)
    assert impact_of(admin, key, "disable-version", version=1)["count"] == 1
    assert "Message limit" not in signed_in(admin).get(f"/keys/{key.name}/").content.decode()


def test_the_budget_is_shown_when_half_of_it_is_used(admin, rotated):
    browser = signed_in(admin)
    rotated.versions.filter(version=3).update(uses_reserved=LIMIT // 4)
    assert usage_of(admin, rotated)["budget"] == {
        "reserved": LIMIT // 4,
        "limit": LIMIT,
        "remaining_share": "0.7500",
    }
    assert "Message limit" not in browser.get(f"/keys/{rotated.name}/").content.decode()
    rotated.versions.filter(version=3).update(uses_reserved=LIMIT)
    assert usage_of(admin, rotated)["versions"][0]["budget"]["remaining_share"] == "0.0000"
    overview = browser.get(f"/keys/{rotated.name}/").content.decode()
    assert "Version 3 has encrypted 100.0% of the messages that one version may encrypt." in overview
    versions = browser.get(f"/keys/{rotated.name}/versions/").content.decode()
    assert versions.count("100.0% of the message limit") == 1


def test_only_the_owner_and_readers_of_the_log_see_the_callers(
    admin, auditor, developer, stranger, new_key, use
):
    key = new_key(principal=developer.principal)
    GrantFactory(key=key, to=stranger.principal)
    use(key, admin, count=7)
    for read in (usage_of, lambda reader, key: impact_of(reader, key, "disable")):
        for reader, names in ((developer, ["ada"]), (auditor, ["ada"]), (stranger, None)):
            found = read(reader, key)
            assert (found["count"], found["callers_count"]) == (7, 1)
            assert (found["callers"] and [each["name"] for each in found["callers"]]) == names


@pytest.mark.parametrize(
    ("query", "count", "lately", "stops"),
    [
        ({"action": "rotate"}, 0, 0, None),
        ({"action": "disable"}, 11111111, 11101111, (1, 3)),
        ({"action": "revoke"}, 10110101, 10100101, None),
        ({"action": "mark-compromised"}, 11111111, 11101111, (1, 3)),
        ({"action": "schedule-deletion"}, 11111111, 11101111, (1, 3)),
        ({"action": "raise-minimum", "min_decryption_version": 1}, 0, 0, None),
        ({"action": "raise-minimum", "min_decryption_version": 2}, 1000110, 1000110, (1, 1)),
        ({"action": "raise-minimum", "min_decryption_version": 3}, 1110110, 1100110, (1, 2)),
        ({"action": "disable-version", "version": 2}, 1110000, 1100000, (2, 2)),
        ({"action": "schedule-destruction", "version": 1}, 1000110, 1000110, (1, 1)),
    ],
)
def test_an_impact_counts_the_requests_that_the_act_would_have_denied(
    admin, rotated, use, query, count, lately, stops
):
    for number, (version, verb, days) in enumerate(
        [
            (3, "encrypted", 0),
            (1, "decrypted", 0),
            (1, "opened", 0),  # a verb of a later version counts as every kind
            (3, "decrypted", 0),
            (2, "reencrypted", 2),
            (2, "reencrypted", 0),
            (0, "decrypted", 0),
            (1, "encrypted", 0),  # as the primary version, which it no longer is
        ]
    ):
        use(rotated, admin, version=version, verb=verb, count=10**number, ago=timedelta(days=days))
    use(rotated, admin, version=1, verb="decrypted", count=5, ago=timedelta(days=31))
    use(rotated, admin, version=1, verb="decrypted", count=5, outcome="denied")
    found = impact_of(admin, rotated, **query)
    assert (found["count"], found["count_24_hours"]) == (count, lately)
    assert sum(each["count"] for each in found["operations"]) == count
    assert found["stops_decrypting"] == (stops and {"first": stops[0], "last": stops[1]})
    assert found["advice"] == ("in_use" if count else "no_effect")
    assert found["action"] == query["action"]


def test_the_advice_distinguishes_no_use_from_no_record(admin, key, restored):
    assert impact_of(admin, key, "disable")["advice"] == "unused"
    restored()
    found = impact_of(admin, key, "disable")
    assert (found["advice"], found["last_used"][:16]) == ("no_record", "no record since ")
    assert impact_of(admin, key, "rotate")["advice"] == "no_effect"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "action"),
        ({"action": "explode"}, "action"),
        ({"action": "disable", "version": 1}, "version"),
        ({"action": "disable-version"}, "version"),
        ({"action": "disable-version", "version": 4}, "version"),
        ({"action": "disable-version", "version": 1, "min_decryption_version": 1}, "min_decryption_version"),
        ({"action": "raise-minimum"}, "min_decryption_version"),
        ({"action": "raise-minimum", "min_decryption_version": 0}, "min_decryption_version"),
        ({"action": "disable", "days": 3}, "days"),
    ],
)
def test_an_impact_needs_exactly_the_parameters_of_its_act(admin, rotated, query, field):
    response = admin.api.get(url(rotated, "impact", query))
    assert (response.status, list(response.json["errors"])) == (400, [field])


@pytest.mark.parametrize("action", KeyAction)
def test_an_action_stops_versions_unless_the_key_still_decrypts(action):
    stopped = stopped_versions(action, 2, minimum=1, primary_version=3)
    assert (stopped is None) == (action in {KeyAction.ROTATE, KeyAction.REVOKE})


def test_only_versions_that_still_decrypt_count_for_a_higher_minimum(admin, rotated, use):
    use(rotated, admin, version=1, verb="decrypted", count=5)
    use(rotated, admin, version=2, verb="decrypted", count=7)
    change = {"min_decryption_version": 2}
    editing.update_key(principal=admin.principal, key_id=rotated.id, changes=change)
    assert usage_of(admin, rotated)["safe_minimum_version"] == 2
    found = impact_of(admin, rotated, "raise-minimum", min_decryption_version=3)
    assert (found["count"], found["stops_decrypting"]) == (7, {"first": 2, "last": 2})
    for minimum in (1, 2):
        found = impact_of(admin, rotated, "raise-minimum", min_decryption_version=minimum)
        assert (found["advice"], found["stops_decrypting"]) == ("no_effect", None)
    assert impact_of(admin, rotated, "disable")["stops_decrypting"] == {"first": 2, "last": 3}
    page = signed_in(admin).get(f"/keys/{rotated.name}/versions/").content.decode()
    assert "Version 2 was used in the last 30 days" in page


def test_no_higher_minimum_than_the_primary_version_is_offered(admin, rotated):
    change = {"min_decryption_version": 3}
    editing.update_key(principal=admin.principal, key_id=rotated.id, changes=change)
    page = signed_in(admin).get(f"/keys/{rotated.name}/versions/").content.decode()
    assert "Only the primary version works." in page


def test_the_page_that_disables_a_version_shows_its_impact(admin, rotated, use):
    use(rotated, admin, version=1, verb="decrypted", count=312, ago=timedelta(days=9))
    page = " ".join(signed_in(admin).get(f"/keys/{rotated.name}/versions/1/disable").content.decode().split())
    assert "In the last 30 days, this change would have denied 312 requests." in page
    assert "<dt>Versions that stop working</dt><dd>1</dd>" in page
    page = signed_in(admin).get(f"/keys/{rotated.name}/versions/2/disable").content.decode()
    assert "In the last 30 days, this change would have denied no requests." in page


def test_a_key_that_only_decrypts_is_revoked_without_a_warning(admin, key, use):
    use(key, admin, verb="decrypted", count=3)
    browser = signed_in(admin)
    assert "This key is in use." not in browser.get(f"/keys/{key.name}/revoke").content.decode()
    assert "This key is in use." in browser.get(f"/keys/{key.name}/mark-compromised").content.decode()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by the number of rows")
def test_the_use_of_one_key_is_found_by_its_period(key):
    rows = [
        EVERYTHING.rows(key.id, database_now()),
        EVERYTHING.rows(key.id, database_now()).order_by("-hour")[:1],
    ]
    assert all("idx_usage_rollups_key (key_id=? AND hour>?)" in each.explain() for each in rows)
