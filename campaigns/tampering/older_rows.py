"""Rows that an attacker can put back: ``python -m campaigns.tampering.older_rows`` makes them in a running installation.

Each table of the state gets rows. Then the table ``old_NAME`` is a copy of each table. Then one row of each table of the state is
changed (its older form is in ``changed_NAME``), and in some tables one is deleted (``deleted_NAME``). The table
``old_audit_bundles`` has the bundle of these changes, before the sequencer takes it. All rows are written as the application writes them.
"""

import os
import uuid
from datetime import timedelta

import django

# Tables from which the application deletes single rows.
DELETED = (
    "key_grants",
    "webhooks",
    "audit_log_targets",
    "invitations",
    "passkeys",
    "oidc_identities",
    "recovery_codes",
    "key_import_parameters",
)


def main() -> None:
    from django.db import connection, transaction  # noqa: PLC0415 - models need a set-up Django

    from audit.sequencing.bundles.step import sequence_step  # noqa: PLC0415
    from audit.sequencing.state import protected_models  # noqa: PLC0415
    from kernel.trust.row_state import delete_rows  # noqa: PLC0415

    with transaction.atomic():
        create_rows()
    while sequence_step():
        pass
    raise_alarms_of_our_own()
    models = {model._meta.db_table: model for model in protected_models()}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"CREATE TABLE old_{table} AS SELECT * FROM {table}")  # noqa: S608 - constants
    with transaction.atomic():
        for table, model in models.items():
            rows = list(model._default_manager.exclude(pk=administrator()).order_by("-pk"))
            if len(rows) > 1 and table in DELETED:
                delete_rows(model._default_manager.filter(pk=rows.pop().pk))
            if rows:
                change(rows[0])
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE old_audit_bundles")
        cursor.execute("CREATE TABLE old_audit_bundles AS SELECT * FROM audit_bundles")
        for model in models.values():
            copy_differences(cursor, model)


def create_rows() -> None:
    """Two rows of each table in ``DELETED``, and one of others that the demo leaves empty."""
    from accounts.models import SetupLink, User  # noqa: PLC0415
    from audit.models import SavedFilter  # noqa: PLC0415
    from kernel.clock import database_now  # noqa: PLC0415
    from kernel.crypto.material import KeyMaterial  # noqa: PLC0415
    from kernel.trust import kek  # noqa: PLC0415
    from keys.models import Key  # noqa: PLC0415

    now, owner = database_now(), administrator()
    SetupLink(code_hash="0" * 64, expires_at=now + timedelta(days=1)).save_with_mac()
    SavedFilter.objects.create(
        name="refusals", owner=owner, owner_name="admin", filters={"outcome": "denied"}
    )
    users = User.objects.exclude(pk=owner).order_by("pk")
    for number, (user, key) in enumerate(zip(users[:2], Key.objects.order_by("pk")[:2], strict=True)):
        for row in (*rows_of_user(user, key, number, now), *rows_with_keys(owner, number, now)):
            if hasattr(row, "wrapped"):
                kek.wrap_into(row, KeyMaterial.generate(32))
            row.save_with_mac()


def rows_of_user(user, key, number: int, now):
    from accounts.models import Invitation, OidcIdentity, Passkey  # noqa: PLC0415
    from keys.models import KeyGrant  # noqa: PLC0415

    return (
        Invitation(
            user=user,
            code_hash=f"{number}" * 64,
            expires_at=now + timedelta(days=1),
            subject_version=user.subject_version,
        ),
        OidcIdentity(user=user, issuer="https://id.example", subject=f"{number}"),
        passkey(Passkey, user, number),
        KeyGrant(
            key=key,
            principal_type="user",
            principal_id=str(user.pk),
            operations=["crypto.encrypt"],
            created_at=now,
        ),
    )


def rows_with_keys(owner, number: int, now):
    """None of them sends anything."""
    from audit.models import LogTarget  # noqa: PLC0415
    from keys.models import ImportParameters  # noqa: PLC0415
    from notifications.models import Webhook  # noqa: PLC0415

    url = "https://192.0.2.1/path"
    return (
        ImportParameters(created_by_id=owner, created_at=now, expires_at=now + timedelta(days=1)),
        Webhook(name=f"hook {number}", url=url, is_active=False, topics=[], created_at=now),
        LogTarget(name=f"target {number}", url=url, is_enabled=False, root="", created_at=now),
    )


def passkey(model, user, number: int):
    return model(
        user=user,
        name=f"passkey {number}",
        confirmed=True,
        credential_id=bytes([number] * 16),
        credential_id_sha256=f"{number}" * 64,
        public_key=b"0",
        transports=[],
        sign_count=7,
        backup_eligible=False,
        backup_state=False,
        aaguid=str(uuid.UUID(int=0)),
    )


def raise_alarms_of_our_own() -> None:
    from audit.sequencing.alarms import Alarm, AlarmKind  # noqa: PLC0415
    from audit.services.alarms import raise_alarms  # noqa: PLC0415

    names = ("removed", "resolved", "reworded")
    raise_alarms(
        [
            Alarm(
                kind=AlarmKind.ENTRY_ALTERED, expected="nothing", found=f"alarm to be {name}", identity=name
            )
            for name in names
        ]
    )


def administrator():
    from accounts.models import User  # noqa: PLC0415

    return User.objects.get(username="admin").pk


def change(row) -> None:
    """As a request changes it: the older row has rights that the newer one lacks."""
    from kernel.clock import database_now  # noqa: PLC0415

    match row._meta.db_table:
        case "users":
            row.is_active = False
        case "service_tokens" | "token_families":
            row.revoked_at = database_now()
        case "audit_log_targets":
            row.edits += 1
    row.save_with_mac()


def copy_differences(cursor, model) -> None:
    table, pk = model._meta.db_table, model._meta.pk.column
    names = [field.column for field in model._meta.local_concrete_fields if not field.generated]
    columns = ", ".join(f"o.{name}" for name in names)
    version = model.STATE[0]
    for kind, differs in (("changed", f"t.{version} <> o.{version}"), ("deleted", f"t.{pk} IS NULL")):
        cursor.execute(
            f"CREATE TABLE {kind}_{table} AS SELECT {columns} FROM old_{table} o "  # noqa: S608 - constants
            f"LEFT JOIN {table} t ON t.{pk} = o.{pk} WHERE {differs}"
        )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")
    django.setup()
    main()
