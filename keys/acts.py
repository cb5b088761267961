"""Key operations that have their own page, as data: rotate, disable and the others differ in their texts only."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from keys import actions, services
from keys.lifecycle import Standing, State


@dataclass(frozen=True, slots=True)
class Act:
    """One key operation. It is offered in the effective ``states``; ``effect`` describes the result in one sentence.

    ``needs`` describes the keys it applies to, and ``leads_to`` is the state in which it is no longer necessary.
    ``shows_impact``: its page shows who used the key recently. ``is_final``: it cannot be undone, so its page
    requires the key's name and a recent log-in. For a key in use it also shows a checkbox with the label
    ``anyway``.
    """

    slug: str
    label: str
    question: str
    permission: str
    action: str
    service: Callable[..., object]
    states: frozenset[State]
    effect: str
    done: str
    needs: str
    leads_to: State | None = None
    shows_impact: bool = False
    is_final: bool = False
    anyway: str = ""
    icon: str = "settings"

    @property
    def url_name(self) -> str:
        return f"key-{self.slug}"

    def is_possible(self, at: Standing) -> bool:
        return at.state in self.states

    def asked_of(self, name: str) -> str:
        return self.question.format(name)

    def refusal(self, at: Standing) -> str:
        """Why the operation is not available for a key in this state; "" if it is available."""
        return "" if self.is_possible(at) else f"{self.label} is unavailable: {self.needs}."


_USABLE = frozenset({State.ACTIVE})

ACTS: Final[Mapping[str, Act]] = MappingProxyType(
    {
        act.slug: act
        for act in (
            Act(
                slug="rotate",
                label="Rotate now",
                question="Rotate {}?",
                permission="keys.rotate",
                action=actions.KEY_ROTATED,
                service=services.rotate_key,
                states=_USABLE,
                effect="A new version encrypts from now on; every earlier one still decrypts.",
                done="was rotated",
                needs="only an active key gets new versions",
                icon="rotate-cw",
            ),
            Act(
                slug="activate",
                label="Activate now",
                question="Activate {}?",
                permission="keys.disable",
                action=actions.KEY_ACTIVATED,
                service=services.activate_key,
                states=frozenset({State.PRE_ACTIVATION}),
                effect="The key encrypts and decrypts from now on, before its planned time.",
                done="is active",
                needs="only a key that waits for its activation is activated",
                leads_to=State.ACTIVE,
                icon="circle-play",
            ),
            Act(
                slug="enable",
                label="Enable",
                question="Enable {}?",
                permission="keys.disable",
                action=actions.KEY_ENABLED,
                service=services.enable_key,
                states=frozenset({State.SUSPENDED}),
                effect="The key encrypts and decrypts again.",
                done="is enabled",
                needs="only a disabled key is enabled",
                leads_to=State.ACTIVE,
                icon="circle-play",
            ),
            Act(
                slug="disable",
                label="Disable",
                question="Disable {}?",
                permission="keys.disable",
                action=actions.KEY_DISABLED,
                service=services.disable_key,
                states=_USABLE,
                effect="From now on every call with this key is refused, decryption included, until it is enabled again.",
                done="is disabled",
                needs="only an active key is disabled",
                leads_to=State.SUSPENDED,
                shows_impact=True,
                icon="circle-pause",
            ),
            Act(
                slug="revoke",
                label="Revoke",
                question="Revoke {}?",
                permission="keys.revoke",
                action=actions.KEY_REVOKED,
                service=services.revoke_key,
                states=frozenset({State.ACTIVE, State.SUSPENDED}),
                effect="It never encrypts again. What it has encrypted can still be decrypted. This cannot be undone.",
                done="is revoked",
                needs="only an active or a disabled key is revoked",
                leads_to=State.DEACTIVATED,
                shows_impact=True,
                is_final=True,
                anyway="Revoke anyway, calls that encrypt start failing now",
                icon="ban",
            ),
            Act(
                slug="mark-compromised",
                label="Mark compromised",
                question="Mark {} compromised?",
                permission="keys.revoke",
                action=actions.KEY_REVOKED,
                service=partial(services.revoke_key, compromised=True),
                states=frozenset({State.PRE_ACTIVATION, State.ACTIVE, State.SUSPENDED, State.DEACTIVATED}),
                effect=(
                    "For a key that somebody else may have. It never encrypts or decrypts again; its messages open "
                    "only to be encrypted anew with another key. This cannot be undone."
                ),
                done="is marked compromised",
                needs="this key is compromised already, or about to be destroyed",
                leads_to=State.COMPROMISED,
                shows_impact=True,
                is_final=True,
                anyway="Mark compromised anyway, calls start failing now",
                icon="shield-alert",
            ),
        )
    }
)


def refusals(acts: Iterable[Act], at: Standing) -> list[str]:
    """Why operations that an active key allows are not available for a key in this state.

    Operations that would lead to the current state are omitted.
    """
    usual = (act for act in acts if State.ACTIVE in act.states and act.leads_to is not at.state)
    return [act.refusal(at) for act in usual if not act.is_possible(at)]
