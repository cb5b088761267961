import pytest

from accounts.roles import (
    ADMIN,
    AUDITOR,
    DESCRIPTIONS,
    DEVELOPER,
    GRANTABLE,
    OPERATOR,
    PERMISSIONS,
    ROLES,
    SYSTEM,
    permission_of,
    sees_all,
    word_of,
)

# The table of the API contract: "a" means all objects, "o" the user's own, "-" none.
# columns: admin, operator, developer, auditor
TABLE = {
    "keys.read": "aaoa",
    "keys.create": "a-a-",
    "keys.update": "a---",
    "keys.grant": "a---",
    "keys.import": "a---",
    "keys.rotate": "aa--",
    "keys.disable": "aa--",
    "keys.revoke": "a---",
    "keys.destroy": "a---",
    "keys.export": "a---",
    "crypto.encrypt": "a-o-",
    "crypto.decrypt": "a-o-",
    "crypto.reencrypt": "a-o-",
    "crypto.sign": "a-o-",
    "crypto.verify": "a-o-",
    "crypto.mac": "a-o-",
    "crypto.derive": "a-o-",
    "crypto.data_key": "a-o-",
    "crypto.encapsulate": "a-o-",
    "crypto.decapsulate": "a-o-",
    "crypto.agree": "a-o-",
    "crypto.jwt": "a-o-",
    "crypto.random": "aaa-",
    "crypto.inspect": "aaa-",
    "policies.read": "aaaa",
    "policies.manage": "a---",
    "operations.read": "aaoa",
    "audit.read": "aaoa",
    "audit.export": "a--a",
    "audit.resolve": "a---",
    "users.read": "a--a",
    "users.manage": "a---",
    "tokens.manage": "aooo",
    "webhooks.manage": "a---",
    "system.read": "aa-a",
    "system.manage": "a---",
    "vault.manage": "a---",
}
COLUMNS = (ADMIN, OPERATOR, DEVELOPER, AUDITOR)
CELLS = [(word, role, cell) for word, row in TABLE.items() for role, cell in zip(COLUMNS, row, strict=True)]


@pytest.mark.parametrize(("word", "role", "cell"), CELLS)
def test_each_role_holds_what_the_table_says(word, role, cell):
    assert (word in ROLES[role]) == (cell != "-")
    assert sees_all(role, word) == (cell == "a")


def test_the_table_is_complete():
    assert set(TABLE) == PERMISSIONS
    assert set(ROLES) == set(DESCRIPTIONS) == set(COLUMNS)


def test_the_system_reaches_everything_and_an_unknown_role_nothing():
    assert all(sees_all(SYSTEM, word) for word in PERMISSIONS)
    assert not any(sees_all("root", word) for word in PERMISSIONS)
    assert not sees_all(SYSTEM, "keys.everything")


def test_scopes_and_grants_name_operations_without_their_prefix():
    assert [permission_of(word) for word in ("encrypt", "keys.read")] == ["crypto.encrypt", "keys.read"]
    assert [word_of(permission) for permission in ("crypto.encrypt", "keys.read")] == ["encrypt", "keys.read"]
    assert all(permission_of(word) in PERMISSIONS for word in GRANTABLE)
