"""Jobs in the running product, in both forms: bin/serve's own worker, and Celery's on a real Redis.

The job is an export of a log that is long enough to be interrupted.
"""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.product import REDIS_URL, ROOT, Product, programs, session_of
from tests.services.processes import dies_with_parent, free_port

pytestmark = pytest.mark.process

SOON = 60  # seconds
LEASE = 8  # seconds
ENTRIES = 200_000  # takes some seconds; a cancellation takes effect within one
BATCH = 2_000
FILL = f"""
import uuid
import django
django.setup()
from django.db import transaction
from audit.log.canonical import format_timestamp
from audit.log.entry_rows import entry_row, insert_rows
from audit.log.events import Actor, Event, Source
from kernel.clock import database_now
writer, actor = uuid.uuid4(), Actor.system("a long history", Source.COMMAND)
event = Event(action="keys.key.read", object_type="key", object_id=str(uuid.uuid4()))
for first in range(1, {ENTRIES} + 1, {BATCH}):
    numbers = range(first, first + {BATCH})
    with transaction.atomic():
        insert_rows([entry_row(event, actor, at=format_timestamp(database_now()), writer=str(writer), wseq=n) for n in numbers])
"""


class Embedded:
    """The worker that bin/serve runs and restarts."""

    settings = {}

    def __init__(self, product):
        self.product = product

    def start(self):
        pass

    def kill(self):
        os.kill(programs(self.product)["run_worker"], signal.SIGKILL)

    def stop(self):
        pid = programs(self.product)["run_worker"]
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: session_of(pid) is None)


class Celery:
    """A worker and a beat of the tests, next to bin/serve, which then runs no worker."""

    settings = {"CELERY_BROKER_URL": REDIS_URL}

    def __init__(self, product):
        self.product = product
        self.said = (product.folder / "celery").open("ab")
        self.beat = self._celery("beat")
        self.worker = None

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

    def start(self):
        self.worker = self._celery("worker")

    def kill(self):
        os.killpg(self.worker.pid, signal.SIGKILL)
        self.worker.wait()
        self.start()

    def stop(self):
        self.worker.terminate()
        assert self.worker.wait(SOON) == 0
        self.start()

    def end(self):
        for process in (self.worker, self.beat):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.said.close()


@contextlib.contextmanager
def long_history(folder, **settings):
    with Product(folder, CC_JOB_LEASE_SECONDS=str(LEASE), **settings) as product:
        environment = product.environment | {"DJANGO_SETTINGS_MODULE": "ciphercanary.settings"}
        subprocess.run([sys.executable, "-c", FILL], cwd=ROOT, env=environment, check=True)
        yield product


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    with long_history(tmp_path_factory.mktemp("embedded")) as product:
        yield Embedded(product)


@pytest.fixture(scope="module")
def celery(tmp_path_factory):
    with long_history(tmp_path_factory.mktemp("celery"), **Celery.settings) as product:
        assert "run_worker" not in programs(product)
        worker = Celery(product)
        worker.start()
        yield worker
        worker.end()


@pytest.fixture(
    params=[
        pytest.param("embedded", marks=pytest.mark.database),
        pytest.param(
            "celery",
            marks=[pytest.mark.redis, pytest.mark.skipif(not REDIS_URL, reason="there is no broker")],
        ),
    ]
)
def worker(request):
    return request.getfixturevalue(request.param)


