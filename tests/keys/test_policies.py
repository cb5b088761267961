"""Encryption policies: creation, change, preview, and what they require of keys."""

from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from django.db import connection

from accounts.errors import NameTaken
from kernel.clock import database_now
from kernel.errors import Invalid, RecentAuthRequired
from kernel.trust.row_mac import IntegrityFailed
from keys.creation import services as creation
from keys.deletion import services as deletion
from keys.editing import services as editing
from keys.errors import PolicyInUse, PolicyViolated
from keys.models import EncryptionPolicy, Key, KeyVersion
from keys.models.rotation_policy import RotationPolicy
from keys.policies.services import changing, reading
from keys.rotation.services import rotating, succession
from keys.states import services as states
from keys.transport.services import exporting, public_keys
from tests.keys.steps import age

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]


def change(admin, policy, **changes):
    return changing.update_policy(principal=admin.principal, policy_id=policy.id, changes=changes)


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ([], "Must be an object."),
        ({"weekly": True}, "Unknown member weekly."),
        ({"every_days": 0}, "every_days must be a whole number from 1 to 3650."),
        ({"every_days": True}, "every_days must be"),
        ({"after_uses": 2**31 + 1}, "after_uses must be"),
        ({"after_bytes": 1.5}, "after_bytes must be"),
        ({"grace_days": -1}, "grace_days must be"),
        ({"grace_days": 1, "reencrypt": "yes"}, "reencrypt must be true or false."),
        ({"reencrypt": True}, "reencrypt needs grace_days"),
    ],
)
def test_a_rotation_policy_with_a_fault_is_refused_by_its_member(document, fault):
    with pytest.raises(Invalid) as refusal:
        RotationPolicy.parse(document)
    assert refusal.value.fields["rotation_policy"][0].startswith(fault)


def test_a_rotation_policy_keeps_only_the_rules_that_are_set():
    document = {"every_days": 90, "grace_days": 0, "reencrypt": True, "after_uses": None}
    assert RotationPolicy.parse(document).document() == {"every_days": 90, "grace_days": 0, "reencrypt": True}


def test_a_new_policy_allows_every_mode_and_is_recorded(new_policy, events_of, changes_of):
    policy = new_policy()
    assert policy.allowed_modes == ["aes-256-gcm", "aes-256-gcm-siv", "aes-256-cbc-hmac-sha512"]
    assert (policy.key_size, policy.minimum_deletion_days, policy.is_active) == (256, 7, True)
    [event] = events_of(policy)
    assert (event.action, event.object_type) == ("keys.policy.created", "policy")
    [change] = changes_of(event)
    columns = {field.name: getattr(policy, field.attname) for field in policy._meta.fields}
    assert (change.action, change.old_values) == ("insert", None)
    assert change.new_values.items() <= columns.items()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": "No"}, "name"),
        ({"key_size": 128}, "key_size"),
        ({"allowed_modes": []}, "allowed_modes"),
        ({"allowed_modes": ["aes-128-gcm"]}, "allowed_modes"),
        ({"key_lifetime_days": 0}, "key_lifetime_days"),
        ({"minimum_deletion_days": 6}, "minimum_deletion_days"),
        ({"minimum_deletion_days": 31}, "minimum_deletion_days"),
    ],
)
def test_a_policy_with_a_fault_is_refused_by_its_field(new_policy, fields, named):
    with pytest.raises(Invalid) as refusal:
        new_policy(**fields)
    assert set(refusal.value.fields) == {named}


def test_a_policy_is_found_at_its_location_and_previewed_there(admin, new_key):
    created = admin.api.post("/api/v1/policies", {"name": "pci", "algorithm": "aes-256"})
    location = created.headers["Location"]
    assert admin.api.get(location).json == created.json
    key = new_key(policy_id=created.json["id"])
    assert admin.api.post(f"{location}/preview", {"allowed_modes": ["aes-256-gcm"]}).json == {
        "keys_count": 1,
        "effects": {"modes_removed": 1},
        "affected": [{"key_id": str(key.id), "name": key.name, "effect": "modes_removed"}],
    }


def test_a_name_is_taken_once(new_policy):
    new_policy()
    with pytest.raises(NameTaken):
        new_policy()


