"""The catalog of a freshly migrated database, with which the product compares that of an installation.

    python -m tests.catalogs

writes both files after a change of migrations: SQLite's with a new database, PostgreSQL's with one that it starts.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def migrated_catalog():
    """The catalog of the connected database, whose tables must all be those of the migrations."""
    from django.db import connection  # noqa: PLC0415 - models need a set-up Django

    from kernel.databases.catalog.comparing import read_catalog  # noqa: PLC0415

    with connection.cursor() as cursor:
        functions = set()
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT proname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang "
                "WHERE pronamespace = 'public'::regnamespace AND lanname <> 'c'"
            )
            functions = {name for (name,) in cursor.fetchall()}
        return read_catalog(connection.introspection.table_names(cursor), functions)


def write() -> None:
    """Migrate the empty database of the settings, and write its catalog."""
    import django  # noqa: PLC0415 - not in the parent process, which has no settings

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    from kernel.databases.applied_migrations import migration_transaction  # noqa: PLC0415
    from kernel.databases.catalog.comparing import catalog_file  # noqa: PLC0415
    from kernel.databases.catalog.objects import encode  # noqa: PLC0415

    with migration_transaction():
        call_command("migrate", interactive=False, verbosity=0)
    file = catalog_file(connection.vendor)
    file.write_text(encode(migrated_catalog()), encoding="utf-8")
    sys.stdout.write(f"{file}\n")


def main() -> None:
    child = [sys.executable, "-m", "tests.catalogs", "write"]
    with tempfile.TemporaryDirectory() as folder:
        settings = {"DJANGO_SETTINGS_MODULE": "ciphercanary.settings", "CC_HOME": folder}
        environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | settings
        Path(folder).chmod(0o700)
        subprocess.run(child, env=environment, check=True)
        services = [sys.executable, "-m", "tests.services"]
        subprocess.run([*services, *child], env=environment, check=True)


if __name__ == "__main__":
    write() if sys.argv[1:] == ["write"] else main()
