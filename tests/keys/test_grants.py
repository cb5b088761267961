"""Grants on keys and tags."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from accounts.roles import PERMISSIONS
from audit.sequencing.state_heads import renew_heads
from crypto_ops.deciding.services import COMPARISON, decision_of, key_event, perform
from kernel.clock import database_now
from kernel.errors import Denied, DomainError, Invalid, NotFound
from kernel.trust import system_keys
from kernel.trust.row_mac import IntegrityFailed, encode_fields
from keys.access import services as access
from keys.editing import services as editing
from keys.models import Key, KeyGrant
from keys.reading import services as reading
from keys.ring import keyring
from keys.rotation.services import rotating, succession
from keys.states import services as states
from tests.factories import GrantFactory, KeyFactory, ServiceAccountFactory
from tests.log_entries import log_rows
from tests.personas import with_token

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]


@pytest.fixture
def key(admin):
    return KeyFactory(name="payments-db", tags=["production"])


def grant(key, holder, *operations, **changes):
    facts = {"principal_type": "user", "principal_id": str(holder.user.id), "operations": operations}
    return GrantFactory(key=key, **facts | changes)


def use(principal, key, operation="encrypt", reference=None):
    """Decide about an operation as the engine does, and compare the decision with the database."""

    class Use:
        def decide(self, context):
            entry = context.find(reference or key.id, f"crypto.{operation}")
            return decision_of(entry, key_event("test.key.used", entry, None), context)

    perform(Use(), principal, COMPARISON)


def test_without_a_grant_the_key_does_not_exist_and_with_one_it_can_be_used(admin, developer, key):
    with pytest.raises(NotFound):
        use(developer.principal, key)
    given = grant(key, developer, "encrypt")
    use(developer.principal, key)
    assert reading.find_key(principal=developer.principal, name=key.name) == key
    with pytest.raises(Denied) as refused:
        use(developer.principal, key, "decrypt")
    assert refused.value.extra == {"permission": "crypto.decrypt", "rule": "no-grant"}
    access.remove_grant(principal=admin.principal, grant_id=given.id, key_id=key.id)
    with pytest.raises(NotFound):
        use(developer.principal, key)


def test_a_grant_on_a_tag_covers_each_key_with_the_tag(admin, developer, key):
    given = GrantFactory(tag="production")
    use(developer.principal, key)
    editing.update_key(principal=admin.principal, key_id=key.id, changes={"tags": []})
    with pytest.raises(NotFound):
        use(developer.principal, key)
    editing.update_key(principal=admin.principal, key_id=key.id, changes={"tags": ["production"]})
    use(developer.principal, key)
    access.remove_grant(principal=admin.principal, grant_id=given.id)
    with pytest.raises(NotFound):
        use(developer.principal, key)


def test_a_grant_ends_and_is_limited_to_networks(admin, developer, key):
    grant(key, developer, "encrypt", networks=["198.51.100.0/24"])
    with pytest.raises(Denied):
        use(developer.principal, key)
    ending = grant(key, developer, "encrypt", expires_at=database_now() + timedelta(hours=1))
    use(developer.principal, key)
    ending.expires_at = database_now()
    ending.save_with_mac()
    keyring.forget([f"key:{key.id}"])
    with pytest.raises(Denied):
        use(developer.principal, key)


def test_a_token_for_an_operation_uses_a_key_that_it_may_not_read(admin, developer, key):
    own = KeyFactory(principal=developer.principal, name="own")
    caller = with_token(developer, ["crypto.encrypt"]).principal
    for reference in (own.id, "name:own"):
        use(caller, own, reference=reference)
        keyring.forget([f"key:{own.id}"])
        with pytest.raises(Denied):
            use(caller, own, "decrypt", reference)
    for reference in (key.id, "name:payments-db"):
        with pytest.raises(NotFound):
            use(caller, key, reference=reference)
    with pytest.raises(Denied):
        reading.find_key(principal=caller, name="own")


def refusal(principal, reference):
    """The code and the rule of a refused operation."""
    with pytest.raises(DomainError) as refused:
        use(principal, None, reference=reference)
    return refused.value.code, refused.value.extra.get("rule")


def test_only_the_refusal_of_a_token_for_the_key_gives_a_missing_grant_as_its_reason(admin, developer, key):
    missing, hidden, no_grant = uuid4(), ("not_found", None), ("permission_denied", "no-grant")
    limited = with_token(developer, ["crypto.encrypt"], key_ids=[key.id]).principal
    assert [refusal(limited, each) for each in (key.id, missing)] == [no_grant, hidden]
    # Its owner may choose any IDs, so neither a guessed ID nor a name distinguishes a hidden key from a missing one.
    guessing = with_token(developer, ["crypto.encrypt"], key_ids=[missing, key.id]).principal
    for reference in (missing, key.id, "name:payments-db", "name:unknown"):
        assert refusal(guessing, reference) == no_grant
    with pytest.raises(Denied, match="This token is limited to this key"):
        reading.get_key(principal=limited, key_id=key.id)
    with pytest.raises(Denied, match="no key with this name"):
        use(limited, None, reference="name:unknown")
    no_key = with_token(admin, ["crypto.encrypt"], key_ids=[missing]).principal  # its owner needs no grant
    assert refusal(no_key, missing) == hidden
    for reference in (key.id, missing, "name:payments-db"):
        assert refusal(with_token(developer, ["crypto.encrypt"]).principal, reference) == hidden
    grant(key, developer, "encrypt")
    use(limited, key)
    assert refusal(limited, "name:unknown") == hidden


def test_write_access_to_the_database_gives_no_grant(admin, developer, key):
    grant(key, developer, "encrypt")
    assert reading.get_key(principal=developer.principal, key_id=key.id)
    KeyGrant.objects.update(operations=["crypto.decrypt"])
    keyring.forget([f"key:{key.id}"])
    with pytest.raises(IntegrityFailed):
        use(developer.principal, key)
    with pytest.raises(IntegrityFailed):
        reading.get_key(principal=developer.principal, key_id=key.id)


def test_tags_that_an_older_mac_does_not_cover_grant_nothing_until_they_are_set(admin, developer, key):
    GrantFactory(tag="production")
    as_version_one(key)
    changes = {"description": "renewed"}
    editing.update_key(principal=admin.principal, key_id=key.id, changes=changes)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    for read in (use, lambda principal, key: reading.find_key(principal=principal, name=key.name)):
        with pytest.raises(NotFound):
            read(developer.principal, key)
    editing.update_key(principal=admin.principal, key_id=key.id, changes={"tags": list(key.tags)})
    use(developer.principal, key)


def test_tags_that_nothing_proves_are_neither_inherited_nor_completed(admin, key):
    as_version_one(key)
    [result] = editing.change_tag(principal=admin.principal, keys=[stored(key)], tag="eu", adds=True)
    assert "Nothing proves that the tags" in str(result.error)
    assert stored(key).tags == key.tags
    new = succession.succeed_key(
        principal=admin.principal, key_id=key.id, successor=succession.Successor(name="next"), reason="test"
    )
    assert (new.tags, stored(new).check_mac().granting_tags) == ([], [])


def stored(key):
    return Key.objects.get(pk=key.pk)


def as_version_one(key):
    """Write the key's MAC as the first version of its field list did."""
    row = Key.objects.get(pk=key.id)
    covered = encode_fields((row.MAC_LABEL, 1, row.row_seq, *row.older_mac_fields(1)))
    Key.objects.filter(pk=key.id).update(row_mac=system_keys.make_mac(system_keys.ROW_MAC, 1, covered))
    renew_heads(Key)
    keyring.forget([f"key:{key.id}"])


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("operations", {"operations": []}),
        ("operations", {"operations": ["keys.revoke"]}),
        ("operations", {"operations": ["encrypt", "encrypt"]}),
        ("principal_id", {"principal_id": str(uuid4())}),
        ("principal_id", {"principal_id": "nobody"}),
        ("principal_id", {"principal_type": "service_account"}),
        ("principal_id", {"principal_type": "role", "principal_id": "root"}),
        ("operations", {"operations": ["encrypt", "sign"]}),  # the key cannot sign
        ("principal_id", {"principal_type": "role", "principal_id": "auditor"}),
        ("networks", {"networks": ["x"]}),
        ("expires_at", {"expires_at": database_now}),
    ],
)
def test_bad_input_names_its_field(admin, developer, key, field, changes):
    changes = {name: value() if callable(value) else value for name, value in changes.items()}
    with pytest.raises(Invalid) as refused:
        grant(key, developer, "encrypt", **changes)
    assert list(refused.value.fields) == [field]


