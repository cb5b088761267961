"""Code that is older than its database starts nothing, and names the version that the database needs."""

import signal

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import CommandError
from django.db.migrations.recorder import MigrationRecorder

from ciphercanary.server import preparation
from ciphercanary.server.starting import CannotStart
from console.system.services import check_migrations
from kernel import __version__
from kernel.commands import ServiceCommand
from kernel.databases.applied_migrations import applied_migrations
from kernel.databases.releases import AppliedRelease, describe_newer_database, record_release

pytestmark = pytest.mark.django_db(transaction=True)

NEEDED = r"version 9\.1\.0 or newer: it has the migration keys 9999_later, and this is version "
WAITING = ("run_sequencer", "run_worker")  # they check once the database responds
ON_AN_EMPTY_DATABASE = "restore"
PREPARING = "load_demo"  # the preparation refuses a newer database


@pytest.fixture
def newer_database():
    MigrationRecorder.Migration.objects.create(app="keys", name="9999_later")
    AppliedRelease.objects.create(version=__version__)
    AppliedRelease.objects.create(version="9.1.0")
    yield
    MigrationRecorder.Migration.objects.filter(name="9999_later").delete()


@pytest.fixture
def signals():
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("start", [preparation.prepare, preparation.require_prepared])
def test_no_role_starts_with_it(newer_database, settings, start):
    (settings.CC_HOME / "secret-key").touch()
    with pytest.raises(CannotStart, match=rf"^ciphercanary\.E019: The database needs {NEEDED}"):
        start()


@pytest.mark.parametrize("command", ["migrate", "clearsessions", "list_users", *WAITING])
def test_no_command_uses_it(newer_database, signals, command):
    with pytest.raises(CommandError, match=NEEDED):
        call_command(command)


def test_every_command_of_ours_checks_that():
    ours = {name: load_command_class(app, name) for name, app in get_commands().items() if "." not in app}
    checking = {name for name, command in ours.items() if isinstance(command, ServiceCommand)}
    unchecked = {name for name in checking if not ours[name].requires_migrations_checks}
    assert len(checking) > 30
    assert unchecked == {*WAITING, ON_AN_EMPTY_DATABASE, PREPARING}


def test_a_release_that_recorded_nothing_is_described_as_newer(newer_database):
    AppliedRelease.objects.filter(version="9.1.0").delete()
    assert f"needs a version newer than {__version__}: " in describe_newer_database(applied_migrations())
    AppliedRelease.objects.all().delete()
    assert f"needs a version newer than {__version__}: " in describe_newer_database(applied_migrations())


def test_a_running_process_shows_it_on_the_system_page(newer_database):
    assert "version 9.1.0 or newer" in check_migrations().remedy


def test_a_release_is_recorded_once_for_each_time_that_it_migrates_after_another():
    assert describe_newer_database(applied_migrations()) == ""
    for version in (None, None, "0.1.9", None):
        if version:
            AppliedRelease.objects.create(version=version)
        record_release(applied_migrations())
    versions = AppliedRelease.objects.order_by("id").values_list("version", flat=True)
    assert list(versions) == [__version__, "0.1.9", __version__]


def test_a_migration_without_changes_records_nothing():
    call_command("migrate", verbosity=0)
    assert not AppliedRelease.objects.exists()
