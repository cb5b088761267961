"""Operations on policies that have their own page, as data: enable, disable, delete."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from kernel.pages.forms import PageForm
from kernel.pages.operations import Operation, confirm
from keys import actions
from keys.errors import PolicyInUse
from keys.models import EncryptionPolicy
from keys.policies.services import changing

MANAGE: Final = "policies.manage"


@dataclass(frozen=True, slots=True, kw_only=True)
class _PolicyOperation(Operation[EncryptionPolicy]):
    """``refused`` returns why the operation is not available for a policy, "" if it is."""

    permission: str = MANAGE
    form: Callable[..., PageForm] = confirm
    draft_fields: tuple[str, ...] = ()
    refused: Callable[[EncryptionPolicy], str]

    def refusal(self, found: EncryptionPolicy) -> str:
        return self.refused(found)


def _refuse_deletion(policy: EncryptionPolicy) -> str:
    count: int = getattr(policy, "keys_count", 0)
    return PolicyInUse(count).detail if count else ""


POLICY_OPERATIONS: Final[Mapping[str, _PolicyOperation]] = MappingProxyType(
    {
        operation.slug: operation
        for operation in (
            _PolicyOperation(
                slug="activate",
                label="Enable",
                question="Enable the policy {}?",
                action=actions.POLICY_UPDATED,
                perform=partial(changing.update_policy, changes={"is_active": True}),
                effect="Keys can be created under the policy again.",
                done="Policy {} enabled.",
                icon="circle-play",
                refused=lambda policy: "This policy is already enabled." if policy.is_active else "",
            ),
            _PolicyOperation(
                slug="deactivate",
                label="Disable",
                question="Disable the policy {}?",
                action=actions.POLICY_UPDATED,
                perform=partial(changing.update_policy, changes={"is_active": False}),
                effect="The policy accepts no new keys. Its rules still apply to the keys that it has.",
                done="Policy {} disabled.",
                icon="circle-pause",
                refused=lambda policy: "" if policy.is_active else "This policy is already disabled.",
            ),
            _PolicyOperation(
                slug="delete",
                label="Delete",
                question="Delete the policy {}?",
                action=actions.POLICY_DELETED,
                perform=changing.delete_policy,
                effect="You cannot undo this. No key has this policy.",
                done="Policy {} deleted.",
                done_at="policies",
                icon="trash-2",
                refused=_refuse_deletion,
                is_danger=True,
            ),
        )
    }
)