def test_a_holder_whose_role_cannot_use_keys_gets_no_grant(operator, key):
    for place in ({"key": key}, {"key": None, "tag": "production"}):
        with pytest.raises(Invalid, match=r"operator cannot use keys.*another role: admin, developer"):
            grant(place.pop("key"), operator, "decrypt", **place)
    unused = ServiceAccountFactory(role="auditor")
    with pytest.raises(Invalid, match="auditor cannot use keys"):
        GrantFactory(key=key, to=unused)


def test_a_grant_is_removed_where_it_was_found(admin, developer, key):
    other, stranger = KeyFactory(), replace(developer.principal, permissions=PERMISSIONS)
    given, of_tag = grant(key, developer, "encrypt"), GrantFactory(tag="production")
    unseen = grant(other, admin, "encrypt")
    for principal, row, key_id in (
        (admin.principal, given, other.id),
        (admin.principal, given, None),
        (admin.principal, of_tag, key.id),
        (stranger, unseen, other.id),
    ):
        with pytest.raises(NotFound):
            access.remove_grant(principal=principal, grant_id=row.id, key_id=key_id)
    assert KeyGrant.objects.count() == 3


def test_only_an_equal_grant_is_a_duplicate(developer, key):
    given = {"networks": ["192.0.2.0/24"], "expires_at": database_now() + timedelta(hours=1)}
    grant(key, developer, "encrypt", **given)
    grant(key, developer, "encrypt", **given | {"networks": []})
    grant(key, developer, "encrypt", **given | {"expires_at": None})
    grant(key, developer, "decrypt", **given)
    grant(KeyFactory(), developer, "encrypt", **given)
    for tag in ("a", "b"):
        grant(None, developer, "encrypt", **given, tag=tag)
    for place in ({"key": key}, {"key": None, "tag": "b"}):
        with pytest.raises(Invalid) as refused:
            grant(place.pop("key"), developer, "encrypt", **given, **place)
        assert refused.value.fields == {"operations": ["This grant already exists."]}


