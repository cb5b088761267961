"""The attacks of ``campaigns.tampering.attacks``.

``attacks.sql``, ``attacks_sqlite.sql`` and ``attacks_postgresql.sql`` have the line ``-- GROUP: NAME -- SIGN -- REST`` for each
attack, and its statements. SIGN is a regular expression for the alarm or the finding that names the attack. REST are the words of
``docs/threat-model.md`` by which nothing needs to find it. ``{columns}`` are those of the table with older rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from campaigns.tampering.older_rows import DELETED
from tests.product import POSTGRESQL_URL

# Of each table of the state: the label, the primary key, and a request that uses the row.
TABLES = {
    "users": ("users", "id", "/auth/login"),
    "encryption_keys": ("encryption_keys", "id", "/api/v1/keys/{id}"),
    "key_versions": ("key_versions", "id", ""),
    "encryption_policies": ("encryption_policies", "id", "/api/v1/policies/{id}"),
    "service_accounts": ("service_accounts", "id", "/api/v1/service-accounts/{id}"),
    "service_tokens": ("service_tokens", "id", ""),
    "client_secrets": ("client_secrets", "id", ""),
    "token_families": ("token_families", "id", ""),
    "refresh_tokens": ("refresh_tokens", "id", ""),
    "totp_devices": ("totp_devices", "id", ""),
    "setup_links": ("setup_links", "id", ""),
    "key_grants": ("key_grants", "id", ""),
    "webhooks": ("webhooks", "id", "/api/v1/webhooks/{id}"),
    "audit_log_targets": ("audit-log-target", "id", "/api/v1/audit/log-targets/{id}"),
    "invitations": ("invitations", "user_id", ""),
    "passkeys": ("passkeys", "id", ""),
    "oidc_identities": ("oidc_identities", "id", ""),
    "recovery_codes": ("recovery_codes", "id", ""),
    "key_import_parameters": ("key_import_parameters", "id", ""),
    "token_signing_keys": ("token_signing_keys", "kid", "/api/v1/keys"),
}


@dataclass
class Attack:
    group: str
    name: str
    sign: str
    sql: str
    rest: str = ""
    table: str = ""
    path: str = ""
    at: float = 0.0
    found: list[str] = field(default_factory=list)
    is_named: bool = False

    @property
    def promises_alarm(self) -> bool:
        return self.group in {"rows", "rows and heads", "heads", "schema"} and not self.rest

    def note(self, text: str) -> None:
        if text not in self.found:
            self.found.append(text)


def attacks() -> Iterator[Attack]:
    for table, (label, pk, path) in TABLES.items():
        yield put_back(table, label, pk, was_deleted=False, path=path)
    for table, (label, pk, _) in TABLES.items():
        yield put_back(table, label, pk, was_deleted=table in DELETED)
    kind = "postgresql" if POSTGRESQL_URL else "sqlite"
    for name in ("attacks.sql", f"attacks_{kind}.sql"):
        for part in (
            Path(__file__).with_name(name).read_text(encoding="utf-8").split("-- ", 1)[1].split("\n-- ")
        ):
            head, sql = part.split("\n", 1)
            title, sign, *rest = head.split(" -- ")
            group, title = title.split(": ", 1)
            yield Attack(group, title, sign, sql, *rest)


def put_back(table: str, label: str, pk: str, *, was_deleted: bool, path: str | None = None) -> Attack:
    """An older row; with its head, unless there is a ``path``, which may be empty."""
    kind = "deleted" if was_deleted else "changed"
    sql = f"INSERT INTO {table} ({{columns}}) SELECT {{columns}} FROM {kind}_{table};"  # noqa: S608 - constants
    if not was_deleted:
        sql = f"DELETE FROM {table} WHERE {pk} IN (SELECT {pk} FROM changed_{table}); {sql}"  # noqa: S608 - constants
    if path is None:
        heads = f"id LIKE '{label}:%'"
        sql += (
            f"DELETE FROM state_heads WHERE {heads} AND id IN (SELECT id FROM old_state_heads);"  # noqa: S608 - constants
            f"INSERT INTO state_heads SELECT * FROM old_state_heads WHERE {heads};"
        )
    return Attack(
        group="rows and heads" if path is None else "rows",
        name=f"{table}: an older row, {kind} since",
        sign=rf"{table} (has|lacks)|of {table} (is|are)",
        sql=sql,
        table=f"{kind}_{table}",
        path=path or "",
    )
