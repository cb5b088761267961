"""A log in which entries share rows."""

import uuid
from datetime import timedelta

from audit.browse.selection import LogCriteria
from audit.log.events import Event
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.checkpoints.signing import sign_checkpoint
from audit.sequencing.head import HEAD_FILE
from kernel.clock import database_now
from tests.audit.sequencing.log import recreate_checkpoint_keys
from tests.log_entries import insert_events
from tests.tampering.writing import Log

WORD = "c0ffee"


def write_bundles(settings):
    """(the log, criteria): about 80 entries in bundles, none of them sequenced, and filters that match some of them."""
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)
    recreate_checkpoint_keys()
    log, now = Log(seed=5), database_now()
    users, requests = [log.user(1), log.user(2)], []
    for number in range(7):
        events = []
        for run_length in (1, 4, 2, number + 1):
            used = Event(
                action=log.chance.choice(["crypto.message.encrypted", "crypto.message.decrypted"]),
                object_type="key",
                object_id=log.keys[number % 3],
                object_version=1,
                size=log.chance.choice([None, 5]),
                count=1 + number % 2,
            )
            user = users[log.chance.randrange(2)]
            for _ in range(run_length):
                requests.append(log.chance.choice([WORD, ""]) + log.some_uuid().hex)
                events.append((used, user.of_request(requests[-1][:32])))
        insert_events(events, at=now - timedelta(minutes=number // 2))
        log.change(rows=1)
    return log, criteria_of(log, [request[:32] for request in requests], now)


def criteria_of(log, requests, now):
    user = log.user(1)
    return [
        LogCriteria(),
        LogCriteria(action="crypto.message.encrypted"),
        LogCriteria(action="operation"),
        LogCriteria(object_id=log.keys[1]),
        LogCriteria(object_id=log.keys[1], action="crypto.message.decrypted"),
        LogCriteria(actor=user.actor_name),
        LogCriteria(since=now - timedelta(minutes=2, seconds=30)),
        LogCriteria(until=now - timedelta(minutes=1)),
        LogCriteria(request_id=requests[3]),
        LogCriteria(request_id=requests[3][:3]),
        LogCriteria(request_id=requests[3], object_id=log.keys[0]),
        LogCriteria(request_id=str(uuid.UUID(requests[3]))),
        LogCriteria(search=WORD),
        LogCriteria(search=requests[9][:9].upper()),
        LogCriteria(search=f"{WORD} encrypted"),
        LogCriteria(search="no-such-word"),
        LogCriteria(search=WORD, object_id=log.keys[2]),
        LogCriteria(search=WORD, since=now - timedelta(minutes=2, seconds=30)),
        LogCriteria(action="decrypt"),
        LogCriteria(action="decrypt", search=WORD),
    ]


def sequence():
    sequence_step()
    sign_checkpoint()
