"""Demo data for a fresh instance: people, keys, and real operations with them.

Nothing is forged: every key, rotation, operation and refusal happens while this runs, through the regular services,
and is in the audit log with its actual time.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from accounts.errors import NameTaken
from accounts.models import User
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.services import create_user, find_user, log_in, log_out, set_password
from accounts.tokens import authenticate_bearer
from audit.browse.selection import LogCriteria
from audit.log.events import Event, Outcome, Source
from audit.services import record_alone, request_export
from console.demo_data import ADMIN, AUDITOR, DOMAIN, KEYS, OPERATOR, PEOPLE, DemoKey
from crypto_ops import actions, engine
from crypto_ops.requests import DecryptRequest, EncryptRequest
from kernel.clock import database_now
from kernel.crypto.algorithms import KEY_ALGORITHMS, MODES, Mode
from kernel.crypto.envelope import Envelope
from kernel.errors import DomainError
from keys import services as keys
from keys.models import Key

ORIGIN = Origin(client_ip="", user_agent="load_demo", request_id="", source=Source.COMMAND)
PASSWORD_BYTES = 12
SOON = timedelta(seconds=5)  # until the expiry of the key that demonstrates it
LATER = timedelta(days=37)
REFUSALS = 3  # attempts with each key that refuses


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """``done`` of ``total`` steps, and a description of the last one."""

    done: int
    total: int
    what: str


@dataclass(slots=True)
class Demo:
    """Loads the demo. ``passwords``, ``people`` and ``refresh_tokens`` belong to the users that it creates."""

    principal: Principal
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    people: dict[str, Principal] = field(default_factory=dict)
    refresh_tokens: list[str] = field(default_factory=list, repr=False)

    def make_people(self, password: str) -> None:
        """Create and sign in all users, with ``password`` or, if it is empty, a random password for each.

        A user of an earlier run gets a new password. Raises NameTaken if a name belongs to another user.
        """
        for username, role in PEOPLE:
            chosen = password or secrets.token_urlsafe(PASSWORD_BYTES)
            _make_person(self.principal, username, role, chosen)
            self.passwords[username] = chosen
            pair = log_in(username=username, password=chosen, origin=ORIGIN)
            self.refresh_tokens.append(pair.refresh_token)
            self.people[username] = authenticate_bearer(pair.access_token, ORIGIN)

    def make_keys(self) -> Iterator[CreatedKey]:
        """Create each key, use it, rotate it and bring it to its final state. Existing keys stay unchanged."""
        for number, wanted in enumerate(KEYS, start=1):
            if self._make_key(wanted):
                yield CreatedKey(number, len(KEYS), wanted.name)
            else:
                yield CreatedKey(number, len(KEYS), f"{wanted.name} already exists")

    def request_export(self) -> None:
        """Request an export of all rotations as the auditor; a worker creates the file. Raises TooManyExports."""
        criteria = LogCriteria(action="keys.key.rotated")
        request_export(principal=self.people[AUDITOR], export_format="csv", criteria=criteria)

    def sign_out(self) -> None:
        """End the sessions opened here."""
        while self.refresh_tokens:
            log_out(refresh_token=self.refresh_tokens.pop(), origin=ORIGIN)

    def _make_key(self, wanted: DemoKey) -> bool:
        owner = self.people[wanted.owner]
        try:
            key = _create(wanted, owner)
        except NameTaken:
            return False
        for reason in wanted.rotations:
            _use(key, wanted, owner)
            keys.rotate_key(principal=self.people[OPERATOR], key_id=key.id, reason=reason)
        _use(key, wanted, owner)
        self._end(key, wanted)
        return True

    def _end(self, key: Key, wanted: DemoKey) -> None:
        operator, admin = self.people[OPERATOR], self.people[ADMIN]
        for version in wanted.retired:
            keys.disable_version(principal=operator, key_id=key.id, version=version, reason=wanted.why)
        if wanted.fate == "disabled":
            keys.disable_key(principal=operator, key_id=key.id, reason=wanted.why)
        elif wanted.fate in {"revoked", "compromised"}:
            compromised = wanted.fate == "compromised"
            keys.revoke_key(principal=admin, key_id=key.id, reason=wanted.why, compromised=compromised)
        if wanted.fate in {"pending", "disabled", "compromised"}:
            for _ in range(REFUSALS):
                _encrypt(key, b"too late, or too early", self.people[wanted.owner])


def is_fresh(principal: Principal) -> bool:
    """Whether there is no key yet, and no user besides the first administrator."""
    has_keys = bool(keys.list_keys_after(principal=principal, only={}, after=None, limit=1).keys)
    return not has_keys and User.objects.count() <= 1


def _make_person(principal: Principal, username: str, role: str, password: str) -> None:
    address = f"{username}@{DOMAIN}"
    try:
        create_user(principal=principal, username=username, password=password, role=role, email=address)
    except NameTaken:
        user = find_user(username)
        if user.email != address or user.role != role:
            raise
        set_password(principal=principal, user_id=user.id, password=password)


def _create(wanted: DemoKey, owner: Principal) -> Key:
    now = database_now()
    return keys.create_key(
        principal=owner,
        name=wanted.name,
        algorithm=wanted.algorithm,
        description=wanted.description,
        tags=wanted.tags,
        rotation_period_days=wanted.rotates,
        activates_at=now + LATER if wanted.fate == "pending" else None,
        expires_at=now + SOON if wanted.fate == "expires" else None,
    )


def _use(key: Key, wanted: DemoKey, owner: Principal) -> None:
    for number in range(wanted.encrypts):
        envelope = _encrypt(key, f"{wanted.name} record {number}".encode(), owner)
        if envelope is None:
            return
        for _ in range(wanted.reads):
            engine.decrypt(DecryptRequest.of_envelope(envelope, b""), owner)


def _encrypt(key: Key, plaintext: bytes, owner: Principal) -> Envelope | None:
    """None if refused. Records the refusal, as every interface does."""
    try:
        request = EncryptRequest(mode=_mode_of(key), plaintext=plaintext, key_id=key.id)
        return engine.encrypt(request, owner)
    except DomainError as refusal:
        event = Event(
            action=actions.MESSAGE_ENCRYPTED,
            object_type="key",
            object_id=str(key.id),
            outcome=Outcome.DENIED,
            code=refusal.code,
        )
        record_alone(event, owner.actor)
        return None


def _mode_of(key: Key) -> Mode:
    return MODES[KEY_ALGORITHMS[key.algorithm].modes[0]]
