"""Only one worker holds a job, its results count only while it holds the lease, and each end is recorded."""

import io
import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import django.db
import pytest
import time_machine
from django.db import connection, connections, transaction
from msgspec.structs import asdict

from audit.log.events import Actor
from audit.models import AuditExport
from kernel.clock import database_now
from kernel.demo_clock import running_from
from kernel.errors import Conflict, Denied, Unavailable
from kernel.jobs import delivery, leases, registry, running, worker
from kernel.jobs import progress as jobs_progress
from kernel.jobs import progress as progress_module
from kernel.jobs import registry as jobs_registry
from kernel.jobs.job import Status, requester_columns
from kernel.jobs.progress import Cancelled, LeaseLost, Progress, Stopping
from kernel.observability import logs, loops
from kernel.observability.metrics import job_failures_total
from tests.audit.service_accounts import BILLING, account
from tests.waiting import SOON, wait_until

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

# The columns that the table of exports requires of a successful export.
RESULT = {
    "rows": 3,
    "size": 9,
    "sha256": "0" * 64,
    "attempt": "0" * 16,
    "expires_at": datetime(2100, 1, 1, tzinfo=UTC),
}


class Task:
    """A task registered for exports: does what a test specifies, and records its calls."""

    def __init__(self):
        self.does = lambda _job, _progress: RESULT
        self.runs, self.ends = [], []
        self.on_record = lambda _job: None

    def run(self, job, progress):
        self.runs.append(job.pk)
        return self.does(job, progress)

    def ended(self, job):
        assert connection.in_atomic_block
        self.on_record(job)
        self.ends.append((job.pk, job.status, job.error_code))


@pytest.fixture
def task(monkeypatch):
    monkeypatch.setattr(registry, "_tasks", {})
    only = Task()
    jobs_registry.register("export", AuditExport, only.run, only.ended)
    return only


@pytest.fixture
def fast_beat(monkeypatch):
    """The row is written often, but its lease has the usual length."""
    monkeypatch.setattr(progress_module, "BEAT_SECONDS", 0.05)


def submitted(**columns):
    job = AuditExport(format="csv", **columns)
    delivery.submit(job)
    return job


def run_one(is_stopping=lambda: False):
    return running.run_next(is_stopping)


def claim(job):
    return leases.claim(registry.find_task("export"), job.pk)


def row(job):
    return AuditExport.objects.get(pk=job.pk)


def let_the_lease_run_out(job):
    AuditExport.objects.filter(pk=job.pk).update(lease_until=database_now() - timedelta(seconds=1))


def in_thread(function):
    """Run the function with its own connections, and close them."""
    try:
        return function()
    finally:
        connections.close_all()


# --- holding a job


def test_a_claimed_job_is_held_for_the_lease_and_by_no_one_else(task):
    job = submitted()
    before = database_now()
    claimed = claim(job)
    assert (claimed.status, claimed.attempts) == (Status.RUNNING, 1)
    assert claimed.started_at >= before
    assert claimed.lease_until - claimed.started_at == timedelta(seconds=20)
    assert claimed.lease_holder
    assert claim(job) is None
    assert row(job).lease_holder == claimed.lease_holder


def test_exactly_one_of_32_workers_claims_a_job(task):
    job = submitted()
    with ThreadPoolExecutor(32) as pool:
        claimed = list(pool.map(in_thread, [partial(claim, job)] * 32))
    [winner] = [each for each in claimed if each]
    assert row(job).lease_holder == winner.lease_holder
    assert row(job).attempts == 1


def test_32_workers_run_each_of_8_jobs_once(task):
    ids = {submitted().pk for _ in range(8)}
    with ThreadPoolExecutor(32) as pool:
        done = list(pool.map(in_thread, [run_one] * 32))
    while run_one():
        pass  # a worker that was too late for all the jobs it saw found nothing; the next call does
    assert sum(done) <= 8
    assert sorted(task.runs) == sorted(ids)
    assert {each.status for each in AuditExport.objects.all()} == {Status.SUCCEEDED}


def test_the_oldest_is_done_first(task):
    now = database_now()
    due = {
        age: submitted(due_at=now - timedelta(seconds=age)).pk
        for age in (3, 60, 1, 7, 20, 2, 50, 9, 40, 8, 70, 4)
    }
    while run_one():
        pass
    assert task.runs == [due[age] for age in sorted(due, reverse=True)]