class Export:
    def __init__(self, product):
        self.product, self.token = product, product.token()
        answer = product.send("POST", "/api/v1/audit/exports", {"format": "jsonl"}, token=self.token)
        assert answer.status == 202, answer.content
        self.id = answer.json["id"]

    @property
    def path(self):
        return f"/api/v1/audit/exports/{self.id}"

    def now(self):
        return self.product.send("GET", self.path, token=self.token).json

    def cancel(self):
        return self.product.send("POST", f"{self.path}/cancel", token=self.token)

    def result(self):
        return self.product.send("GET", f"{self.path}/result", token=self.token)

    def wait_until_midway(self):
        """Wait until the export is partly done; return the API's answer of that moment."""
        wait_until(lambda: self.now()["done"] > 0)
        seen = self.now()
        assert seen["status"] == "running", seen
        return seen

    def wait_until_ended(self):
        wait_until(lambda: self.now()["finished_at"])
        return self.now()

    def attempt(self):
        """The attempt, which differs for each run of the job and is part of the file's name."""
        [file] = (self.product.home / "exports").glob(f"{self.id}.*")
        return file.name.split(".")[1]

    def attempts(self):
        identity = self.id if self.product.database else self.id.replace("-", "")
        return self.product.query(f"SELECT attempts FROM audit_exports WHERE id = '{identity}'")[0][0]  # noqa: S608


def wait_until(holds):
    deadline = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def require_whole(export, ended):
    """Check that the file exists and matches the row."""
    assert ended["status"] == "succeeded", ended
    content = export.result().content
    assert hashlib.sha256(content).hexdigest() == ended["sha256"]
    assert len(content.splitlines()) == ended["rows"] > ENTRIES


def test_the_job_of_a_killed_worker_is_taken_over_and_finished(worker):
    export = Export(worker.product)
    before = export.wait_until_midway()
    assert 0 < before["done"] < before["total"]
    worker.kill()
    assert export.now()["status"] == "running"  # not detected yet
    ended = export.wait_until_ended()
    require_whole(export, ended)
    assert export.attempts() == 2
    assert ended["started_at"] == before["started_at"]
    recorded = worker.product.query(
        f"SELECT action FROM audit_logs WHERE object_id = '{export.id}' ORDER BY id"  # noqa: S608 - our own id
    )
    assert [action for (action,) in recorded].count("audit.export.finished") == 1


def test_the_job_of_a_worker_that_is_stopped_goes_to_the_next(worker):
    export = Export(worker.product)
    export.wait_until_midway()
    begun = export.attempt()
    worker.stop()
    require_whole(export, export.wait_until_ended())
    assert export.attempt() != begun
    assert export.attempts() == 1


def test_progress_is_seen(worker):
    export = Export(worker.product)
    seen = []
    wait_until(lambda: seen.append(export.now()) or seen[-1]["finished_at"])
    done = [each["done"] for each in seen]
    assert len(set(done)) > 2
    assert done == sorted(done)
    assert {each["total"] for each in seen if each["done"]} == {seen[-1]["rows"]}
    assert done[-1] == seen[-1]["rows"]


def test_a_running_job_is_cancelled(worker):
    export = Export(worker.product)
    export.wait_until_midway()
    assert export.cancel().status == 200
    ended = export.wait_until_ended()
    assert (ended["status"], ended["rows"]) == ("cancelled", None)
    assert export.result().code == "no_result"
    assert not list((worker.product.home / "exports").glob(f"{export.id}*"))


@pytest.mark.redis
@pytest.mark.skipif(not REDIS_URL, reason="there is no broker")
def test_the_broker_carries_ids_and_celery_logs_as_we_do(celery):
    export = Export(celery.product)
    require_whole(export, export.wait_until_ended())
    said = (celery.product.folder / "celery").read_text()
    assert "Task ciphercanary.run_job" not in said  # otherwise each delivery would be a line
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if "celery.worker" in line]
    assert lines
    assert all(line.startswith('{"message"') for line in lines)


@pytest.mark.database
def test_while_the_broker_is_away_a_job_is_taken_all_the_same_and_waits(tmp_path):
    away = f"redis://:a-password-of-the-broker@127.0.0.1:{free_port()}/0"
    with Product(tmp_path, CELERY_BROKER_URL=away) as product:
        began = time.monotonic()
        export = Export(product)
        assert time.monotonic() - began < 20
        assert export.now()["status"] == "pending"
        [line] = map(json.loads, product.stderr.splitlines())
        assert line["message"].startswith("the broker does not answer")
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
