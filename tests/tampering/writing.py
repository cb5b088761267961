"""A realistic log: changes with their trail, batches, several writers, key rotations."""

import random
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta

from django.db import transaction
from msgspec.structs import replace

from audit.commit.decisions import Grounds, Ready
from audit.commit.writer import submit
from audit.log import heartbeats
from audit.log.events import Actor, ActorType, Event, Outcome, RowChange, Source
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.checkpoints import signing
from audit.sequencing.checkpoints.signing import sign_checkpoint
from audit.sequencing.checkpoints.signing_keys import promote_covered_keys, rotate_checkpoint_keys
from audit.sequencing.merging import Merging, merged_before
from canaries.sealed.store import changing
from kernel.clock import database_now
from kernel.demo_clock import running_from
from tests.log_entries import insert_events, record

SYSTEM = Actor.system("campaign", Source.COMMAND)
TABLES = ("encryption_keys", "key_versions", "users")
OPERATIONS = ("crypto.message.encrypted", "crypto.message.decrypted", "crypto.random.generated")


class Log:
    """Random writes, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - the next event is no secret
        self.keys = [str(self.some_uuid()) for _ in range(12)]
        self.actors = [SYSTEM, *(self.user(number) for number in range(5)), self.service_account()]
        self.written = 0

    def some_uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self.chance.getrandbits(128), version=4)

    def user(self, number: int) -> Actor:
        return Actor(
            user_id=self.some_uuid(),
            actor_type=ActorType.USER,
            actor_name=f"user-{number}",
            auth_method="password+totp",
            token_id=f"jti-{number}",
            client_ip=f"192.0.2.{number}",
            user_agent="curl/8.5.0 “quoted” \\ \t ü",
            source=Source.API,
            request_id=f"req-{self.chance.getrandbits(40):x}",
        )

    def service_account(self) -> Actor:
        owner = {"user_id": None, "actor_id": self.some_uuid(), "actor_type": ActorType.SERVICE_ACCOUNT}
        return replace(self.user(5), **owner, auth_method="service_token")

    def change(self, rows: int | None = None) -> None:
        """Record an event in its own transaction, with the rows it changed."""
        rows = self.chance.randrange(4) if rows is None else rows
        with transaction.atomic():
            record(
                self.event(),
                self.chance.choice(self.actors),
                changes=[self.row_change() for _ in range(rows)],
            )
        self.written += 1

    def event(self) -> Event:
        chance = self.chance
        key = chance.choice(self.keys)
        meta = {"reason": chance.choice(["", "älter 😀", "plain"]), "algorithm": "aes-256"}
        return Event(
            action=chance.choice(["keys.key.created", "keys.key.rotated", "accounts.user.created"]),
            object_type="key",
            object_id=key,
            object_version=chance.randrange(1, 9),
            meta=meta,
        )

    def row_change(self) -> RowChange:
        table, number = self.chance.choice(TABLES), self.chance.randrange(1000)
        before, after = {"name": "a", "uses": number}, {"name": "b", "uses": number + 1, "tags": ["x", None]}
        match self.chance.randrange(3):
            case 0:
                return RowChange.inserted(table, number, after)
            case 1:
                return RowChange.updated(table, number, before | {"tags": []}, after)
        return RowChange.deleted(table, number, before)

    def undo(self) -> None:
        """Roll back a transaction: it uses an id, but no number."""
        with transaction.atomic():
            record(self.event(), SYSTEM, changes=[self.row_change()])
            transaction.set_rollback(True)

    def operate(self, times: int, *, alike: int = 1) -> None:
        """Operations with keys, through the group-commit writer. Those that are ``alike`` may share a packed row."""
        grounds: list[Grounds] = []
        while len(grounds) < times:
            own = Grounds(event=self.operation(), actor=self.chance.choice(self.actors))
            grounds += [own] * (self.chance.randrange(1, alike + 1) if alike > 1 else 1)
        waiting = [
            submit(Ready(each, request_id=self.some_uuid().hex if alike > 1 else "", result=None))
            for each in grounds[:times]
        ]
        for each in waiting:
            each.result()
        self.written += times

    def operation(self) -> Event:
        action, outcome = self.chance.choice(OPERATIONS), self.chance.choice(list(Outcome))
        is_random = action == OPERATIONS[2]
        return Event(
            action=action,
            object_type="" if is_random else "key",
            object_id="" if is_random else self.chance.choice(self.keys),
            object_version=None if is_random else self.chance.randrange(1, 4),
            outcome=outcome,
            code="" if outcome == Outcome.OK else "not_now",
            count=self.chance.randrange(1, 5),
            size=self.chance.choice([None, 0, 64, 4096]),
        )

    def elsewhere(self, changes: int) -> None:
        """Make changes in another thread, which is another writer."""
        thread = threading.Thread(target=self._change_and_leave, args=[changes])
        thread.start()
        thread.join()

    def _change_and_leave(self, changes: int) -> None:
        from django.db import connections  # noqa: PLC0415 - of this thread

        for _ in range(changes):
            self.change()
        connections.close_all()

    def write(self, entries: int) -> None:
        """Write at least ``entries`` entries."""
        until = self.written + entries
        while (left := until - self.written) > 0:
            match self.chance.randrange(8):
                case 0:
                    self.undo()
                case 1:
                    self.elsewhere(min(left, 3))
                case 2 | 3:
                    self.change()
                case _:
                    self.operate(min(left, self.chance.randrange(1, 60)))

    def beat(self) -> None:
        heartbeats.beat()
        self.written += 1


def sequence(steps: int = 0) -> None:
    """Sequence everything, or only ``steps`` steps."""
    while sequence_step():
        steps -= 1
        if not steps:
            return


def sign() -> None:
    sign_checkpoint()
    promote_covered_keys()


def sign_in_the_past(log: Log, *ago: timedelta) -> list[int]:
    """Write an entry and a checkpoint at each of these moments; return the sizes."""
    sizes = []
    now = database_now().replace(minute=0, second=0, microsecond=0)
    clock = signing.database_now
    for each in ago:
        log.operate(1)
        sequence()
        signing.database_now = lambda moment=now - each: moment
        try:
            sizes.append(sign_checkpoint().size)
        finally:
            signing.database_now = clock
    return sizes


def rotate_keys() -> None:
    """Rotate the keys; the new ones sign from the second checkpoint on."""
    rotate_checkpoint_keys(SYSTEM)
    for _ in range(2):
        sequence()
        sign()


def write_log(entries: int, *, seed: int, parts: int, at_half: Callable[[], object]) -> Log:
    """Write a log, sequenced and signed in parts, with a key rotation in the middle."""
    log = Log(seed)
    for part in range(parts):
        log.write(entries // parts)
        log.beat()
        with changing() as change:
            change.incidents.anchored_at = None  # as if an hour had passed
        sequence()
        sign()
        if part == parts // 2 - 1:
            at_half()
            rotate_keys()
    return log


def write_old_days(log: Log, entries: int = 300) -> None:
    """Operations of two days whose roll-ups may be merged: those of the newer day are, the others are not."""
    newer, older = (merged_before() - timedelta(days=number) for number in (1, 2))
    writer = log.some_uuid()
    with running_from(older):
        for number in range(1, entries + 1):
            at = log.chance.choice([newer, older]) + timedelta(seconds=log.chance.randrange(86400))
            event = Event(
                action=log.chance.choice(OPERATIONS[:2]),
                object_type="key",
                object_id=log.chance.choice(log.keys[:3]),
                object_version=1,
                outcome=log.chance.choice([Outcome.OK, Outcome.DENIED]),
                size=64,
            )
            insert_events([(event, log.actors[1])], at=at, writer=writer, first=number)
        sequence()
    log.written += entries
    Merging().run()
    # Its step removes the sums of days that are too old, which nothing proves.
    used = Event(action=OPERATIONS[0], object_type="key", object_id=log.keys[0], object_version=1, size=64)
    insert_events([(used, log.actors[1])], at=database_now())
    log.written += 1
    sequence()
    sign()
