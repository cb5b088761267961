import pytest

from accounts.models.roles import rights_of, roles_that_use_keys
from accounts.roles import (
    ADMIN,
    AUDITOR,
    DESCRIPTIONS,
    DEVELOPER,
    GRANTABLE,
    KEY_MANAGER,
    KEY_USE,
    LABELS,
    OPERATOR,
    PERMISSIONS,
    ROLES,
    SYSTEM_RIGHTS,
    USER_MANAGER,
    Rights,
    permission_of,
    word_of,
)

pytestmark = pytest.mark.django_db  # for roles that are not built in
# The table of the API contract: "a" means all objects, "o" the user's own, "-" none.
# columns: admin, key_manager, user_manager, operator, developer, auditor
TABLE = {
    "keys.read": "aaoaoa",
    "keys.create": "aa--a-",
    "keys.update": "aa----",
    "keys.grant": "aa----",
    "keys.import": "aa----",
    "keys.rotate": "aa-a--",
    "keys.disable": "aa-a--",
    "keys.revoke": "aa----",
    "keys.destroy": "aa----",
    "keys.export": "a-----",
    "crypto.encrypt": "a---o-",
    "crypto.decrypt": "a---o-",
    "crypto.reencrypt": "a---o-",
    "crypto.sign": "a---o-",
    "crypto.verify": "a---o-",
    "crypto.mac": "a---o-",
    "crypto.derive": "a---o-",
    "crypto.data_key": "a---o-",
    "crypto.encapsulate": "a---o-",
    "crypto.decapsulate": "a---o-",
    "crypto.agree": "a---o-",
    "crypto.jwt": "a---o-",
    "crypto.random": "a--aa-",
    "crypto.inspect": "a--aa-",
    "policies.read": "aaaaaa",
    "policies.manage": "aa----",
    "operations.read": "aaoaoa",
    "audit.read": "aaoaoa",
    "audit.export": "a----a",
    "audit.resolve": "a-----",
    "users.read": "aaa--a",
    "users.manage": "a-a---",
    "tokens.manage": "aoaooo",
    "webhooks.manage": "a-----",
    "system.read": "aa-a-a",
    "system.manage": "a-----",
    "vault.manage": "a-----",
}
COLUMNS = (ADMIN, KEY_MANAGER, USER_MANAGER, OPERATOR, DEVELOPER, AUDITOR)
CELLS = [(word, role, cell) for word, row in TABLE.items() for role, cell in zip(COLUMNS, row, strict=True)]


@pytest.mark.parametrize(("word", "role", "cell"), CELLS)
def test_each_role_holds_what_the_table_says(word, role, cell):
    assert (word in ROLES[role].permissions) == (cell != "-")
    assert (word in ROLES[role].on_all) == (cell == "a")


def test_the_table_is_complete():
    assert set(TABLE) == PERMISSIONS == SYSTEM_RIGHTS.on_all
    assert set(ROLES) == set(DESCRIPTIONS) == set(LABELS) == set(COLUMNS)


def test_an_administrator_who_uses_no_keys_has_no_permission_to_use_or_disclose_one(settings):
    settings.CC_ADMIN_USES_KEYS = False
    lost = ROLES[ADMIN].excess_over(rights_of(ADMIN))
    assert lost == KEY_USE | {"keys.export", "vault.manage"}
    assert rights_of(ADMIN).on_all == rights_of(ADMIN).permissions
    assert [rights_of(role) for role in COLUMNS[1:]] == [ROLES[role] for role in COLUMNS[1:]]
    assert roles_that_use_keys() == [DEVELOPER]


def test_a_role_that_does_not_exist_has_no_permissions():
    assert rights_of("root") == Rights("root")


def test_scopes_and_grants_name_operations_without_their_prefix():
    assert [permission_of(word) for word in ("encrypt", "keys.read")] == ["crypto.encrypt", "keys.read"]
    assert [word_of(permission) for permission in ("crypto.encrypt", "keys.read")] == ["encrypt", "keys.read"]
    assert all(permission_of(word) in PERMISSIONS for word in GRANTABLE)
