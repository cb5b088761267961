"""Operations with the keys of the demo, and the refusals of the keys."""

import secrets
from collections.abc import Mapping
from dataclasses import replace

from accounts.principals import Principal
from audit.commit.writer import Decision, commit_here  # noqa: TID251 - the writer's thread has the actual time
from audit.log.events import Event, Outcome
from audit.log.numbering import Numbering
from audit.services.recording import record_alone
from crypto_ops import actions
from crypto_ops.deciding.services import Operation, perform
from crypto_ops.encryption.services.batches import DecryptBatch, EncryptBatch, SealedItem
from crypto_ops.transit.items import Sealing
from crypto_ops.transit.services.operations import TransitRequest
from demo.data import DemoKey
from demo.schedule import Step
from demo.users import DemoUsers, origin_of
from kernel.crypto.algorithms import find_key_algorithm
from kernel.crypto.modes import SEALING_MODES, SealingMode
from kernel.crypto.sealing import envelope
from kernel.errors import NotFound
from keys.errors import KeyNotActive, KeyNotUsable
from keys.models import Key
from keys.transit.services import FoundTransitKey

_KEPT_MESSAGES = 50  # of each key, to decrypt


class KeyUses:
    """Keeps the last messages of each key. ``wanted`` and ``keys`` are by name."""

    def __init__(self, users: DemoUsers, wanted: Mapping[str, DemoKey], keys: Mapping[str, Key]) -> None:
        self._users, self._wanted, self._keys = users, wanted, keys
        self._messages: dict[str, list[SealedItem]] = {}
        self._settlement = _CommitHere()

    def encrypt(self, step: Step) -> None:
        key = self._keys[step.subject]
        items = [(secrets.token_bytes(step.size), b"") for _ in range(step.count)]
        request = EncryptBatch(mode=_mode_of(key), items=items, key_id=key.id)
        batch = self._perform(step.subject, self._caller(step), actions.MESSAGE_ENCRYPTED, request)
        if batch is not None:
            sealed = [_item(text) for text in batch.results if isinstance(text, str)]
            self._messages[step.subject] = (self._messages.get(step.subject, []) + sealed)[-_KEPT_MESSAGES:]

    def decrypt(self, step: Step) -> None:
        if step.subject in self._messages:
            self.decrypt_as(self._caller(step), step.subject, step.count)
        else:
            self.encrypt(step)

    def decrypt_as(self, caller: Principal, name: str, count: int = 1) -> None:
        """Decrypt the last messages of the key, which may refuse. Without any, nothing happens."""
        key, items = self._keys[name], self._messages.get(name, [])[-count:]
        if not items:
            return
        request = DecryptBatch(mode=_mode_of(key), key_id=key.id, items=items)
        self._perform(name, caller, actions.MESSAGE_DECRYPTED, request)

    def seal(self, caller: Principal, found: FoundTransitKey) -> None:
        """Encrypt some messages with a transit key."""
        items = [Sealing(plaintext=secrets.token_bytes(40)) for _ in range(20)]
        request = TransitRequest(key_id=found.key.id, kind=Sealing, items=items, is_batch=True)
        perform(request, caller, self._settlement)

    def _perform[T](self, name: str, caller: Principal, action: str, operation: Operation[T]) -> T | None:
        """None if the key refuses. Then records the refusal, as every interface does."""
        try:
            return perform(operation, caller, self._settlement)
        except (KeyNotActive, KeyNotUsable, NotFound) as refusal:
            event = Event(
                action=action,
                object_type="key",
                object_id=str(self._keys[name].id),
                outcome=Outcome.DENIED,
                code=refusal.code,
            )
            record_alone(event, caller.actor)
            return None

    def _caller(self, step: Step) -> Principal:
        """The owner of the key, or someone else with the owner's session."""
        caller = self._users.principals[self._wanted[step.subject].owner]
        actor = caller.actor
        if step.origin:
            known = {"auth_method": actor.auth_method, "token_id": actor.token_id}
            actor = origin_of(step.origin).user(caller.person_id, actor.actor_name, **known)
        return replace(caller, actor=actor.of_request(secrets.token_hex(16)))


class _CommitHere:
    """Not in the writer's thread, which has the actual time."""

    def __init__(self) -> None:
        self._numbering = Numbering()

    def settle[T](self, decision: Decision[T]) -> T:
        return commit_here(decision, self._numbering)


def _item(text: str) -> SealedItem:
    found = envelope.decode(text, max_length=len(text))
    return SealedItem(found.sealed, found.version, b"", found.key_id)


def _mode_of(key: Key) -> SealingMode:
    return SEALING_MODES[find_key_algorithm(key.algorithm).modes[0]]
