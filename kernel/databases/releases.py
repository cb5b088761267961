"""The releases that migrated the database. With them, older code can name the version that it lacks."""

from django.db import models

from kernel import __version__
from kernel.databases.applied_migrations import Names, shipped_migrations

_TABLE = ("ciphercanary", "0007_applied_releases")


class AppliedRelease(models.Model):
    """A release that applied migrations. The newest row has the version that the database needs.

    Earlier releases read this table in the databases of later ones, so the table and its columns stay as they are.
    """

    version = models.CharField(max_length=32)
    applied_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "applied_releases"

    def __str__(self) -> str:
        return self.version


def record_release(applied: Names) -> None:
    """Record that this version has applied migrations; ``applied``: all of them."""
    if _TABLE in applied and _newest() != __version__:
        AppliedRelease.objects.create(version=__version__)  # noqa: CC3 - only the words of a refusal depend on it


def describe_newer_database(applied: Names) -> str:
    """The version that the database needs, and the remedy; "" if this version has all ``applied`` migrations.

    Raises django.db.Error.
    """
    unknown = applied - shipped_migrations()
    if not unknown:
        return ""
    app, name = max(unknown)
    return (
        f"The database needs {_needed(applied)}: it has the migration {app} {name}, and this is version {__version__}. "
        "Install that version, or restore a backup from before the upgrade into a new database."
    )


def _needed(applied: Names) -> str:
    newest = _newest() if _TABLE in applied else ""
    # The release is missing if its command was killed after the last migration.
    return (
        f"a version newer than {__version__}" if newest in {"", __version__} else f"version {newest} or newer"
    )


def _newest() -> str:
    return AppliedRelease.objects.order_by("-id").values_list("version", flat=True).first() or ""
