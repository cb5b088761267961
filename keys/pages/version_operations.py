"""Operations on one version of a key that have their own page, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kernel.pages.operations import Operation
from keys import actions
from keys.deletion.forms import DeletionForm
from keys.deletion.services import cancel_version_destruction, schedule_version_destruction
from keys.impact import KeyAction
from keys.lifecycle import VersionState
from keys.models import KeyVersion
from keys.states.services import disable_version, enable_version


@dataclass(frozen=True, slots=True, kw_only=True)
class _VersionOperation(Operation[KeyVersion]):
    """One operation. It is possible in ``states`` and leads to ``leads_to``.

    ``shows_impact_of``: the action whose impact its page shows, None if it shows none.
    ``not_of_primary``: why it is refused for the primary version.
    ``is_danger``: it cannot be undone after a wait.
    """

    states: frozenset[VersionState]
    leads_to: VersionState
    shows_impact_of: KeyAction | None = None
    not_of_primary: str = ""

    def refusal(self, found: KeyVersion) -> str:
        if found.state not in self.states:
            already = "already " if found.state == self.leads_to else ""
            return f"Version {found.version} is {already}{found.state_word}."
        if found.is_primary and self.not_of_primary:
            return self.not_of_primary
        if self.is_danger and found.key.deletion_protection:
            return "This key is protected against deletion. Turn off its deletion protection in the settings first."
        return ""


VERSION_OPERATIONS: Final[Mapping[str, _VersionOperation]] = MappingProxyType(
    {
        operation.slug: operation
        for operation in (
            _VersionOperation(
                slug="disable",
                label="Disable",
                question="Disable version {}?",
                permission="keys.disable",
                action=actions.VERSION_DISABLED,
                perform=disable_version,
                states=frozenset({VersionState.ENABLED}),
                leads_to=VersionState.DISABLED,
                effect=(
                    "Data of this version cannot be decrypted or verified until you enable it again. The primary "
                    "version is used for new data."
                ),
                done="Version {} disabled.",
                shows_impact_of=KeyAction.DISABLE_VERSION,
                not_of_primary="You cannot disable the primary version. Rotate the key first, or disable the key.",
            ),
            _VersionOperation(
                slug="enable",
                label="Enable",
                question="Enable version {}?",
                permission="keys.disable",
                action=actions.VERSION_ENABLED,
                perform=enable_version,
                states=frozenset({VersionState.DISABLED}),
                leads_to=VersionState.ENABLED,
                effect="Data of this version can be decrypted or verified again.",
                done="Version {} enabled.",
            ),
            _VersionOperation(
                slug="schedule-destruction",
                label="Schedule destruction",
                question="Schedule version {} for destruction?",
                permission="keys.destroy",
                action=actions.VERSION_DESTRUCTION_SCHEDULED,
                perform=schedule_version_destruction,
                states=frozenset({VersionState.ENABLED, VersionState.DISABLED}),
                leads_to=VersionState.SCHEDULED,
                effect="The version stops working immediately. You can cancel during the waiting period.",
                done="Version {} scheduled for destruction.",
                shows_impact_of=KeyAction.SCHEDULE_DESTRUCTION,
                not_of_primary=(
                    "You cannot destroy the primary version. Rotate the key first, or schedule the deletion of the key."
                ),
                form=lambda data, version, _: DeletionForm(data, key=version.key),
                draft_fields=("reason", "waiting_days"),
                cancel="Keep version",
                is_danger=True,
                needs_recent_sign_in=True,
            ),
            _VersionOperation(
                slug="cancel-destruction",
                label="Cancel destruction",
                question="Cancel the destruction of version {}?",
                permission="keys.destroy",
                action=actions.VERSION_DESTRUCTION_CANCELLED,
                perform=cancel_version_destruction,
                states=frozenset({VersionState.SCHEDULED}),
                leads_to=VersionState.DISABLED,
                effect="The version is kept, as a disabled one. Enable it to use it again.",
                cancel="Back",
                done="Version {} is no longer scheduled for destruction.",
            ),
        )
    }
)
