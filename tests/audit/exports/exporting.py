"""Request an export, run it as a worker does, and fetch the file."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count

from django.db import connections

from audit.exports import task
from audit.models import AuditExport
from audit.sequencing.checkpoints.signing import sign_checkpoint
from audit.sequencing.checkpoints.signing_keys import bootstrap_checkpoint_keys
from kernel.jobs import registry, running
from tests.audit.sequencing.log import sequence_all, write_many
from tests.log_entries import log_rows

EXPORTS = "/api/v1/audit/exports"


def order(persona, export_format="jsonl", **filters):
    response = persona.api.post(EXPORTS, {"format": export_format, **filters})
    assert response.status == 202, response.raw.content
    return response.json["id"]


def work():
    """Run all due jobs, as a worker does."""
    while running.run_next(lambda: False):
        pass


def look(persona, export_id):
    return persona.api.get(f"{EXPORTS}/{export_id}").json


def fetch(persona, export_id):
    return persona.api.get(f"{EXPORTS}/{export_id}/result")


def exported(persona, export_format="jsonl", **filters):
    """Export entries; return the bytes of the file and the API's description of the export."""
    export_id = order(persona, export_format, **filters)
    work()
    response = fetch(persona, export_id)
    assert response.status == 200, response.raw.content
    return response.raw.content, look(persona, export_id)


def ids(content):
    return [json.loads(line)["id"] for line in content.splitlines()]


@contextmanager
def meanwhile(do, at_call, *, until=lambda progress: True):
    """Run ``do`` in another thread when the task reports progress for the n-th time; the task waits for it.

    The task then also waits, for at most a minute, until ``until`` is true.
    """
    calls = count(1)

    def run(export, progress):
        def report_progress(done, total=None):
            progress(done, total)
            if next(calls) == at_call:
                in_thread(do)
                end = time.monotonic() + 60
                while not until(progress) and time.monotonic() < end:
                    time.sleep(0.05)

        return task.run(export, report_progress)

    registry.register(task.KIND, AuditExport, run, task.ended)
    try:
        yield
    finally:
        registry.register(task.KIND, AuditExport, task.run, task.ended)


def in_thread(function):
    """Run the function in a thread with its own connections."""

    def call():
        try:
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def seconds_to(function):
    began = time.monotonic()
    function()
    return time.monotonic() - began


def on_record(action):
    return list(log_rows().filter(action=action).order_by("id"))


def signed_log(number):
    bootstrap_checkpoint_keys()
    write_many(number)
    sequence_all()
    return sign_checkpoint()


def unbundled(octets):
    """The entries of an entry bundle."""
    entries = []
    while octets:
        size = int.from_bytes(octets[:2])
        entries.append(octets[2 : 2 + size])
        octets = octets[2 + size :]
    return entries
