"""The demo: it fills an empty instance with people, keys and a history of the past days.

Nothing is forged: every user, key, rotation, operation, canary and refusal goes through the regular services while this runs.
Only the clock of this thread is behind (``kernel.demo_clock``), and the addresses of the callers are invented.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from uuid import UUID

from django.conf import settings

from accounts.principals import Principal
from audit.browse.selection import LogCriteria
from audit.log.events import Source
from audit.sequencing.running import checkpoint_now
from audit.services.exports import find_result, open_result, request_export
from canaries.watching.watching import watch_log
from demo.applications import DemoApplications
from demo.canaries import DemoCanaries
from demo.data import (
    ADMIN,
    AUDITOR,
    KEYS,
    MOUNT,
    MOVED_BY,
    OPERATOR,
    POLICIES,
    RAW_KEY,
    RAW_KEY_USE,
    TRANSIT_KEY,
    DemoKey,
)
from demo.instance import mark_loaded, mark_started
from demo.schedule import Step, plan, time_of
from demo.users import DemoUsers
from demo.uses import KeyUses
from kernel.clock import process_now
from kernel.crypto.encoding import encode_base64
from kernel.crypto.transit_types import TRANSIT_TYPES
from kernel.databases.lock_waits import waiting_until
from kernel.demo_clock import DemoClock, running_from  # noqa: CC4 - load_demo, into an empty instance, after an entry that records it
from kernel.errors import Unavailable
from kernel.jobs.delivery import submit_leased
from kernel.jobs.errors import NoResult, ResultMissing
from kernel.jobs.running import run_leased
from keys.creation import services as creation
from keys.deletion import services as deletion
from keys.models import Key
from keys.policies.services import changing
from keys.rotation.services import rotating
from keys.states import services as states
from keys.transit.mounts import create_mount
from keys.transit.services import create_transit_key
from keys.transport.services.importing import ImportRequest, import_key

_PATIENCE = 3600.0  # seconds, for all waits together
_ROTATIONS = LogCriteria(action="keys.key.rotated")


@dataclass(frozen=True, slots=True)
class LoadedDay:
    """Day ``number`` of ``total`` is complete, with ``steps`` steps."""

    number: int
    total: int
    steps: int


class Demo:
    """Loads the demo as ``principal``, with the passwords of ``users``. ``canaries`` has the officer's codes at the end."""

    def __init__(self, principal: Principal, users: DemoUsers, days: int) -> None:
        self._principal, self._users = principal, users
        self._days, self._ends = days, process_now()
        self._begins = self._ends - timedelta(days=days)
        self._wanted: dict[str, DemoKey] = {key.name: key for key in KEYS}
        self._keys: dict[str, Key] = {}
        self._policies: dict[str, UUID] = {}
        self._uses = KeyUses(users, self._wanted, self._keys)
        self.canaries = DemoCanaries(users, self._uses)
        self._applications = DemoApplications(users, self._uses, self._keys)
        self._handlers: Mapping[str, Callable[[Step], object]] = {
            "sign_in": lambda step: users.sign_in(step.subject),
            "sign_out": lambda step: users.sign_out(step.subject),
            "open_session": lambda step: users.open_session(step.subject),
            "refresh": lambda step: users.refresh(step.subject),
            "replace_password": lambda step: users.replace_password(step.subject),
            "fail_to_sign_in": lambda step: users.fail_to_sign_in(step.subject, step.origin or step.subject),
            "define_policies": self._define_policies,
            "create": self._create,
            "rotate": self._rotate,
            "retire": self._retire,
            "doom": self._doom,
            "end": self._end,
            "encrypt": self._uses.encrypt,
            "decrypt": self._uses.decrypt,
            "rotate_due": self._rotate_due,
            "export": self._export,
            "appoint": self.canaries.appoint,
            "plant": self.canaries.plant,
            "intrude": self.canaries.intrude,
            "connect": self._applications.connect,
            "call": self._applications.call,
            "add_webhook": self._applications.add_webhook,
            "move_in": self._move_in,
        }

    def load(self, report: Callable[[LoadedDay], None]) -> None:
        """Fill the instance with a history until now, and sign the log. ``report`` is called after each day.

        Raises Conflict, before it writes anything, unless the instance is empty.
        """
        names = self._users.passwords
        mark_started(self._principal, names=names, begins_at=self._begins, days=self._days)
        try:
            # A server that holds a lock for a moment must not leave an incomplete demo.
            with running_from(self._begins) as clock, waiting_until(time.monotonic() + _PATIENCE):  # noqa: CC4 - load_demo, into an empty instance, after an entry that records it
                self._users.create(self._principal)
                self._make_history(clock, report)
            self._request_export()
        finally:
            self._users.close()
        checkpoint_now()
        watch_log()  # the incident is open at the end, also without a worker
        mark_loaded(self._principal)

    def _make_history(self, clock: DemoClock, report: Callable[[LoadedDay], None]) -> None:
        for number, of_day in groupby(self._plan(), self._day_of):
            steps = list(of_day)
            for step in steps:
                clock.move_to(step.at)
                self._handlers[step.kind](step)
            report(LoadedDay(number + 1, self._days, len(steps)))

    def _plan(self) -> list[Step]:
        # A family of tokens must not expire between two refreshes.
        session = timedelta(days=settings.CC_REFRESH_TOKEN_DAYS) * 0.9
        return plan(KEYS, self._begins, self._ends, session)

    def _day_of(self, step: Step) -> int:
        return (step.at - self._begins).days

    def _define_policies(self, _step: Step) -> None:
        admin = self._users.principals[ADMIN]
        for wanted in POLICIES:
            policy = changing.create_policy(
                principal=admin,
                name=wanted.name,
                algorithm=wanted.algorithm,
                key_lifetime_days=wanted.lifetime_days,
                rotation_policy=wanted.rotation,
                minimum_deletion_days=wanted.deletion_days,
            )
            self._policies[policy.name] = policy.id
            if not wanted.is_active:
                changing.update_policy(principal=admin, policy_id=policy.id, changes={"is_active": False})

    def _create(self, step: Step) -> None:
        wanted = self._wanted[step.subject]
        fated = time_of(wanted.fated, self._begins, self._ends)
        self._keys[wanted.name] = creation.create_key(
            principal=self._users.principals[wanted.owner],
            name=wanted.name,
            algorithm=wanted.algorithm,
            description=wanted.description,
            tags=wanted.tags,
            rotation_period_days=wanted.rotates,
            policy_id=self._policies.get(wanted.policy),
            activates_at=fated if wanted.fate == "pending" else None,
            expires_at=fated if wanted.fate == "expires" else None,
            deletion_protection=wanted.is_protected,
        )

    def _rotate(self, step: Step) -> None:
        operator, key_id = self._users.principals[OPERATOR], self._keys[step.subject].id
        rotating.rotate_key(principal=operator, key_id=key_id, reason=step.reason)

    def _retire(self, step: Step) -> None:
        operator, key_id = self._users.principals[OPERATOR], self._keys[step.subject].id
        wanted = self._wanted[step.subject]
        for version in wanted.retired:
            states.disable_version(principal=operator, key_id=key_id, version=version, reason=wanted.why)

    def _doom(self, step: Step) -> None:
        wanted, key = self._wanted[step.subject], self._keys[step.subject]
        for version in wanted.doomed:
            deletion.schedule_version_destruction(
                principal=self._users.principals[ADMIN],
                key_id=key.id,
                version=version,
                reason=wanted.why,
                confirm_name=key.name,
            )

    def _end(self, step: Step) -> None:
        wanted, key_id = self._wanted[step.subject], self._keys[step.subject].id
        admin, compromised = self._users.principals[ADMIN], wanted.fate == "compromised"
        if wanted.fate == "disabled":
            operator = self._users.principals[OPERATOR]
            states.disable_key(principal=operator, key_id=key_id, reason=wanted.why)
        elif wanted.fate == "scheduled":
            deletion.schedule_deletion(
                principal=admin,
                key_id=key_id,
                reason=wanted.why,
                confirm_name=wanted.name,
                waiting_days=14,
            )
        else:
            states.revoke_key(principal=admin, key_id=key_id, reason=wanted.why, compromised=compromised)

    def _rotate_due(self, _step: Step) -> None:
        for outcome in rotating.rotate_due_keys(principal=Principal.system("rotate_keys", Source.COMMAND)):
            if outcome.error is not None:
                raise Unavailable(f"{outcome.key.name}: {outcome.error.detail}")

    def _move_in(self, _step: Step) -> None:
        """Create a transit key in a mount, and import a raw key. A person may create a mount only with a migration token."""
        owner, kind = self._users.principals[MOVED_BY], TRANSIT_TYPES["aes256-gcm96"]
        create_mount(principal=self._principal, path=MOUNT)
        self._uses.seal(owner, create_transit_key(principal=owner, mount=MOUNT, name=TRANSIT_KEY, kind=kind))
        request = ImportRequest(
            name=RAW_KEY,
            algorithm="aes-256-raw",
            format="raw",
            material=encode_base64(secrets.token_bytes(32)),
            is_private_connection=True,
        )
        import_key(principal=self._users.principals[ADMIN], request=request, description=RAW_KEY_USE)

    def _export(self, _step: Step) -> None:
        """Request an export, run its job here, and download the result."""
        auditor = self._users.principals[AUDITOR]
        # Leased from the beginning. Otherwise the worker of a server would run it, with the time of today.
        export = request_export(
            principal=auditor, export_format="csv", criteria=_ROTATIONS, submit=submit_leased
        )
        run_leased(export, lambda: False)
        # A server deletes files of this age. Without a file, the demo continues.
        with suppress(NoResult, ResultMissing):
            open_result(principal=auditor, result=find_result(principal=auditor, job_id=export.id)).close()

    def _request_export(self) -> None:
        """Request an export of all rotations now. A worker creates the file."""
        self._users.sign_in(AUDITOR)
        auditor = self._users.principals[AUDITOR]
        request_export(principal=auditor, export_format="csv", criteria=_ROTATIONS)
        self._users.sign_out(AUDITOR)
