"""Write entries, alter stored rows without the application, and read the results."""

import json
import socket
import threading
import uuid
from contextlib import closing, contextmanager

from django.db import connection, transaction

from audit import actions
from audit.log import entries
from audit.log.entry_mac import check_entry_mac
from audit.log.events import Actor, Event
from audit.models import AuditBundle, AuditLog, AuditTile, AuditTree, CheckpointKey
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.bundles.taking import waiting_columns
from audit.sequencing.checkpoints.signing_keys import bootstrap_checkpoint_keys
from audit.tlog import merkle
from kernel.clock import database_now
from tests.conftest import append_only_triggers_off
from tests.log_entries import insert_events, record

ACTOR = Actor.system("test", "command")
DONE = Event(action="test.thing.done")


def write(times=1, event=DONE, actor=ACTOR):
    """Write ``times`` entries, each in its own transaction; return what was recorded last."""
    for _ in range(times):
        with transaction.atomic():
            entry = record(event, actor)
    return entry


def write_many(number, writer=None, first=1, event=DONE):
    """Write ``number`` entries of one writer in one bundle."""
    return insert_events([(event, ACTOR)] * number, at=database_now(), writer=writer, first=first)


def sequence_all():
    """Run steps until nothing waits; return the number of sequenced entries."""
    total = 0
    while AuditBundle.objects.filter(rejected_at__isnull=True).exists():
        total += sequence_step()
    return total


def altered(statement, *parameters):
    """Run a statement without the triggers, which the owner of the database can remove."""
    with transaction.atomic(), append_only_triggers_off(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.rowcount


def alarms():
    """``code`` and ``meta``, without the digest of the evidence, of every recorded alarm, those that wait included."""
    rows = AuditLog.objects.filter(action=actions.LOG_ALARMED).order_by("id").values("action", "code", "meta")
    recorded = [*rows, *waiting_columns(AuditBundle.objects.all())]
    return [
        (row["code"], without_evidence(json.loads(row["meta"])))
        for row in recorded
        if row["action"] == actions.LOG_ALARMED
    ]


def without_evidence(meta):
    return {name: value for name, value in meta.items() if name != "evidence"}


def leaves_of_rows():
    """The leaf hashes in tree order, computed independently from the rows."""
    rows = AuditLog.objects.order_by("id").values(*entries.ENTRY_FIELDS)
    return [merkle.leaf_hash(entries.entry_bytes(row)) for row in rows]


def assert_the_tree_is_that_of_the_rows():
    computed = leaves_of_rows()
    ids = list(AuditLog.objects.order_by("id").values_list("id", flat=True))
    assert ids == list(range(1, len(ids) + 1))
    for row in AuditLog.objects.values(*entries.ENTRY_FIELDS, "mac")[:50]:
        check_entry_mac(entries.mac_bytes(row), entries.version_of(row), row["mac"])
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
        cursor.execute(f"CREATE TRIGGER no_more BEFORE INSERT ON audit_bundles {refuses}")
        try:
            yield
        finally:
            cursor.execute("DROP TRIGGER no_more" + " ON audit_bundles" * (connection.vendor == "postgresql"))


def recreate_checkpoint_keys():
    """Replace the keys, and publish the new ones in the log."""
    CheckpointKey.objects.all().delete()
    bootstrap_checkpoint_keys()


def write_singly(number, writer=None, first=1):
    """Write ``number`` bundles of one entry of a writer."""
    writer = writer or uuid.uuid4()
    for wseq in range(first, first + number):
        write_many(1, writer, first=wseq)
    return writer


def without(*numbers, of):
    """Remove waiting bundles of a writer."""
    assert AuditBundle.objects.filter(writer=of, first__in=numbers).delete()[0] == len(numbers)


def heartbeat(**writers):
    return write(
        event=Event(
            action=actions.WRITER_HEARTBEAT, meta={"writers": {str(w): n for w, n in writers.items()}}
        )
    )
