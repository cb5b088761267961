"""Disabling a key is acknowledged only when no process can use it any more, even from a warm keyring."""

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from django.db import connection

from campaigns.outages import faults
from crypto_ops import actions
from crypto_ops.deciding.services import perform_measured
from crypto_ops.encryption.services.messages import EncryptRequest
from kernel.clock import database_now
from kernel.crypto.modes import SEALING_MODES
from kernel.errors import Unavailable
from kernel.freshness import epoch
from keys.errors import KeyNotActive
from keys.states import services
from tests.factories import KeyFactory
from tests.log_entries import log_rows

CLIENTS = 6
ROUNDS = 50 if connection.vendor == "postgresql" else 20  # on SQLite, writers wait by polling
WAIT = 20.0  # seconds that an administrator may wait for a change under this load


@dataclass
class Clients:
    """Threads that encrypt continuously, each with the state of the key in its memory."""

    principal: object
    key_id: object
    sealed: int = 0
    refused: int = 0
    _ends: threading.Event = field(default_factory=threading.Event)
    _has_sealed: threading.Event = field(default_factory=threading.Event)

    def __enter__(self):
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._running = [self._pool.submit(self._work) for _ in range(CLIENTS)]
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._pool.shutdown()
        for client in self._running:
            sealed, refused = client.result()
            self.sealed, self.refused = self.sealed + sealed, self.refused + refused

    def wait_for_one(self):
        """Wait until a message is encrypted."""
        self._has_sealed.clear()
        assert self._has_sealed.wait(60)

    def _work(self):
        request = EncryptRequest(mode=SEALING_MODES["aes-256-gcm"], plaintext=b"canary", key_id=self.key_id)
        sealed = refused = 0
        try:
            while not self._ends.is_set():
                try:
                    perform_measured(request, self.principal)
                    sealed += 1
                    self._has_sealed.set()
                except (KeyNotActive, Unavailable):
                    refused += 1
                    time.sleep(0.002)
        finally:
            connection.close()
        return sealed, refused


@pytest.mark.django_db(transaction=True)
def test_nothing_is_encrypted_between_a_disable_and_the_next_enable(admin, record_property):
    key = KeyFactory(name="contested")
    change = {"principal": admin.principal, "key_id": key.id, "reason": "campaign"}
    suspensions, waits = [], []
    with Clients(admin.principal, key.id) as clients:
        for _ in range(ROUNDS):
            clients.wait_for_one()
            began = time.monotonic()
            services.disable_key(**change)
            waits.append(time.monotonic() - began)
            acknowledged = database_now()
            time.sleep(0.01)
            suspensions.append((acknowledged, database_now()))
            services.enable_key(**change)

    # The time of an entry was read while its transaction held the epoch; any later, it could not have
    # committed.
    encrypted = log_rows().filter(action=actions.MESSAGE_ENCRYPTED, outcome="ok")
    times = sorted(encrypted.values_list("timestamp", flat=True))
    assert len(times) == clients.sealed
    during = [at for begin, end in suspensions for at in times if begin < at < end]
    assert during == []
    assert clients.refused > 0  # some were refused while the key was disabled
    assert max(waits) < WAIT
    record_property("administrator's wait, median", statistics.median(waits))
    record_property("administrator's wait, longest", max(waits))


def test_the_fault_of_a_held_epoch_takes_the_lock_of_the_epoch():
    """Its campaign runs without Django, so it cannot import the lock."""
    assert faults.EPOCH_LOCK == epoch.LOCK