def test_a_key_takes_over_the_rules_of_its_policy(new_policy, new_key):
    policy = new_policy(key_lifetime_days=365, rotation_policy={"every_days": 90})
    key = new_key(policy_id=policy.id)
    assert key.expires_at == key.created_at + timedelta(days=365)
    assert key.next_rotation_at == key.created_at + timedelta(days=90)
    assert key.rotation_period_days is None


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"algorithm": "aes-128"}, "algorithm"),
        ({"expires_at": 366}, "expires_at"),
        ({"rotation_period_days": 91}, "rotation_period_days"),
        ({"exportable": True}, "exportable"),
    ],
)
def test_a_new_key_that_violates_its_policy_is_refused_and_not_stored(new_policy, new_key, fields, named):
    policy = new_policy(key_lifetime_days=365, rotation_policy={"every_days": 90})
    if "expires_at" in fields:
        fields = {"expires_at": database_now() + timedelta(days=fields["expires_at"])}
    with pytest.raises(PolicyViolated) as refusal:
        new_key(policy_id=policy.id, **fields)
    assert (set(refusal.value.fields), refusal.value.code) == ({named}, "policy_violated")
    assert not Key.objects.exists()


def test_a_policy_takes_no_key_whose_purpose_has_none_of_its_modes(new_policy, new_key):
    policy = new_policy(algorithm="ec-p384", allowed_modes=["ecdh"])
    with pytest.raises(PolicyViolated) as refusal:
        new_key(algorithm="ec-p384", purpose="sign", policy_id=policy.id)
    assert set(refusal.value.fields) == {"purpose"}


def test_a_policy_that_is_not_active_accepts_no_keys_but_keeps_those_it_has(new_policy, new_key, admin):
    policy = new_policy()
    key = new_key(policy_id=policy.id)
    change(admin, policy, is_active=False)
    with pytest.raises(PolicyViolated) as refusal:
        new_key(policy_id=policy.id)
    assert set(refusal.value.fields) == {"policy_id"}
    assert (
        rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="still works").new_version == 2
    )


def test_a_setting_requires_a_policy_for_every_new_key(new_policy, new_key, admin, settings):
    settings.CC_REQUIRE_POLICY = True
    with pytest.raises(PolicyViolated) as refusal:
        new_key()
    assert set(refusal.value.fields) == {"policy_id"}
    with pytest.raises(PolicyViolated):
        creation.default_key(admin.principal, "aes-256")
    key = new_key(policy_id=new_policy().id)
    with pytest.raises(PolicyViolated):
        editing.update_key(principal=admin.principal, key_id=key.id, changes={"policy_id": None})


def test_a_change_of_a_key_obeys_its_policy(new_policy, new_key, admin):
    policy = new_policy(key_lifetime_days=30, rotation_policy={"every_days": 10})
    key = new_key(policy_id=policy.id)
    for changes in ({"expires_at": None}, {"rotation_period_days": 11}):
        with pytest.raises(PolicyViolated):
            editing.update_key(principal=admin.principal, key_id=key.id, changes=changes)
    for days in (10, 5):
        changes = {"rotation_period_days": days}
        changed = editing.update_key(principal=admin.principal, key_id=key.id, changes=changes)
        assert changed.next_rotation_at == key.created_at + timedelta(days=days)
    free = new_key(policy_id=new_policy(name="free").id, rotation_period_days=3650)
    assert free.next_rotation_at == free.created_at + timedelta(days=3650)


def test_an_existing_key_can_get_a_policy_unless_it_is_too_old_for_it(new_policy, new_key, admin):
    policy = new_policy(key_lifetime_days=30)
    key = new_key()
    changed = editing.update_key(principal=admin.principal, key_id=key.id, changes={"policy_id": policy.id})
    assert changed.expires_at == key.created_at + timedelta(days=30)
    old = new_key()
    age(old, timedelta(days=31))
    end = Key.objects.get(pk=old.pk).created_at + timedelta(days=30)
    with time_machine.travel(end, tick=False), pytest.raises(PolicyViolated):
        editing.update_key(principal=admin.principal, key_id=old.id, changes={"policy_id": policy.id})


def test_a_changed_rotation_moves_the_dates_of_its_keys_but_not_those_with_their_own(
    new_policy, new_key, admin, events_of, changes_of
):
    policy = new_policy(rotation_policy={"every_days": 90})
    key, own = new_key(policy_id=policy.id), new_key(policy_id=policy.id, rotation_period_days=20)
    change(admin, policy, rotation_policy={"every_days": 30})
    [recorded] = changes_of(events_of(policy)[-1])
    assert recorded.old_values == {"rotation_policy": {"every_days": 90}, "row_seq": 1}
    assert recorded.new_values == {"rotation_policy": {"every_days": 30}, "row_seq": 2}
    key.refresh_from_db()
    own.refresh_from_db()
    assert key.check_mac().next_rotation_at == key.created_at + timedelta(days=30)
    assert own.next_rotation_at == own.created_at + timedelta(days=20)
    change(admin, policy, rotation_policy={})
    key.refresh_from_db()
    assert key.next_rotation_at is None


