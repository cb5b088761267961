"""Random histories of a key, compared with a model in plain Python that is independent of the tested code."""

from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from kernel import runtime
from kernel.clock import database_now
from kernel.crypto.modes import SEALING_MODES
from kernel.errors import Conflict
from keys.creation import services as creation
from keys.models import Key, KeyVersion
from keys.ring import keyring, primitives
from keys.rotation.services import rotating
from keys.states import services as states

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

GCM = SEALING_MODES["aes-256-gcm"]


class Oracle:
    """The expected state of the key: a status, and the numbers of the versions that open."""

    def __init__(self, *, pending, expiring):
        self.status = "pending" if pending else "active"
        self.expiring = expiring
        self.expiry_passed = False
        self.versions, self.disabled = 1, set()

    def pass_activation(self):
        if self.status == "pending":
            self.status = "active"
        self._expire()

    def pass_expiry(self):
        self.expiry_passed = self.expiring
        self.pass_activation()

    def _expire(self):
        if self.status == "active" and self.expiry_passed:
            self.status = "expired"

    def operation(self, name):
        """Apply the operation if it is allowed; return whether it was."""
        origins = {
            "activate": {"pending"},
            "disable": {"active"},
            "enable": {"disabled"},
            "revoke": {"active", "disabled"},
            "compromise": {"pending", "active", "disabled", "expired", "revoked"},
            "rotate": {"active"},
        }
        if self.status not in origins[name]:
            return False
        if name == "rotate":
            self.versions += 1
            return True
        self.status = {
            "activate": "active",
            "disable": "disabled",
            "enable": "active",
            "revoke": "revoked",
            "compromise": "compromised",
        }[name]
        self._expire()
        return True

    def end_test(self):
        self.status = "active"
        self._expire()

    def set_version(self, number, *, enabled):
        known, primary = 1 <= number <= self.versions, number == self.versions
        if not known or primary or enabled is (number not in self.disabled):
            return False
        (self.disabled.discard if enabled else self.disabled.add)(number)
        return True

    @property
    def protects(self):
        return self.status == "active"

    def opens(self, number):
        return self.status in {"active", "expired", "revoked"} and number not in self.disabled


class KeyHistory(RuleBasedStateMachine):
    principal = None

    @initialize(pending=st.booleans(), expiring=st.booleans())
    def create(self, pending, expiring):
        now = database_now()
        self.key = creation.create_key(
            principal=self.principal,
            name=f"key-{uuid4().hex[:12]}",
            algorithm="aes-256",
            activates_at=now + timedelta(hours=1) if pending else None,
            expires_at=now + timedelta(hours=2) if expiring else None,
        )
        self.oracle = Oracle(pending=pending, expiring=expiring)
        self.sealed = {}

    def order(self):
        return {"principal": self.principal, "key_id": self.key.id, "reason": "history"}

    def expect(self, allowed, operation, *arguments, **named):
        try:
            operation(*arguments, **named)
        except Conflict:
            assert not allowed
        else:
            assert allowed

    @rule()
    def activate(self):
        self.expect(self.oracle.operation("activate"), states.activate_key, **self.order())

    @rule()
    def disable(self):
        self.expect(self.oracle.operation("disable"), states.disable_key, **self.order())

    @rule(ended=st.booleans())
    def disable_for_a_minute(self, ended):
        allowed = self.oracle.operation("disable")
        self.expect(allowed, states.disable_key, **self.order(), minutes=1)
        if allowed and ended:
            row = Key.objects.get(pk=self.key.pk)
            row.resumes_at = database_now() - timedelta(seconds=1)
            row.save_with_mac()
            runtime.fresh()
            self.oracle.end_test()

    @rule()
    def enable(self):
        self.expect(self.oracle.operation("enable"), states.enable_key, **self.order())

    @rule()
    def revoke(self):
        self.expect(self.oracle.operation("revoke"), states.revoke_key, **self.order())

    @rule()
    def compromise(self):
        # A compromised key stays compromised, so the oracle has this status even when the API reports it as
        # revoked.
        self.expect(self.oracle.operation("compromise"), states.revoke_key, **self.order(), compromised=True)

    @rule()
    def rotate(self):
        self.expect(self.oracle.operation("rotate"), rotating.rotate_key, **self.order())

    @rule(number=st.integers(1, 4), enabled=st.booleans())
    def switch_version(self, number, enabled):
        if number > self.oracle.versions:
            return
        allowed = self.oracle.set_version(number, enabled=enabled)
        operation = states.enable_version if enabled else states.disable_version
        self.expect(allowed, operation, **self.order(), version=number)

    @rule(expired=st.booleans())
    def let_time_pass(self, expired):
        now = database_now()
        row = Key.objects.get(pk=self.key.pk)
        if row.activates_at:
            row.activates_at = min(row.activates_at, now - timedelta(days=2))
        if row.expires_at and expired:
            row.expires_at = min(row.expires_at, now - timedelta(seconds=1))
        row.save_with_mac()
        runtime.fresh()
        (self.oracle.pass_expiry if expired else self.oracle.pass_activation)()

    @rule()
    def start_another_process(self):
        runtime.fresh()

    @rule()
    def encrypt(self):
        self.look()
        now = database_now()
        if not self.oracle.protects:
            with pytest.raises(Conflict):
                self.entry.require_protect(now)
            return
        version = self.entry.require_protect(now)
        assert version.number == self.oracle.versions
        self.sealed[version.number] = version.primitive(primitives.cipher, GCM).seal(
            b"canary", key_id=self.key.id, version=version.number, aad=b""
        )

    def look(self):
        self.entry = keyring.find_current(self.key.id, self.principal)

    @invariant()
    def the_status_is_the_one_expected(self):
        word = "revoked" if self.oracle.status == "compromised" else self.oracle.status
        row = Key.objects.get(pk=self.key.pk).check_mac()
        assert row.lifecycle_state(database_now()).status == word
        assert row.primary_version == row.versions_count == self.oracle.versions

    @invariant()
    def exactly_the_newest_version_is_primary(self):
        primaries = KeyVersion.objects.filter(key=self.key, is_primary=True)
        assert [version.version for version in primaries] == [self.oracle.versions]

    @invariant()
    def what_was_sealed_opens_exactly_when_it_should(self):
        self.look()
        for number, sealed in self.sealed.items():
            if self.oracle.opens(number):
                version = self.entry.require_process(number, database_now())
                opened = version.primitive(primitives.cipher, GCM).open(
                    sealed, key_id=self.key.id, version=number, aad=b""
                )
                assert opened == b"canary"
            else:
                with pytest.raises(Conflict):
                    self.entry.require_process(number, database_now())


def test_random_histories_of_a_key_agree_with_the_oracle(admin):
    machine = type("History", (KeyHistory,), {"principal": admin.principal})
    limits = settings(
        max_examples=40,
        stateful_step_count=25,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    run_state_machine_as_test(machine, settings=limits)
