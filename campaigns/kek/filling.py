"""Keys of a stopped or running product: ``python -m campaigns.kek.filling add NUMBER`` or ``check FILE``.

``add`` inserts authentic keys with a version each. ``check`` opens every stored key and verifies every MAC, and compares
the material with that of an earlier check, whose hashes are in the file.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import django

CHUNK = 1000


def add(number: int) -> None:
    from django.db import transaction  # noqa: PLC0415 - models need a set-up Django

    from kernel.clock import database_now  # noqa: PLC0415
    from keys.models import Key, KeyVersion  # noqa: PLC0415

    for first in range(0, number, CHUNK):
        now = database_now()
        with transaction.atomic():
            keys = [_key(each, now) for each in range(first, min(first + CHUNK, number))]
            Key.objects.bulk_create(keys)
            versions = KeyVersion.objects.bulk_create([_version(key, now) for key in keys])
            for row in (*keys, *versions):
                row.note_saved(None, is_new=True)


def _key(number: int, now):
    from keys.models import Key  # noqa: PLC0415

    name = f"filled-{number}"
    key = Key(
        name=name,
        algorithm="aes-256",
        purpose="encrypt_decrypt",
        modes=["aes-256-gcm"],
        state="active",
        searched_text=name,
        created_at=now,
    )
    return _with_mac(key)


def _version(key, now):
    from kernel.crypto.material import KeyMaterial  # noqa: PLC0415
    from kernel.trust import kek  # noqa: PLC0415
    from keys.models import KeyVersion  # noqa: PLC0415

    version = KeyVersion(key=key, version=1, is_primary=True, created_at=now)
    kek.wrap_into(version, KeyMaterial.generate(32))
    return _with_mac(version)


def _with_mac(row):
    from kernel.trust import system_keys  # noqa: PLC0415

    row.row_seq = 1
    message = row._mac_message(row.MAC_VERSION)
    row.row_mac = system_keys.make_mac(system_keys.ROW_MAC, row.MAC_VERSION, message)
    return row


def check(file: Path) -> None:
    """Print the number of keys, and by key-encryption key. Exits with 1 at the first difference."""
    from kernel.trust import kek, kek_records  # noqa: PLC0415
    from kernel.trust.row_mac import MacProtectedRow  # noqa: PLC0415

    before = json.loads(file.read_text()) if file.exists() else {}
    found = {}
    for model in kek_records.wrapped_models():
        rows = model._default_manager.filter(kek_records.HOLDS_KEY).select_related(*model.LOCKED_BY or [None])
        for row in rows.iterator(CHUNK):
            if isinstance(row, MacProtectedRow):
                row.check_mac()
            digest = hashlib.sha256(kek.unwrap_row(row).expose()).hexdigest()
            found[f"{model.__name__} {row.pk}"] = digest
    changed = [name for name, digest in before.items() if found.get(name) != digest]
    file.write_text(json.dumps(found))
    print(json.dumps({"keys": len(found), "changed": changed, "under": dict(kek_records.count_rows())}))
    sys.exit(1 if changed else 0)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")
    django.setup()
    if sys.argv[1] == "add":
        add(int(sys.argv[2]))
    else:
        check(Path(sys.argv[2]))
