"""Jobs in the running product, in both forms: bin/serve's own worker, and Celery's on a real Redis.

The job is an export of a log that is long enough to be interrupted.
"""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.output import records
from tests.product import REDIS_URL, ROOT, Product, programs, session_of
from tests.services.processes import dies_with_parent, free_port
from tests.waiting import SOON, wait_until

pytestmark = pytest.mark.process

LEASE = 8  # seconds: Celery's beat delivers a job again after half of it
ENTRIES = 30_000  # an export of them takes a second or more
BATCH = 2_000
FILL = f"""
import uuid
import django
django.setup()
from django.db import transaction
from audit.log.bundles import bundle_of, entry_of, insert_bundle
from audit.log.events import Actor, Event, Source
from kernel.clock import database_now
writer, actor = str(uuid.uuid4()), Actor.system("a long history", Source.COMMAND)
event = Event(action="keys.key.read", object_type="key", object_id=str(uuid.uuid4()))
for first in range(1, {ENTRIES} + 1, {BATCH}):
    numbers = range(first, first + {BATCH})
    with transaction.atomic():
        entries = [entry_of(event, actor) for _ in numbers]
        insert_bundle(bundle_of(entries, at=database_now(), writer=writer, first=first))
"""


class Embedded:
    """The worker that bin/serve runs and restarts."""

    settings = {}

    def __init__(self, product):
        self.product = product
        assert "run_worker" in programs(product)

    def kill(self):
        os.kill(programs(self.product)["run_worker"], signal.SIGKILL)

    def stop(self):
        pid = programs(self.product)["run_worker"]
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: session_of(pid) is None)

    def end(self):
        pass


class Celery:
    """A worker and a beat of the tests, next to bin/serve, which then runs no worker."""

    settings = {"CELERY_BROKER_URL": REDIS_URL, "CC_JOB_LEASE_SECONDS": str(LEASE)}

    def __init__(self, product):
        self.product = product
        assert "run_worker" not in programs(product)
        self.said = (product.folder / "celery").open("ab")
        self.beat = self._celery("beat")
        self.worker = self._celery("worker")

    def _celery(self, command):
        return subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "ciphercanary", command],
            cwd=ROOT,
            env=self.product.environment,
            stdout=self.said,
            stderr=self.said,
            start_new_session=True,  # so that its pool can be killed with it
            preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 - no threads run here
        )

    def kill(self):
        os.killpg(self.worker.pid, signal.SIGKILL)
        self.worker.wait()
        self.worker = self._celery("worker")

    def stop(self):
        self.worker.terminate()
        assert self.worker.wait(SOON) == 0
        self.worker = self._celery("worker")

    def end(self):
        for process in (self.worker, self.beat):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.said.close()


@pytest.fixture(scope="module")
def long_history(tmp_path_factory):
    """A product that does not run yet, with a long log."""
    product = Product(tmp_path_factory.mktemp("worker"))
    environment = product.environment | {"DJANGO_SETTINGS_MODULE": "ciphercanary.settings"}
    subprocess.run([sys.executable, "-c", FILL], cwd=ROOT, env=environment, check=True)
    yield product
    product.__exit__()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(Embedded, marks=pytest.mark.database),
        pytest.param(
            Celery,
            marks=[pytest.mark.redis, pytest.mark.skipif(not REDIS_URL, reason="there is no broker")],
        ),
    ],
    ids=["embedded", "celery"],
)
def worker(request, long_history):
    usual = long_history.environment
    long_history.environment = usual | request.param.settings
    long_history.start()
    running = request.param(long_history)
    yield running
    running.end()
    long_history.kill()
    long_history.environment = usual