def test_a_job_is_left_alone_until_its_time_has_come(task):
    job = submitted(due_at=database_now() + timedelta(minutes=1))
    assert not run_one()
    assert claim(job) is None
    assert row(job).status == Status.PENDING


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has the clock of the process")
def test_the_clock_of_the_database_decides(task):
    job = submitted()
    claim(job)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        assert claim(job) is None
    let_the_lease_run_out(job)
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=1)):
        assert claim(job)


# --- lost leases


def test_the_job_of_a_dead_worker_is_taken_over(task):
    job = submitted()
    dead = claim(job)
    let_the_lease_run_out(job)
    assert run_one()
    found = row(job)
    assert (found.status, found.attempts, found.rows) == (Status.SUCCEEDED, 2, 3)
    assert found.started_at == dead.started_at


@pytest.mark.parametrize(
    "write",
    [
        lambda job: leases.end(job, Status.SUCCEEDED, {}, result={"rows": 999}),
        lambda job: leases.end(job, Status.FAILED, {}, error_code="internal"),
        lambda job: leases.put_back(job, {}, error_code="internal"),
        lambda job: leases.hand_over(job, {}),
    ],
    ids=["success", "failure", "another try", "stop"],
)
def test_a_worker_without_its_lease_writes_nothing(task, write):
    job = submitted()
    slow = claim(job)
    let_the_lease_run_out(job)
    other = claim(job)
    with pytest.raises(LeaseLost):
        write(slow)
    assert row(job).lease_holder == other.lease_holder
    assert task.ends == []
    leases.end(other, Status.SUCCEEDED, {}, result=RESULT)
    with pytest.raises(LeaseLost):
        write(slow)
    assert (row(job).status, row(job).rows) == (Status.SUCCEEDED, 3)
    assert len(task.ends) == 1


def test_a_task_whose_job_was_taken_over_is_stopped(task, fast_beat):
    job = submitted()
    stopped = []

    def takes_it_over():
        let_the_lease_run_out(job)
        return in_another_thread(lambda: claim(job))

    def is_slow(_job, progress):
        wait_until(takes_it_over)  # the lease may be renewed in between
        try:
            wait_until(lambda: progress(1))
        except LeaseLost:
            stopped.append(True)
            raise

    task.does = is_slow
    assert run_one()
    assert stopped
    assert row(job).status == Status.RUNNING  # held by the other worker
    assert task.ends == []


def in_another_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(in_thread, function).result()


def test_a_task_that_cannot_reach_the_database_stops_when_its_lease_has_run_out(task):
    progress = Progress(claim(submitted()), lambda: False)  # without its thread, which would renew it
    progress(1)
    progress._renewed -= progress._lease + 1  # make the last renewal older than the lease
    with pytest.raises(LeaseLost):
        progress(2)


def test_a_lease_is_renewed_for_as_long_as_the_task_works(task, fast_beat):
    job = submitted()
    seen = []

    def works(_job, progress):
        for _ in range(5):
            before = row(job).lease_until
            wait_until(lambda before=before: row(job).lease_until > before)
            seen.append((claim(job), row(job).lease_until - database_now()))
            progress(1)
        return RESULT

    task.does = works
    assert run_one()
    assert [other for other, _ in seen] == [None] * 5
    assert all(left > timedelta() for _, left in seen)
    assert row(job).attempts == 1
    assert row(job).status == Status.SUCCEEDED


def test_a_job_of_load_demo_is_held_from_the_beginning_and_on_the_clock_of_other_workers(task, fast_beat):
    past, found = database_now() - timedelta(days=3), []

    def works(job, _progress):
        before = row(job).lease_until
        wait_until(lambda: row(job).lease_until > before)
        found.append(in_another_thread(run_one))
        return RESULT

    task.does = works
    with running_from(past):
        job = AuditExport(format="csv")
        delivery.submit_leased(job)
        found.append(in_another_thread(run_one))
        running.run_leased(job, lambda: False)
    assert found == [False, False]
    assert (row(job).status, row(job).attempts) == (Status.SUCCEEDED, 1)
    assert past <= row(job).started_at <= row(job).finished_at < past + timedelta(hours=1)


# --- progress, and the end


def test_progress_is_seen_while_the_task_works(task, fast_beat):
    job = submitted(unit="rows")
    seen = []

    def works(_job, progress):
        progress(4, 10)
        wait_until(lambda: row(job).done == 4)
        seen.append((row(job).done, row(job).total))
        progress(12)  # there was more than had been counted
        wait_until(lambda: row(job).done == 12)
        seen.append((row(job).done, row(job).total))
        return RESULT

    task.does = works
    assert run_one()
    assert seen == [(4, 10), (12, 12)]