def test_an_early_activation_moves_only_an_expiry_that_its_policy_no_longer_allows(
    new_policy, new_key, admin
):
    policy, now = new_policy(key_lifetime_days=10), database_now()
    pending = {"policy_id": policy.id, "activates_at": now + timedelta(days=5)}
    sooner = now + timedelta(days=8)
    for expires_at in (sooner, now + timedelta(days=15), None):
        key = new_key(**pending, expires_at=expires_at)
        active = states.activate_key(principal=admin.principal, key_id=key.id, reason="early")
        latest = active.activates_at + timedelta(days=10)
        assert active.expires_at == (sooner if expires_at == sooner else latest)


def test_a_tightened_policy_leaves_room_for_other_changes_of_a_key(new_policy, new_key, admin):
    policy = new_policy(key_lifetime_days=365, rotation_policy={"every_days": 90}, exportable=True)
    key = new_key(policy_id=policy.id, exportable=True)
    change(admin, policy, key_lifetime_days=30, exportable=False)
    changes = {"rotation_period_days": 9, "expires_at": key.expires_at}
    changed = editing.update_key(principal=admin.principal, key_id=key.id, changes=changes)
    assert changed.rotation_period_days == 9
    sooner = key.expires_at - timedelta(days=1)
    with pytest.raises(PolicyViolated):
        editing.update_key(principal=admin.principal, key_id=key.id, changes={"expires_at": sooner})


def test_a_shorter_lifetime_moves_no_expiry(new_policy, new_key, admin):
    policy = new_policy(key_lifetime_days=365)
    key = new_key(policy_id=policy.id)
    change(admin, policy, key_lifetime_days=30)
    key.refresh_from_db()
    assert key.expires_at == key.created_at + timedelta(days=365)


def test_a_shorter_grace_period_requires_a_recent_sign_in(new_policy, admin, long_ago):
    policy = new_policy(rotation_policy={"grace_days": 30, "reencrypt": True})
    for rotation in ({"grace_days": 29, "reencrypt": True}, {"grace_days": 30}, {"grace_days": 31}):
        with pytest.raises(RecentAuthRequired):
            changing.update_policy(
                principal=long_ago, policy_id=policy.id, changes={"rotation_policy": rotation}
            )
    changing.update_policy(principal=long_ago, policy_id=policy.id, changes={"rotation_policy": {}})


def test_the_rules_of_a_policy_are_left_only_after_a_recent_sign_in(new_policy, new_key, admin, long_ago):
    policy, other = new_policy(), new_policy(name="other")
    graced = new_policy(name="graced", rotation_policy={"grace_days": 0})
    key, free = new_key(policy_id=policy.id), new_key()
    for row, refused in ((key, other.id), (key, None), (free, graced.id)):
        order = {"key_id": row.id, "changes": {"policy_id": refused}}
        with pytest.raises(RecentAuthRequired):
            editing.update_key(principal=long_ago, **order)
        assert editing.update_key(principal=admin.principal, **order).policy_id == refused
    joins = {"policy_id": policy.id}
    assert editing.update_key(principal=long_ago, key_id=new_key().id, changes=joins).policy_id == policy.id


@pytest.fixture
def long_ago(admin):
    """An administrator who signed in an hour ago."""
    return replace(admin.principal, auth_time=database_now() - timedelta(hours=1))


def test_a_preview_counts_the_affected_keys_and_changes_nothing(new_policy, new_key, admin):
    policy = new_policy(rotation_policy={"every_days": 90}, exportable=True)
    young, old, rotated = (new_key(policy_id=policy.id, exportable=number == 0) for number in range(3))
    age(old, timedelta(days=40))
    rotating.rotate_key(principal=admin.principal, key_id=rotated.id, reason="a second version")
    preview = changing.preview_policy(
        principal=admin.principal,
        policy_id=policy.id,
        changes={
            "rotation_policy": {"every_days": 30, "grace_days": 0},
            "allowed_modes": ["aes-256-gcm"],
            "exportable": False,
        },
    )
    assert preview.keys_count == 3
    assert {effect.code: [key.id for key in effect.keys] for effect in preview.effects} == {
        "modes_removed": [key.id for key in sorted([young, old, rotated], key=str)],
        "rotation_due": [old.id],
        "versions_stop": [rotated.id],
        "export_forbidden": [young.id],
    }
    assert EncryptionPolicy.objects.get().check_mac().rotation_policy == {"every_days": 90}


