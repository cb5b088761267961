from contextlib import contextmanager

import pytest
from django.db import connection

from audit.log import numbering
from audit.models import AuditBundle, AuditLog, AuditTrail
from tests.audit import packed
from tests.conftest import append_only_triggers_off, touches_database


@pytest.fixture(autouse=True)
def empty_log(request, root_of_trust):
    """Remove the first events of the installation, so that tests count only their own."""
    if touches_database(request):
        with append_only_triggers_off():
            AuditLog.objects.all().delete()
            AuditTrail.objects.all().delete()
            AuditBundle.objects.all().delete()
        numbering._own.drop()  # numbers restart with the empty log


@contextmanager
def log_out_of_reach():
    """Let nothing be written, as after a failed migration or a revoked write permission."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_bundles RENAME COLUMN mac TO elsewhere")
        try:
            yield
        finally:
            cursor.execute("ALTER TABLE audit_bundles RENAME COLUMN elsewhere TO mac")


@pytest.fixture
def unwritable_log(transactional_db):
    with log_out_of_reach():
        yield


# COMMIT checks deferred constraints: statements that create a failing one, and that remove it.
FAILING_COMMIT = {
    "postgresql": (
        """CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'disk_full'; END $$""",
        """CREATE CONSTRAINT TRIGGER failing AFTER INSERT ON audit_bundles DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION fail()""",
        "DROP TRIGGER failing ON audit_bundles",
        "DROP FUNCTION fail()",
    ),
    "sqlite": (
        "CREATE TABLE failing (id integer REFERENCES security_epoch (id) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER fail AFTER INSERT ON audit_bundles BEGIN INSERT INTO failing VALUES (0); END",
        "DROP TRIGGER fail",
        "DROP TABLE failing",
    ),
}


@pytest.fixture
def failing_commit(transactional_db):
    *making, undoing, undoing_too = FAILING_COMMIT[connection.vendor]
    with connection.cursor() as cursor:
        for statement in making:
            cursor.execute(statement)
        yield
        for statement in (undoing, undoing_too):
            cursor.execute(statement)


@pytest.fixture
def bundled_log(root_of_trust, settings):
    """What ``tests.audit.packed.write_bundles`` returns. Nothing is sequenced."""
    return packed.write_bundles(settings)


@pytest.fixture
def packed_log(bundled_log):
    """The same, sequenced and signed."""
    packed.sequence()
    return bundled_log