class Export:
    def __init__(self, product):
        self.product, self.token = product, product.token()
        response = product.send("POST", "/api/v1/audit/exports", {"format": "jsonl"}, token=self.token)
        assert response.status == 202, response.content
        self.id = response.json["id"]

    @property
    def path(self):
        return f"/api/v1/audit/exports/{self.id}"

    def now(self):
        return self.product.send("GET", self.path, token=self.token).json

    def result(self):
        return self.product.send("GET", f"{self.path}/result", token=self.token)

    def wait_until_begun(self):
        """Wait until a worker writes the file."""
        wait_until(lambda: list(self.files()))

    def wait_until_ended(self):
        wait_until(lambda: self.now()["finished_at"])
        return self.now()

    def attempt(self):
        """The attempt, which differs for each run of the job and is part of the file's name."""
        [file] = self.files()
        return file.name.split(".")[1]

    def files(self):
        return (self.product.home / "exports").glob(f"{self.id}.*")

    def row(self, columns):
        return self.product.query(f"SELECT {columns} FROM encryption_operations WHERE {self._is_its_row}")[0]  # noqa: S608

    def expire_lease(self):
        """End the dead worker's lease as if its time had passed."""
        past = "lease_until = '2020-01-01 00:00:00'"
        self.product.query(f"UPDATE encryption_operations SET {past} WHERE {self._is_its_row}")  # noqa: S608

    @property
    def _is_its_row(self):
        return f"id = '{self.id if self.product.database else self.id.replace('-', '')}'"


def require_whole(export, ended):
    """Check that the file exists and matches the row."""
    assert ended["status"] == "succeeded", ended
    content = export.result().content
    assert hashlib.sha256(content).hexdigest() == ended["sha256"]
    assert len(content.splitlines()) == ended["rows"] > ENTRIES


def test_the_job_of_a_killed_worker_is_taken_over_and_finished(worker):
    export = Export(worker.product)
    export.wait_until_begun()
    worker.kill()
    before = export.now()
    assert before["status"] == "running"  # not detected yet
    export.expire_lease()
    ended = export.wait_until_ended()
    require_whole(export, ended)
    assert export.row("attempts") == (2,)
    assert ended["started_at"] == before["started_at"]
    recorded = worker.product.query_log(
        f"SELECT action FROM audit_logs WHERE object_id = '{export.id}' ORDER BY id"  # noqa: S608 - our own id
    )
    assert [action for (action,) in recorded].count("audit.export.finished") == 1


@pytest.mark.postgresql
def test_the_job_of_a_worker_that_is_stopped_goes_to_the_next(worker):
    # Celery checks once a second whether it has to stop. A fast machine may finish the export before.
    assert any(the_next_finishes(worker) for _ in range(5))
    if isinstance(worker, Celery):
        require_our_log((worker.product.folder / "celery").read_text())


def the_next_finishes(worker):
    """Stop the worker during an export; return whether another attempt finished it."""
    export = Export(worker.product)
    export.wait_until_begun()
    begun = export.attempt()
    worker.stop()
    require_whole(export, export.wait_until_ended())
    assert export.row("attempts") == (1,)
    return export.attempt() != begun


def require_our_log(said):
    assert "Task ciphercanary.run_job" not in said  # otherwise each delivery would be a line
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if "celery.worker" in line]
    assert lines
    assert all(line.startswith('{"message"') for line in lines)


def test_a_job_is_accepted_and_waits_while_the_broker_is_away(tmp_path):
    away = f"redis://:a-password-of-the-broker@127.0.0.1:{free_port()}/0"
    with Product(tmp_path, CELERY_BROKER_URL=away) as product:
        assert set(programs(product)) == {"run_sequencer", "gunicorn"}
        began = time.monotonic()
        export = Export(product)
        assert time.monotonic() - began < 20
        assert export.now()["status"] == "pending"
        [line] = [record for record in records(product.stderr) if record["log.level"] == "error"]
        assert line["message"].startswith("the broker does not respond")
        for said in (product.stdout, product.stderr):
            assert "refused" not in said  # the text of an exception
            assert "a-password-of-the-broker" not in said
        # Without a broker, a manual worker suffices: it needs only the row.
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_worker"], cwd=ROOT, env=product.environment
        )
        try:
            assert export.wait_until_ended()["status"] == "succeeded"
        finally:
            process.terminate()
            assert process.wait(SOON) == 0
