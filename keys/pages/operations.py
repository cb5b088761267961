"""Key operations that have their own page, as data."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from django.http import QueryDict

from kernel.clock import process_now
from kernel.pages.forms import PageForm
from kernel.pages.operations import Operation
from keys import actions
from keys.deletion.forms import DeletionForm
from keys.deletion.services import cancel_deletion, schedule_deletion
from keys.forms import FinalForm
from keys.lifecycle import LifecycleState, State
from keys.models import Key
from keys.rotation.forms import RotateForm
from keys.rotation.services.rotating import rotate_key
from keys.states.forms import DisableForm
from keys.states.services import activate_key, disable_key, enable_key, revoke_key


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeyOperation(Operation[Key]):
    """One key operation. It is offered in the effective ``states``.

    ``needs`` is a sentence about the keys it applies to, and ``leads_to`` is the state in which it is no longer necessary.
    ``shows_impact``: its page shows who used the key recently. ``is_danger``: it cannot be undone, at least after a
    wait, so its page requires the key's name and a recent sign-in. For a key in use it also shows a checkbox.
    """

    states: frozenset[State]
    needs: str
    leads_to: State | None = None
    shows_impact: bool = False

    def is_possible(self, at: LifecycleState) -> bool:
        return at.state in self.states

    def state_refusal(self, at: LifecycleState) -> str:
        """Why the operation is not available for a key in this state; "" if it is available."""
        return "" if self.is_possible(at) else self.needs

    def refusal(self, found: Key) -> str:
        if state_refusal := self.state_refusal(found.lifecycle_state(process_now())):
            return state_refusal
        if self.slug == ROTATE and not found.may_rotate:
            return _IMPORTED_ONLY
        return PROTECTED if self.slug == _SCHEDULE_DELETION and found.deletion_protection else ""


def _final(anyway: str) -> Callable[[QueryDict | None, Key, Mapping[str, Any]], PageForm]:
    """``anyway`` is the label of the checkbox for a key in use."""

    def form(data: QueryDict | None, key: Key, facts: Mapping[str, Any]) -> PageForm:
        return FinalForm(data, key_name=key.name, anyway=anyway if facts.get("in_use") else "")

    return form


def _deletion(data: QueryDict | None, key: Key, facts: Mapping[str, Any]) -> PageForm:
    anyway = "Schedule anyway; requests with this key will fail immediately" if facts.get("in_use") else ""
    return DeletionForm(data, key=key, anyway=anyway, initial={"waiting_days": facts["waiting_days"]})


def _suspension(data: QueryDict | None, *_: Any) -> PageForm:
    return DisableForm(data)


def _rotation(data: QueryDict | None, key: Key, _: Mapping[str, Any]) -> PageForm:
    return RotateForm(data, initial={"expected_version": key.primary_version})


_SCHEDULE_DELETION: Final = "schedule-deletion"
ROTATE: Final = "rotate"
_IMPORTED_ONLY: Final = (
    "This imported key cannot be rotated, because no new material can be generated for it."
)
PROTECTED: Final = "To schedule the deletion, turn off the deletion protection in the settings first."


_USABLE = frozenset({State.ACTIVE})

KEY_OPERATIONS: Final[Mapping[str, _KeyOperation]] = MappingProxyType(
    {
        operation.slug: operation
        for operation in (
            _KeyOperation(
                slug="rotate",
                label="Rotate now",
                question="Rotate {}?",
                permission="keys.rotate",
                action=actions.KEY_ROTATED,
                perform=rotate_key,
                states=_USABLE,
                effect="New data uses the new version. Earlier versions still work for existing data.",
                done="{} rotated.",
                needs="Only active keys can be rotated.",
                form=_rotation,
                draft_fields=("reason", "expected_version"),
                icon="rotate-cw",
            ),
            _KeyOperation(
                slug="activate",
                label="Activate now",
                question="Activate {}?",
                permission="keys.disable",
                action=actions.KEY_ACTIVATED,
                perform=activate_key,
                states=frozenset({State.PRE_ACTIVATION}),
                effect="The key can be used immediately, before its planned activation time.",
                done="{} activated.",
                needs="Only pending keys can be activated.",
                leads_to=State.ACTIVE,
                icon="circle-play",
            ),
            _KeyOperation(
                slug="enable",
                label="Enable",
                question="Enable {}?",
                permission="keys.disable",
                action=actions.KEY_ENABLED,
                perform=enable_key,
                states=frozenset({State.SUSPENDED}),
                effect="The key can be used again.",
                done="{} enabled.",
                needs="Only disabled keys can be enabled.",
                leads_to=State.ACTIVE,
                icon="circle-play",
            ),
            _KeyOperation(
                slug="disable",
                label="Disable",
                question="Disable {}?",
                permission="keys.disable",
                action=actions.KEY_DISABLED,
                perform=disable_key,
                states=_USABLE,
                effect="All requests that use this key fail until it is enabled again, including requests for existing data.",
                done="{} disabled.",
                form=_suspension,
                draft_fields=("minutes", "reason"),
                needs="Only active keys can be disabled.",
                leads_to=State.SUSPENDED,
                shows_impact=True,
                icon="circle-pause",
            ),
            _KeyOperation(
                slug="revoke",
                label="Revoke",
                question="Revoke {}?",
                permission="keys.revoke",
                action=actions.KEY_REVOKED,
                perform=revoke_key,
                states=frozenset({State.ACTIVE, State.SUSPENDED}),
                effect="The key can never be used for new data again. It still works for existing data. You cannot undo this.",
                done="{} revoked.",
                needs="Only active or disabled keys can be revoked.",
                leads_to=State.DEACTIVATED,
                shows_impact=True,
                is_danger=True,
                needs_recent_sign_in=True,
                form=_final("Revoke anyway. Requests that use this key for new data will fail"),
                icon="ban",
            ),
            _KeyOperation(
                slug="mark-compromised",
                label="Mark as compromised",
                question="Mark {} as compromised?",
                permission="keys.revoke",
                action=actions.KEY_REVOKED,
                perform=partial(revoke_key, compromised=True),
                states=frozenset({State.PRE_ACTIVATION, State.ACTIVE, State.SUSPENDED, State.DEACTIVATED}),
                effect=(
                    "Use this if an attacker may have the key. The key can never be used again, except to re-encrypt its "
                    "data with another key. You cannot undo this."
                ),
                done="{} marked as compromised.",
                needs="This key is already compromised or scheduled for deletion.",
                leads_to=State.COMPROMISED,
                shows_impact=True,
                is_danger=True,
                needs_recent_sign_in=True,
                form=_final(
                    "Mark as compromised anyway. All requests that use this key will fail immediately"
                ),
                icon="shield-alert",
            ),
            _KeyOperation(
                slug=_SCHEDULE_DELETION,
                label="Schedule deletion",
                question="Schedule {} for deletion?",
                permission="keys.destroy",
                action=actions.KEY_DELETION_SCHEDULED,
                perform=schedule_deletion,
                states=frozenset(State) - {State.DELETION_SCHEDULED, State.DESTROYED},
                effect=(
                    "The key stops working immediately. After a waiting period of 7 to 30 days its material is destroyed: "
                    "encrypted data is lost, and no one can sign with the key again. You can cancel during the waiting period."
                ),
                done="{} scheduled for deletion.",
                needs="This key is already scheduled for deletion or destroyed.",
                leads_to=State.DELETION_SCHEDULED,
                shows_impact=True,
                is_danger=True,
                needs_recent_sign_in=True,
                form=_deletion,
                draft_fields=("reason", "waiting_days"),
                cancel="Keep key",
                icon="trash-2",
            ),
            _KeyOperation(
                slug="cancel-deletion",
                label="Cancel deletion",
                question="Cancel the deletion of {}?",
                permission="keys.destroy",
                action=actions.KEY_DELETION_CANCELLED,
                perform=cancel_deletion,
                states=frozenset({State.DELETION_SCHEDULED}),
                effect="The key is not destroyed. If it was active, it is now disabled. Enable it to use it again.",
                done="{} is no longer scheduled for deletion.",
                needs="No deletion is scheduled.",
                cancel="Back",
                icon="circle-play",
            ),
        )
    }
)


def refusals(operations: Iterable[_KeyOperation], at: LifecycleState) -> list[str]:
    """Why operations that an active key allows are not available for a key in this state.

    Operations that would lead to the current state are omitted, and all for a key at its end: its meaning covers them.
    """
    if at.state in {State.DELETION_SCHEDULED, State.DESTROYED}:
        return []
    usual = (
        operation
        for operation in operations
        if State.ACTIVE in operation.states and operation.leads_to is not at.state
    )
    return [operation.state_refusal(at) for operation in usual if not operation.is_possible(at)]