@pytest.mark.parametrize("where", ["key", "tag"])
def test_a_grant_and_its_removal_are_recorded_at_its_key_or_tag(admin, key, changes_of, where):
    place = {"key": key} if where == "key" else {"tag": "production"}
    given = GrantFactory(principal=admin.principal, **place)
    assert given.created_by_id == admin.user.id
    access.remove_grant(
        principal=admin.principal, grant_id=given.id, key_id=given.key_id, reason="wrong team"
    )
    created, removed = log_rows().filter(action__contains="grant").order_by("id")
    [inserted], [deleted] = changes_of(created), changes_of(removed)
    assert inserted.new_values == deleted.old_values
    assert (inserted.new_values["principal_id"], inserted.new_values["tag"]) == ("developer", given.tag)
    for event in (created, removed):
        assert (event.object_type, event.object_id) == (where, str(given.key_id or given.tag))


def test_a_token_for_some_keys_changes_no_grant_on_a_tag(admin, key):
    given = GrantFactory(tag="production")
    limited = with_token(admin, key_ids=[key.id]).principal
    for change in (
        lambda: GrantFactory(principal=limited, tag="production"),
        lambda: access.remove_grant(principal=limited, grant_id=given.id),
    ):
        with pytest.raises(Denied) as refused:
            change()
        assert refused.value.rule == limited.limits.rule


def test_access_names_the_rule_that_decides(admin, developer, operator, key, settings):
    def rule(holder, operation="encrypt"):
        verdict = access.check_access(
            principal=admin.principal, key_id=key.id, holder_id=holder.user.id, operation=operation
        )
        return verdict.is_allowed, verdict.rule

    assert rule(admin) == (True, "role:admin")
    assert rule(operator) == (False, "role:operator")
    assert rule(developer) == (False, "no-grant")
    given = grant(key, developer, "encrypt")
    assert rule(developer) == (True, f"grant:{given.id}")
    settings.CC_REQUIRE_SECOND_FACTOR = {"developer"}
    assert rule(developer) == (False, "second_factor_required")
    settings.CC_REQUIRE_SECOND_FACTOR = set()
    states.disable_key(principal=admin.principal, key_id=key.id, reason="audit")
    assert rule(developer) == (False, "state:suspended")
    with pytest.raises(NotFound):
        access.check_access(principal=admin.principal, key_id=key.id, holder_id=uuid4(), operation="encrypt")