def test_a_preview_names_the_keys_whose_versions_can_no_longer_be_reencrypted(new_policy, new_key, admin):
    policy = new_policy(rotation_policy={"grace_days": 0, "reencrypt": True})
    key = new_key(policy_id=policy.id)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="a second version")
    changes = {"rotation_policy": {"grace_days": 0}}
    preview = changing.preview_policy(principal=admin.principal, policy_id=policy.id, changes=changes)
    assert [(effect.code, effect.keys) for effect in preview.effects] == [("versions_stop", [key])]


def test_a_policy_counts_only_the_keys_that_exist_for_the_caller(new_policy, new_key, admin, developer):
    policy = new_policy()
    new_key(policy_id=policy.id)
    own = new_key(policy_id=policy.id, principal=developer.principal)
    seen = {
        person: reading.get_policy(principal=person.principal, policy_id=policy.id).keys_count
        for person in (admin, developer)
    }
    assert (seen[admin], seen[developer], own.policy_id) == (2, 1, policy.id)


def test_a_policy_is_deleted_only_if_no_key_has_it(new_policy, new_key, admin, events_of, changes_of):
    used, unused = new_policy(), new_policy(name="unused")
    for refusal in ("1 key has this policy", "2 keys have this policy"):
        new_key(policy_id=used.id)
        with pytest.raises(PolicyInUse, match=refusal):
            changing.delete_policy(principal=admin.principal, policy_id=used.id)
    changing.delete_policy(principal=admin.principal, policy_id=unused.id)
    assert [policy.name for policy in EncryptionPolicy.objects.all()] == ["pci"]
    event = events_of(unused)[-1]
    assert event.action == "keys.policy.deleted"
    assert changes_of(event)[0].old_values["name"] == "unused"


def test_an_altered_policy_is_not_used(new_policy, new_key):
    policy = new_policy(allowed_modes=["aes-256-gcm"])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE encryption_policies SET exportable = %s", [True])
    with pytest.raises(IntegrityFailed):
        new_key(policy_id=policy.id, exportable=True)


def test_an_altered_policy_decides_about_no_key(new_policy, new_key, admin):
    rules = {"key_lifetime_days": 30, "rotation_policy": {"every_days": 5}}
    policy = new_policy(algorithm="ed25519", exportable=True, **rules)
    key = new_key(algorithm="ed25519", exportable=True, policy_id=policy.id)
    EncryptionPolicy.objects.update(key_lifetime_days=3650)
    order = {"principal": admin.principal, "key_id": key.id}
    for change_key in (
        lambda: editing.update_key(**order, changes={"rotation_period_days": 4}),
        lambda: rotating.rotate_key(**order, reason="test"),
        lambda: succession.succeed_key(**order, successor=succession.Successor(name="new"), reason="test"),
        lambda: deletion.schedule_deletion(**order, reason="test", confirm_name=key.name),
        lambda: public_keys.get_public_key(**order),
        lambda: exporting.export_key(**order, reason="test", is_private_connection=True),
    ):
        with pytest.raises(IntegrityFailed):
            change_key()


def test_a_moved_creation_is_detected(new_policy, new_key, admin):
    key = new_key(policy_id=new_policy(key_lifetime_days=30).id)
    for rows in (Key.objects.filter(pk=key.pk), KeyVersion.objects.filter(key=key)):
        assert rows.get().check_mac()
        rows.update(created_at=key.created_at + timedelta(days=1))
        with pytest.raises(IntegrityFailed):
            rows.get().check_mac()


def test_a_key_shows_the_modes_that_its_policy_allows(new_policy, new_key, admin):
    allowed = ["aes-256-gcm-siv"]
    key = new_key(policy_id=new_policy(allowed_modes=allowed).id)
    assert admin.api.get(f"/api/v1/keys/{key.id}").json["modes"] == allowed
    [listed] = admin.api.get("/api/v1/keys").json["results"]
    assert listed["modes"] == allowed