def test_success_writes_the_result_and_its_record_at_once(task):
    job = submitted()
    task.does = lambda _job, progress: progress(3, 3) or RESULT
    task.on_record = lambda ended: in_another_thread(lambda: seen_before.append(row(ended).status))
    seen_before = []
    if connection.vendor == "sqlite":
        task.on_record = lambda _job: seen_before.append(
            Status.RUNNING
        )  # one writer, and readers of the past
    assert run_one()
    found = row(job)
    assert seen_before == [Status.RUNNING]
    assert task.ends == [(job.pk, "succeeded", "")]
    assert {name: getattr(found, name) for name in RESULT} == RESULT
    assert (found.done, found.total, found.lease_holder, found.lease_until) == (3, 3, "", None)
    assert found.finished_at >= found.started_at


def test_a_job_whose_end_cannot_be_recorded_does_not_end(task):
    job = submitted()

    def refuse(_job):
        raise Unavailable("The log cannot be written.")

    task.on_record = refuse
    assert run_one()
    found = row(job)
    assert (found.status, found.rows, found.attempts) == (Status.PENDING, None, 1)
    with pytest.raises(Unavailable):
        delivery.cancel(job)
    assert row(job).status == Status.PENDING


def raises(error):
    def task(_job, _progress):
        raise error

    return task


@pytest.mark.parametrize(
    "error", [django.db.OperationalError("gone"), django.db.InterfaceError("closed"), Unavailable("Not now.")]
)
def test_a_temporary_error_is_retried_with_growing_delays_and_a_limit(task, error):
    job = submitted()
    task.does = raises(error)
    delays = []
    for _ in range(4):
        began = database_now()
        assert run_one()
        ended = database_now()
        assert not run_one()
        delays.append((row(job).due_at - ended, row(job).due_at - began))
        AuditExport.objects.filter(pk=job.pk).update(due_at=database_now())
    for (least, most), seconds in zip(delays, [5, 10, 20, 40], strict=True):
        assert least <= timedelta(seconds=seconds) <= most
    assert run_one()
    assert task.ends == [(job.pk, "failed", "dependency_unavailable")]
    assert len(task.runs) == 5


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Denied("No."), "permission_denied"),
        (ValueError("hunter2"), "internal"),
        (KeyError("hunter2"), "internal"),
    ],
)
def test_a_permanent_error_fails_with_a_code_and_is_logged_with_the_id_of_the_job(task, error, code):
    job = submitted()
    task.does = raises(error)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(level="INFO", log_format="json", service="canary", has_traces=False)
    root.handlers[0].stream = stream = io.StringIO()
    try:
        assert run_one()
    finally:
        root.handlers, root.level = handlers, level
    assert task.ends == [(job.pk, "failed", code)]
    line = json.loads(stream.getvalue())
    assert (line["http.request.id"], line["error.type"]) == (str(job.pk), type(error).__name__)
    assert "test_jobs.py" in line["error.stack_trace"]
    assert "hunter2" not in stream.getvalue()


def test_a_job_that_kills_every_worker_is_given_up(task):
    job = submitted()
    for _ in range(leases.MAX_ATTEMPTS):
        assert claim(job)
        let_the_lease_run_out(job)
    assert not run_one()
    assert task.runs == []
    assert task.ends == [(job.pk, "failed", "gave_up")]
    assert row(job).finished_at


# --- cancelling, and stopping


def test_a_pending_job_is_cancelled_at_once(task):
    job = submitted()
    delivery.cancel(job)
    assert task.ends == [(job.pk, "cancelled", "")]
    assert not run_one()
    assert task.runs == []


def test_a_running_job_is_cancelled_when_it_next_reports_its_progress(task):
    job = submitted()

    def works(_job, progress):
        in_another_thread(lambda: delivery.cancel(job))
        assert row(job).status == Status.RUNNING
        wait_until(lambda: progress(7))

    task.does = works
    assert run_one()
    assert task.ends == [(job.pk, "cancelled", "")]
    assert (row(job).status, row(job).done) == (Status.CANCELLED, 7)


