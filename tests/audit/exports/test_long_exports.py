"""Exports of a long log, also through the running product."""

import base64
import csv
import hashlib
import io
import sys
import time
from pathlib import Path

import pytest

from audit.exports import task
from audit.log.events import Event
from audit.models import AuditExport
from audit.tlog import merkle
from tests.audit.exports.exporting import EXPORTS, ids, order
from tests.audit.sequencing.log import write_many

LONG = 30_000  # entries
MEBIBYTE = 2**20

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.sweep
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells the peak")
def test_memory_does_not_grow_with_the_log(auditor):
    for _ in range(LONG // 5_000):
        write_many(5_000, event=Event(action="test.thing.done", meta={"reason": "x" * 1_000}))
    # Run a small export first: it loads modules and caches. A large one would free memory for the second to
    # reuse.
    task.run(AuditExport.objects.get(id=order(auditor, object="of no entry")), lambda *_: None)
    job = AuditExport.objects.get(id=order(auditor))
    before = forget_peak()
    columns = task.run(job, lambda *_: None)
    assert columns["rows"] > LONG
    assert columns["size"] > LONG * 1_000
    assert peak() - before < 40 * MEBIBYTE


def forget_peak():
    """Return the current memory of this process in bytes, and reset its peak (proc_pid_clear_refs(5))."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def peak():
    return memory("VmHWM")


def memory(name):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


@pytest.mark.process
@pytest.mark.postgresql
def test_an_export_of_the_running_product_contains_the_leaves_of_the_log(product):
    token = product.token()
    assert product.manage("checkpoint_audit_log").returncode == 0
    body = {"action": "accounts.session.opened"}
    ordered = {
        name: product.send("POST", EXPORTS, body | {"format": name}, token=token) for name in ("jsonl", "csv")
    }
    assert {response.status for response in ordered.values()} == {202}
    listed = product.send("GET", f"/api/v1/audit/logs?limit=100&action={body['action']}", token=token).json
    expected = sorted(entry["id"] for entry in listed["results"])
    tiles = [bytes(row[0]) for row in product.query("SELECT hashes FROM audit_tiles WHERE level = 0")]
    leaves = {tile[at : at + 32] for tile in tiles for at in range(0, len(tile), 32)}
    for export_format, response in ordered.items():
        export = wait_for_end(product, response.headers["Location"], token)
        result = product.send("GET", f"{response.headers['Location']}/result", token=token)
        digest = hashlib.sha256(result.content).digest()
        assert (export["status"], export["sha256"]) == ("succeeded", digest.hex())
        assert result.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
        assert export["rows"] == len(expected)
        if export_format == "csv":
            _, *rows = csv.reader(io.StringIO(result.content.decode(), newline=""))
            assert [int(row[0]) for row in rows] == expected
            continue
        assert ids(result.content) == expected
        # An auditor can find the entry of each line in the tree.
        entries = [
            line.removesuffix(b',"integrity":"verified"}') + b"}" for line in result.content.splitlines()
        ]
        assert {merkle.leaf_hash(entry) for entry in entries} <= leaves
        assert export["checkpoint"]["size"] > 0


def wait_for_end(product, path, token):
    deadline = time.monotonic() + 30
    while not (export := product.send("GET", path, token=token).json)["finished_at"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return export
