"""Write entries, alter stored rows without the application, and read the results."""

import json
import socket
import threading
import uuid
from contextlib import closing, contextmanager

from django.db import connection, transaction

from audit import actions
from audit.log import entries
from audit.log.canonical import format_timestamp
from audit.log.entry_rows import entry_row, insert_rows
from audit.log.events import Actor, Event
from audit.models import AuditLeaf, AuditLog, AuditTile, AuditTree, CheckpointKey
from audit.sequencing.checkpoint_keys import bootstrap_checkpoint_keys
from audit.sequencing.step import sequence_step
from audit.services import record
from audit.tlog import merkle
from kernel.clock import database_now
from tests.conftest import append_only_triggers_off

ACTOR = Actor.system("test", "command")
DONE = Event(action="test.thing.done")


def write(times=1, event=DONE, actor=ACTOR):
    """Write ``times`` entries, each in its own transaction; return the last."""
    for _ in range(times):
        with transaction.atomic():
            entry = record(event, actor)
    return entry


def write_many(number, writer=None, first=1, event=DONE):
    """Write ``number`` entries of one writer in one transaction."""
    writer, now = writer or uuid.uuid4(), database_now()
    rows = [
        entry_row(event, ACTOR, at=format_timestamp(now), writer=str(writer), wseq=wseq)
        for wseq in range(first, first + number)
    ]
    with transaction.atomic():
        insert_rows(rows)
    return writer


def sequence_all():
    """Run steps until only their own entries remain; return the number of sequenced entries."""
    total = 0
    while number := sequence_step():
        total += number
    return total


def altered(statement, *parameters):
    """Run a statement without the triggers, which the owner of the database can remove."""
    with transaction.atomic(), append_only_triggers_off(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.rowcount


def alarms():
    """``code`` and ``meta``, without the digest of the evidence, of every recorded alarm."""
    rows = AuditLog.objects.filter(action=actions.LOG_ALARMED).order_by("id")
    metas = [json.loads(row.meta) for row in rows]
    return [(row.code, without_evidence(meta)) for row, meta in zip(rows, metas, strict=True)]


def without_evidence(meta):
    return {name: value for name, value in meta.items() if name != "evidence"}


def leaves_of_rows():
    """The leaf hashes in tree order, computed independently from the rows."""
    rows = {row["id"]: row for row in AuditLog.objects.values(*entries.ENTRY_FIELDS)}
    log_ids = AuditLeaf.objects.order_by("idx").values_list("log_id", flat=True)
    return [merkle.leaf_hash(entries.entry_bytes(rows[log_id])) for log_id in log_ids]


def assert_the_tree_is_that_of_the_rows():
    computed = leaves_of_rows()
    stored = AuditLeaf.objects.order_by("idx").values_list("idx", "leaf_hash")
    assert [(idx, bytes(leaf)) for idx, leaf in stored] == list(enumerate(computed))
    frontier = merkle.Frontier.EMPTY.extended(computed)
    tree = AuditTree.objects.get()
    assert (tree.size, bytes(tree.root), bytes(tree.edge)) == (
        len(computed),
        frontier.root(),
        frontier.encode(),
    )
    lowest = AuditTile.objects.filter(level=0).order_by("number").values_list("hashes", flat=True)
    assert b"".join(bytes(hashes) for hashes in lowest) == b"".join(computed)


class Server:
    """A local server. ``address`` is in the setting's format; ``received`` has each datagram or connection,
    whole.
    """

    def __init__(self, kind):
        self.kind = kind
        self.received = []
        self.socket = socket.socket(type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.05)
        self.address = f"{kind}://127.0.0.1:{self.socket.getsockname()[1]}"

    def serve(self, ends):
        while not ends.is_set():
            try:
                if self.kind == "udp":
                    self.received.append(self.socket.recv(65536))
                else:
                    accepted, _ = self.socket.accept()
                    with closing(accepted), accepted.makefile("rb") as stream:
                        accepted.settimeout(5)
                        self.received.append(stream.read())
            except TimeoutError:
                continue


@contextmanager
def listening(kind):
    server, ends = Server(kind), threading.Event()
    if kind == "tcp":
        server.socket.listen()
    thread = threading.Thread(target=server.serve, args=[ends])
    thread.start()
    try:
        yield server
    finally:
        ends.set()
        thread.join()
        server.socket.close()


@contextmanager
def no_more_entries():
    refuses = {
        "postgresql": "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log()",
        "sqlite": "BEGIN SELECT RAISE(ABORT, 'no'); END",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TRIGGER no_more BEFORE INSERT ON audit_logs {refuses}")
        try:
            yield
        finally:
            cursor.execute("DROP TRIGGER no_more" + " ON audit_logs" * (connection.vendor == "postgresql"))


def recreate_checkpoint_keys():
    """Replace the keys, and publish the new ones in the log."""
    CheckpointKey.objects.all().delete()
    bootstrap_checkpoint_keys()