def test_a_job_that_was_cancelled_before_its_worker_died_is_not_begun_again(task):
    job = submitted()
    claim(job)
    delivery.cancel(job)
    requested = row(job).cancel_requested_at
    delivery.cancel(job)  # a second request changes nothing
    assert row(job).cancel_requested_at == requested
    let_the_lease_run_out(job)
    assert run_one()
    assert task.runs == []
    assert task.ends == [(job.pk, "cancelled", "")]


def test_an_ended_job_is_not_cancelled(task):
    job = submitted()
    assert run_one()
    with pytest.raises(Conflict, match="ended"):
        delivery.cancel(job)
    assert row(job).status == Status.SUCCEEDED


def test_a_simultaneous_cancellation_and_claim_happen_one_after_the_other(task):
    for _ in range(10):
        job = submitted()
        with ThreadPoolExecutor(2) as pool:
            claimed = pool.submit(in_thread, lambda job=job: claim(job))
            cancelled = pool.submit(in_thread, lambda job=job: delivery.cancel(job))
        assert cancelled.exception() is None
        found = row(job)
        if claimed.result():
            assert (found.status, found.cancel_requested_at is None) == (Status.RUNNING, False)
        else:
            assert found.status == Status.CANCELLED


def test_a_worker_that_stops_leaves_its_job_to_others_as_if_not_begun(task):
    job = submitted()
    stopping = threading.Event()

    def works(_job, progress):
        stopping.set()
        progress(5, 10)

    task.does = works
    assert run_one(stopping.is_set)
    found = row(job)
    assert (found.status, found.attempts, found.done) == (Status.PENDING, 0, 5)
    assert task.ends == []
    task.does = lambda _job, _progress: RESULT
    assert run_one()
    assert row(job).status == Status.SUCCEEDED


def test_all_reasons_to_stop_a_task_have_one_base_class():
    assert {LeaseLost, Cancelled, Stopping} == set(jobs_progress.Stop.__subclasses__())


# --- submitting, and counting


def test_a_job_is_there_once_its_transaction_has_committed(task):
    with transaction.atomic():
        submitted()
        assert in_another_thread(run_one) is False
        transaction.set_rollback(True)
    assert not AuditExport.objects.exists()


def test_the_row_contains_the_requester(task, admin):
    facts = {name: getattr(admin.principal.actor, name) for name in admin.principal.actor.__slots__}
    job = submitted(**requester_columns(facts))
    assert (row(job).created_by, row(job).created_by_name) == (admin.user.id, "ada")
    assert row(job).actor_facts == facts
    assert row(job).requester == admin.principal.identity


def test_a_service_account_asks_for_a_job_as_itself(task):
    facts = asdict(account())
    job = submitted(**requester_columns(facts))
    assert (row(job).created_by, row(job).actor_id, row(job).created_by_name) == (None, BILLING, "billing")
    assert Actor(**row(job).actor_facts) == account()
    assert row(job).requester == account().identity


def test_jobs_are_counted_by_kind_and_status(task):
    assert jobs_registry.read_queues() == {"export": registry.Queue(dict.fromkeys(Status, 0), 0.0)}
    submitted()
    claim(submitted())
    delivery.cancel(submitted())
    counted = jobs_registry.read_queues()["export"].counts
    assert counted == {"pending": 1, "running": 1, "succeeded": 0, "failed": 0, "cancelled": 1}


def test_the_age_of_the_queue_is_that_of_the_oldest_due_job(task):
    def age():
        return jobs_registry.read_queues()["export"].age

    later, now = submitted(due_at=database_now() + timedelta(hours=1)), database_now()
    held = submitted()
    claim(held)
    assert age() == 0.0
    AuditExport.objects.filter(pk=held.pk).update(lease_until=now - timedelta(seconds=100))  # its worker died
    assert 100 <= age() < 200
    AuditExport.objects.filter(pk=later.pk).update(due_at=now - timedelta(seconds=300))
    assert 300 <= age() < 400


def test_failures_are_counted_once(task):
    def counted():
        return job_failures_total.labels("export")._value.get()

    before = counted()
    task.does = raises(ValueError("hunter2"))
    job = submitted()
    run_one()
    assert (row(job).status, counted()) == (Status.FAILED, before + 1)
    task.does = raises(Unavailable("later"))
    retried = submitted()
    run_one()
    assert (row(retried).status, counted()) == (Status.PENDING, before + 1)


def test_a_kind_that_is_not_known_is_dropped(task, caplog):
    running.run_job("nonsense", submitted().pk, lambda: False)
    assert "not known here" in caplog.text
    assert task.runs == []


