"""What may be done to a key on a page of its own, as data: rotate, disable and the rest differ in words only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID

from accounts.principals import Principal
from keys import actions, services
from keys.lifecycle import Standing, State

type Service = Callable[[Principal, UUID, str], object]


@dataclass(frozen=True, slots=True)
class Act:
    """One act. ``states`` are the effective states in which it is offered; ``effect`` says in one sentence what it does.

    ``shows_impact``: the dialog shows who used the key lately. ``is_final``: it cannot be undone, so it has a page of its
    own, asks for the key's name and for a recent log-in.
    """

    slug: str
    label: str
    permission: str
    action: str
    service: Service
    states: frozenset[State]
    effect: str
    done: str
    shows_impact: bool = False
    is_final: bool = False
    icon: str = "settings"

    @property
    def url_name(self) -> str:
        return f"key-{self.slug}"

    def is_possible(self, at: Standing) -> bool:
        return at.state in self.states


def _rotate(principal: Principal, key_id: UUID, reason: str) -> object:
    return services.rotate_key(principal=principal, key_id=key_id, reason=reason)


def _activate(principal: Principal, key_id: UUID, reason: str) -> object:
    return services.activate_key(principal=principal, key_id=key_id, reason=reason)


def _enable(principal: Principal, key_id: UUID, reason: str) -> object:
    return services.enable_key(principal=principal, key_id=key_id, reason=reason)


def _disable(principal: Principal, key_id: UUID, reason: str) -> object:
    return services.disable_key(principal=principal, key_id=key_id, reason=reason)


def _revoke(principal: Principal, key_id: UUID, reason: str) -> object:
    return services.revoke_key(principal=principal, key_id=key_id, reason=reason)


def _mark_compromised(principal: Principal, key_id: UUID, reason: str) -> object:
    return services.revoke_key(principal=principal, key_id=key_id, reason=reason, compromised=True)


_USABLE = frozenset({State.ACTIVE})

ACTS: Final[Mapping[str, Act]] = MappingProxyType(
    {
        act.slug: act
        for act in (
            Act(
                slug="rotate",
                label="Rotate now",
                permission="keys.rotate",
                action=actions.KEY_ROTATED,
                service=_rotate,
                states=_USABLE,
                effect="A new version encrypts from now on; every earlier one still decrypts.",
                done="was rotated",
                icon="rotate-cw",
            ),
            Act(
                slug="activate",
                label="Activate now",
                permission="keys.disable",
                action=actions.KEY_ACTIVATED,
                service=_activate,
                states=frozenset({State.PRE_ACTIVATION}),
                effect="The key encrypts and decrypts from now on, before its planned time.",
                done="is active",
                icon="circle-play",
            ),
            Act(
                slug="enable",
                label="Enable",
                permission="keys.disable",
                action=actions.KEY_ENABLED,
                service=_enable,
                states=frozenset({State.SUSPENDED}),
                effect="The key encrypts and decrypts again.",
                done="is enabled",
                icon="circle-play",
            ),
            Act(
                slug="disable",
                label="Disable",
                permission="keys.disable",
                action=actions.KEY_DISABLED,
                service=_disable,
                states=_USABLE,
                effect="From now on every call with this key is refused, decryption included, until it is enabled again.",
                done="is disabled",
                shows_impact=True,
                icon="circle-pause",
            ),
            Act(
                slug="revoke",
                label="Revoke",
                permission="keys.revoke",
                action=actions.KEY_REVOKED,
                service=_revoke,
                states=frozenset({State.ACTIVE, State.SUSPENDED}),
                effect="The key never encrypts again; what it has encrypted can still be decrypted. This cannot be undone.",
                done="is revoked",
                shows_impact=True,
                is_final=True,
                icon="ban",
            ),
            Act(
                slug="mark-compromised",
                label="Mark compromised",
                permission="keys.revoke",
                action=actions.KEY_REVOKED,
                service=_mark_compromised,
                states=frozenset({State.PRE_ACTIVATION, State.ACTIVE, State.SUSPENDED, State.DEACTIVATED}),
                effect=(
                    "Somebody else may have the key: it neither encrypts nor decrypts again, and its messages open "
                    "only to be encrypted anew with another key. This cannot be undone."
                ),
                done="is marked compromised",
                shows_impact=True,
                is_final=True,
                icon="shield-alert",
            ),
        )
    }
)
