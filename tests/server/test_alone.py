"""``load_demo`` refuses while a server uses the installation. The demo of tests/product.py shows that it prepares one."""

import fcntl

import psycopg
import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from ciphercanary.server import alone
from ciphercanary.server.alone import prepared_alone
from kernel.errors import Conflict


def test_a_server_on_the_data_folder_is_refused(settings, tmp_path):
    settings.CC_HOME = tmp_path
    with (tmp_path / "supervisor.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="another server is already using"), prepared_alone():
            pass


def test_an_installation_of_an_earlier_version_is_refused_before_it_is_migrated(db, settings, tmp_path):
    settings.CC_HOME = tmp_path
    MigrationRecorder.Migration.objects.filter(app="keys").latest("id").delete()
    with pytest.raises(Conflict, match="an earlier version has prepared"), prepared_alone():
        pass


def test_an_installation_of_this_version_without_a_server_is_accepted(db):
    alone._refuse_used_database()


@pytest.mark.postgresql
@pytest.mark.parametrize("program", ["web", "worker", "sequencer", "beat"])
def test_a_program_that_uses_the_database_from_another_machine_is_refused(db, settings, tmp_path, program):
    settings.CC_HOME = tmp_path
    parameters = connection.get_connection_params()
    known = {
        name: parameters[name]
        for name in ("host", "port", "dbname", "user", "password")
        if name in parameters
    }
    with (
        psycopg.connect(**known, application_name=f"ciphercanary {program}"),
        pytest.raises(Conflict, match=f"use the database: ciphercanary {program}. Stop"),
        prepared_alone(),
    ):
        pass
