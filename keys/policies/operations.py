"""Operations on policies that have their own page, as data: activate, deactivate, delete."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from accounts.principals import Principal
from keys import actions
from keys.errors import PolicyInUse
from keys.models import EncryptionPolicy
from keys.policies.services import changing


@dataclass(frozen=True, slots=True)
class PolicyOperation:
    """One operation. ``refusal`` returns why it is not available for a policy, "" if it is."""

    slug: str
    label: str
    question: str
    action: str
    apply: Callable[[Principal, EncryptionPolicy], object]
    effect: str
    done: str
    icon: str
    refusal: Callable[[EncryptionPolicy], str]
    is_danger: bool = False

    @property
    def url_name(self) -> str:
        return f"policy-{self.slug}"

    def question_about(self, name: str) -> str:
        return self.question.format(name)


def _activate(principal: Principal, policy: EncryptionPolicy) -> object:
    return changing.update_policy(principal=principal, policy_id=policy.id, changes={"is_active": True})


def _deactivate(principal: Principal, policy: EncryptionPolicy) -> object:
    return changing.update_policy(principal=principal, policy_id=policy.id, changes={"is_active": False})


def _delete(principal: Principal, policy: EncryptionPolicy) -> object:
    return changing.delete_policy(principal=principal, policy_id=policy.id)


def _refuse_deletion(policy: EncryptionPolicy) -> str:
    count: int = getattr(policy, "keys_count", 0)
    return f"Delete is unavailable: {PolicyInUse(count).detail}" if count else ""


POLICY_OPERATIONS: Final[Mapping[str, PolicyOperation]] = MappingProxyType(
    {
        operation.slug: operation
        for operation in (
            PolicyOperation(
                slug="activate",
                label="Activate",
                question="Activate the policy {}?",
                action=actions.POLICY_UPDATED,
                apply=_activate,
                effect="Keys can be created under the policy again.",
                done="activated",
                icon="circle-play",
                refusal=lambda policy: "This policy is already active." if policy.is_active else "",
            ),
            PolicyOperation(
                slug="deactivate",
                label="Deactivate",
                question="Deactivate the policy {}?",
                action=actions.POLICY_UPDATED,
                apply=_deactivate,
                effect="The policy accepts no new keys. Its rules still apply to the keys that it has.",
                done="deactivated",
                icon="circle-pause",
                refusal=lambda policy: "" if policy.is_active else "This policy is already inactive.",
            ),
            PolicyOperation(
                slug="delete",
                label="Delete",
                question="Delete the policy {}?",
                action=actions.POLICY_DELETED,
                apply=_delete,
                effect="You cannot undo this. No key has this policy.",
                done="deleted",
                icon="trash-2",
                refusal=_refuse_deletion,
                is_danger=True,
            ),
        )
    }
)
