"""Which entries are touches of which canary. Pure."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from canaries.documents import Canary, CanarySet, Kind
from canaries.watching.matching import Matcher, Row, credential_of, is_low

ID = "0b9b28ee-1b5c-4b6e-9a35-6f35c6c4b2f1"
OK = {"outcome": "ok", "source": "api", "actor_type": "user"}


def row(**columns):
    return Row(**(dict.fromkeys(Row._fields, "") | {"id": 1, "entries": None, "meta": "{}"} | OK | columns))


def canary(kind):
    return Canary(
        id=uuid4(),
        kind=kind,
        object_id=ID,
        name="payroll",
        note="",
        planted_at=datetime.now(UTC),
        planted_by="",
    )


def is_touch(kind, **columns):
    return bool(Matcher(CanarySet(canaries=[canary(kind)])).touched(row(**columns)))


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.OFFICE])
def test_each_kind_is_touched_as_object_and_as_caller(kind):
    assert is_touch(kind, object_id=ID)
    assert is_touch(kind, token_id=ID)
    assert is_touch(kind, user_id=ID)
    assert is_touch(kind, actor_id=ID)
    assert not is_touch(kind, object_id=str(uuid4()))


@pytest.mark.parametrize(
    "meta",
    [
        f'{{"refused_keys":["x","{ID}"]}}',
        '{"refused_keys":["name:payroll"]}',
        f'{{"target_key_id":"{ID}"}}',
        f'{{"key_id":"{ID}"}}',
    ],
)
def test_keys_are_found_in_the_details_of_an_entry(meta):
    assert is_touch(Kind.KEY, meta=meta)


@pytest.mark.parametrize(
    "meta", ['{"refused_keys":', '{"refused_keys":1}', '{"key_id":"\ud800"}', '{"key_id":' * 99_999]
)
def test_altered_details_name_nothing(meta):
    assert not is_touch(Kind.KEY, meta=meta)


def test_names_are_those_that_requests_spell():
    assert is_touch(Kind.CIPHERTEXT, object_id="name:payroll")
    assert is_touch(Kind.USER, actor_type="anonymous", actor_name="payroll")
    assert not is_touch(Kind.USER, actor_type="user", actor_name="payroll")
    assert not is_touch(Kind.TOKEN, object_id="name:payroll")


def test_acts_of_the_product_itself_are_no_touches():
    assert not is_touch(Kind.KEY, object_id=ID, source="scheduler", actor_type="system")
    assert is_touch(Kind.KEY, object_id=ID, source="scheduler", actor_type="user")
    assert is_touch(Kind.KEY, object_id=ID, source="command", actor_type="system")


@pytest.mark.parametrize(
    ("command", "action", "expected"),
    [
        ("rotate_keys", "keys.key.rotated", False),
        ("expire_keys", "keys.key.activated", False),
        ("expire_keys", "keys.key.expired", False),
        ("destroy_due_keys", "keys.key.destroyed", False),
        ("destroy_due_keys", "keys.version.destroyed", False),
        ("restore_drill", "crypto.message.encrypted", False),
        ("restore_drill", "crypto.message.decrypted", True),
        ("encrypt_file", "crypto.stream.encrypted", True),
    ],
)
def test_regular_work_of_the_host_is_no_touch(command, action, expected):
    columns = {"object_id": ID, "source": "command", "actor_name": command, "action": action}
    assert is_touch(Kind.KEY, actor_type="system", **columns) == expected
    assert is_touch(Kind.KEY, actor_type="user", **columns)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"auth_method": "service_token", "token_id": "t", "user_id": "u"}, "token:t"),
        ({"auth_method": "password", "token_id": "t", "user_id": "u"}, "user:u"),
        ({"actor_id": "a"}, "service_account:a"),
        ({"source": "command", "actor_type": "system"}, "host:"),
    ],
)
def test_a_credential_is_the_token_or_the_account(columns, expected):
    assert credential_of(canary(Kind.KEY), row(**columns)) == expected


def test_strangers_share_the_credential_of_the_canary():
    planted = canary(Kind.KEY)
    assert credential_of(planted, row(actor_type="anonymous")) == f"unauthenticated:{planted.id}"


@pytest.mark.parametrize(("code", "low"), [("authentication_failed", True), ("otp_required", False)])
def test_a_wrong_password_is_low_and_a_right_one_is_not(code, low):
    refused = row(actor_type="anonymous", outcome="denied", code=code)
    assert is_low(canary(Kind.USER), refused) == low
    assert not is_low(canary(Kind.KEY), refused)
