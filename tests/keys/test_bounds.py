"""Bounds of what callers send about keys, and of what the process keeps of them."""

from uuid import uuid4

import pytest

from accounts.principals import Principal
from audit.usage.of_key import CallerTotal
from kernel.clock import database_now
from kernel.errors import Invalid
from keys import metadata, references
from keys.editing import services
from keys.models import EncryptionPolicy, Key
from keys.models.rotation_policy import RotationPolicy
from keys.pages.forms import read_chosen
from keys.policies.services import changing
from keys.reading import services as reading
from keys.ring import invocations
from keys.rotation.services import rotating
from keys.transport import imported_jwk
from keys.transport.services import exporting, importing, public_keys
from keys.usage.services import callers, usage
from tests.personas import b64


def change_policy(**changes):
    changing._set(EncryptionPolicy(algorithm="aes-256", allowed_modes=["aes-256-gcm"]), changes)


def imported(text):
    return importing.ImportRequest(
        name="a", algorithm="aes-256", format="raw", material=text, is_private_connection=True
    )


@pytest.mark.parametrize(
    ("check", "largest"),
    [
        (lambda size: metadata.check_description("x" * size), 1000),
        (lambda count: metadata.check_tags([str(number) for number in range(count)]), 20),
        (lambda size: metadata.check_tags(["x" * size]), 64),
        (lambda days: metadata.check_rotation_period(days, "aes-256"), 3650),
        (lambda days: RotationPolicy.parse({"every_days": days}), 3650),
        (lambda days: RotationPolicy.parse({"grace_days": days}), 3650),
        (lambda uses: RotationPolicy.parse({"after_uses": uses}), 2**31),
        (lambda octets: RotationPolicy.parse({"after_bytes": octets}), 2**60),
        (lambda days: change_policy(key_lifetime_days=days), 3650),
        (lambda days: change_policy(minimum_deletion_days=days), 30),
    ],
)
def test_the_metadata_of_a_key_and_a_policy_are_bounded(check, largest):
    check(largest)
    with pytest.raises(Invalid):
        check(largest + 1)


def test_a_member_of_a_jwk_has_4096_characters_at_most():
    assert imported_jwk._text({"x": "a" * 4096}, "x")
    with pytest.raises(Invalid, match="too long"):
        imported_jwk._text({"x": "a" * 4097}, "x")


@pytest.mark.parametrize(
    ("read", "largest"),
    [
        (lambda size: importing._text(imported("A" * size)), 12 * 1024),
        (lambda size: importing._octets(imported(b64(bytes(size)))), 8192),
        (lambda size: importing._document(imported(b64(bytes(size)))), 8192),
    ],
)
def test_imported_material_has_a_bounded_size(read, largest):
    assert read(largest)
    with pytest.raises(Invalid):
        read(largest + 1)


@pytest.mark.parametrize(
    "longest",
    [f"name:{'a' * 64}", references.transit_reference("m" * 255, "n" * 255)],
    ids=["name", "transit"],
)
def test_a_reference_by_name_has_a_bounded_length(longest):
    assert references.parse(longest) == longest
    with pytest.raises(Invalid):
        references.parse(f"{longest}a")


def test_a_chosen_version_is_one_that_a_key_can_have():
    key_id = uuid4()
    assert read_chosen(f"{key_id}:{2**31 - 1}") == {key_id: 2**31 - 1}
    assert read_chosen(f"{key_id}:{2**31}") == read_chosen(f"{key_id}:0") == {}


def test_a_process_keeps_the_counters_of_a_bounded_number_of_versions(monkeypatch):
    monkeypatch.setattr(invocations, "MAX_COUNTERS", 2)
    counters, (first, second, third) = invocations._Counters(), (uuid4(), uuid4(), uuid4())
    for version in (first, second, first, third):
        counters.get(version)
    assert list(counters._by_version) == [first, third]
    counters.close()


def test_a_hundred_keys_at_most_are_tagged_at_once():
    keys = [Key(tags=["a"]) for _ in range(101)]
    principal = Principal.system("test", "api")
    assert len(list(services.change_tag(principal=principal, keys=keys[:100], tag="a", adds=True))) == 100
    with pytest.raises(Invalid):
        list(services.change_tag(principal=principal, keys=keys, tag="a", adds=True))


def test_a_hundred_versions_at_most_are_exported_at_once(admin, new_key):
    key = new_key()
    for count, fault in ((100, "no version 2"), (101, "at most 100")):
        with pytest.raises(Invalid) as refusal:
            exporting._versions(key, range(1, count + 1))
        assert fault in str(refusal.value.fields)


def test_the_50_busiest_callers_of_a_key_are_listed(admin, key):
    def total(number):
        return CallerTotal("crypto.message.encrypted", number, database_now(), str(number), "user")

    found = callers.callers_shown_to(admin.principal, key, [total(number) for number in range(1, 52)])
    assert found.count == 51
    assert [caller.count for caller in found.busiest] == list(range(51, 1, -1))


def test_the_newest_public_keys_are_listed_and_no_more_than_the_bound(admin, new_key, monkeypatch):
    monkeypatch.setattr(public_keys, "_MAX_LISTED", 2)
    key = new_key(algorithm="ed25519")
    for count in (1, 2, 2):
        found = public_keys.list_public_keys(principal=admin.principal, key_id=key.id)
        assert len(found) == count
        rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    assert [public.key_version for public in found] == [3, 2]


def test_a_preview_names_a_bounded_number_of_keys_and_counts_all(admin, new_key, new_policy, monkeypatch):
    monkeypatch.setattr(changing, "_MAX_AFFECTED", 2)
    policy = new_policy()
    for count in range(1, 4):
        new_key(policy_id=policy.id)
        changes = {"allowed_modes": ["aes-256-gcm"]}
        preview = changing.preview_policy(principal=admin.principal, policy_id=policy.id, changes=changes)
        [effect] = preview.effects
        assert (effect.count, len(effect.keys)) == (count, min(count, 2))


def test_the_newest_versions_are_exported_and_no_more_than_the_bound(rotated, monkeypatch):
    monkeypatch.setattr(exporting, "MAX_VERSIONS", 2)
    assert [row.version for row in exporting._versions(rotated, None)] == [2, 3]


def test_the_use_of_the_newest_versions_is_listed_and_no_more_than_the_bound(
    admin, rotated, use, monkeypatch
):
    monkeypatch.setattr(usage, "MAX_VERSIONS", 2)
    for version in (1, 2, 3):
        use(rotated, admin, version=version)
    found = usage.read_usage(principal=admin.principal, key_id=rotated.id)
    assert [version.row.version for version in found.versions] == [3, 2]


def test_the_tags_of_the_newest_keys_are_suggested(admin, new_key, monkeypatch):
    monkeypatch.setattr(reading, "_NEWEST_TAGGED", 2)
    for tag in ("c", "b", "a"):
        new_key(tags=[tag])
    assert reading.frequent_tags(principal=admin.principal) == ["a", "b"]