# --- the embedded worker


def test_the_worker_does_jobs_as_they_come_and_keeps_the_schedule(task, monkeypatch, caplog):
    monkeypatch.setattr(registry, "_periodic", {})
    ticks, rare, stopping = [], [], threading.Event()
    jobs_registry.register_periodic("failing", 1, lambda: raises(ValueError("hunter2"))(None, None))
    jobs_registry.register_periodic("ticking", 1, lambda: ticks.append(True))
    jobs_registry.register_periodic("rare", 60, lambda: rare.append(True))
    thread = threading.Thread(target=worker.work, args=[2, stopping.is_set])
    thread.start()
    try:
        for _ in range(2):
            job = submitted()
            wait_until(lambda job=job: row(job).status == Status.SUCCEEDED)
        wait_until(lambda: len(ticks) > 1)
    finally:
        stopping.set()
        thread.join(SOON)
    assert not thread.is_alive()
    assert len(rare) == 1
    assert "failing failed" in caplog.text


def test_a_long_periodic_function_delays_no_other_one(task, monkeypatch):
    monkeypatch.setattr(registry, "_periodic", {})
    ticks, released, stopping = [], threading.Event(), threading.Event()
    jobs_registry.register_periodic("long", 1, lambda: released.wait(SOON), is_long=True)
    jobs_registry.register_periodic("ticking", 1, lambda: ticks.append(True))
    thread = threading.Thread(target=worker.work, args=[1, stopping.is_set])
    thread.start()
    try:
        wait_until(lambda: len(ticks) > 1)
    finally:
        released.set()
        stopping.set()
        thread.join(SOON)
    assert not thread.is_alive()


def test_each_loop_of_a_worker_shows_that_it_turns_also_during_a_job(task, monkeypatch):
    went_on, stopping = threading.Event(), threading.Event()

    def work(job, progress):
        while not went_on.wait(0.01):
            progress(0)
        return RESULT

    task.does = work
    submitted()
    long = [each.name for each in jobs_registry.periodic_functions() if each.is_long]
    thread = threading.Thread(target=worker.work, args=[1, stopping.is_set])
    thread.start()
    try:
        wait_until(lambda: task.runs)
        monkeypatch.setattr(loops, "STUCK_SECONDS", -1.0)
        wait_until(lambda: loops.stuck_loops() == sorted([*long, "jobs-1", "schedule"]))
        monkeypatch.undo()
        loops._turns.current.times["jobs-1"] -= loops.STUCK_SECONDS + 1
        wait_until(lambda: loops.stuck_loops() == [])
    finally:
        went_on.set()
        stopping.set()
        thread.join(SOON)
    assert not thread.is_alive()


def test_the_turns_of_a_loop_do_not_show_how_long_it_works(monkeypatch):
    """Each turn is in a metric. Those of the watcher of canaries would show a touch."""
    turns, stopping = [], threading.Event()

    def work_now_and_then():
        turns.append(time.monotonic())
        time.sleep(0.3 if len(turns) % 2 else 0.0)

    periodic = registry.Periodic("work", 0.4, work_now_and_then, is_long=True)
    monkeypatch.setitem(jobs_registry._periodic, "work", periodic)
    monkeypatch.setattr(worker, "_POLL_SECONDS", 0.4)
    thread = threading.Thread(
        target=worker._repeat, args=["work", worker.Schedule([periodic]).run_due, stopping]
    )
    thread.start()
    wait_until(lambda: len(turns) == 7)
    stopping.set()
    thread.join(SOON)
    after_work = [turns[place + 1] - turns[place] for place in (0, 2, 4)]
    assert 0.35 < min(after_work) < 0.6


def test_a_worker_outlasts_a_database_that_is_away(task, caplog, monkeypatch):
    monkeypatch.setattr(worker, "AFTER_FAILURE_SECONDS", 0.1)
    stopping = threading.Event()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE encryption_operations RENAME TO encryption_operations_away")
    thread = threading.Thread(target=worker.work, args=[1, stopping.is_set])
    thread.start()
    try:
        try:
            wait_until(lambda: "continues after a pause" in caplog.text)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE encryption_operations_away RENAME TO encryption_operations")
        job = submitted()
        wait_until(lambda: row(job).status == Status.SUCCEEDED)
    finally:
        stopping.set()
        thread.join(SOON)
