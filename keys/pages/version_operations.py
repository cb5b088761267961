"""Operations on one version of a key that have their own page, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from keys import actions
from keys.deletion.services import cancel_version_destruction, schedule_version_destruction
from keys.impact import KeyAction
from keys.lifecycle import VersionState
from keys.models import Key, KeyVersion
from keys.states.services import disable_version, enable_version


@dataclass(frozen=True, slots=True)
class VersionOperation:
    """One operation. It is possible in ``states`` and leads to ``leads_to``; ``effect`` describes the result.

    ``shows_impact_of``: the action whose impact its page shows, None if it shows none.
    ``not_of_primary``: why it is refused for the primary version.
    ``is_final``: it cannot be undone after a wait, so its page requires the key's name and a recent sign-in.
    """

    slug: str
    label: str
    question: str
    permission: str
    action: str
    service: Callable[..., object]
    states: frozenset[VersionState]
    leads_to: VersionState
    effect: str
    done: str
    shows_impact_of: KeyAction | None = None
    not_of_primary: str = ""
    is_final: bool = False

    @property
    def url_name(self) -> str:
        return f"key-version-{self.slug}"

    def question_about(self, key: Key, version: KeyVersion) -> str:
        return self.question.format(f"version {version.version} of {key.name}")

    def refusal(self, key: Key, version: KeyVersion) -> str:
        """Why the operation is not available for the version; "" if it is."""
        if version.state not in self.states:
            already = "already " if version.state == self.leads_to else ""
            return f"Version {version.version} is {already}{version.state_word}."
        if version.is_primary and self.not_of_primary:
            return self.not_of_primary
        if self.is_final and key.deletion_protection:
            return "This key is protected against deletion. Turn off its deletion protection in the settings first."
        return ""


VERSION_OPERATIONS: Final[Mapping[str, VersionOperation]] = MappingProxyType(
    {
        operation.slug: operation
        for operation in (
            VersionOperation(
                slug="disable",
                label="Disable",
                question="Disable {}?",
                permission="keys.disable",
                action=actions.VERSION_DISABLED,
                service=disable_version,
                states=frozenset({VersionState.ENABLED}),
                leads_to=VersionState.DISABLED,
                effect=(
                    "Data of this version cannot be decrypted or verified until you enable it again. The primary "
                    "version is used for new data."
                ),
                done="disabled",
                shows_impact_of=KeyAction.DISABLE_VERSION,
                not_of_primary="You cannot disable the primary version. Rotate the key first, or disable the key.",
            ),
            VersionOperation(
                slug="enable",
                label="Enable",
                question="Enable {}?",
                permission="keys.disable",
                action=actions.VERSION_ENABLED,
                service=enable_version,
                states=frozenset({VersionState.DISABLED}),
                leads_to=VersionState.ENABLED,
                effect="Data of this version can be decrypted or verified again.",
                done="enabled",
            ),
            VersionOperation(
                slug="schedule-destruction",
                label="Schedule destruction",
                question="Schedule {} for destruction?",
                permission="keys.destroy",
                action=actions.VERSION_DESTRUCTION_SCHEDULED,
                service=schedule_version_destruction,
                states=frozenset({VersionState.ENABLED, VersionState.DISABLED}),
                leads_to=VersionState.SCHEDULED,
                effect="The version stops working at once. You can cancel during the wait.",
                done="scheduled for destruction",
                shows_impact_of=KeyAction.SCHEDULE_DESTRUCTION,
                not_of_primary=(
                    "You cannot destroy the primary version. Rotate the key first, or schedule the deletion of the key."
                ),
                is_final=True,
            ),
            VersionOperation(
                slug="cancel-destruction",
                label="Cancel destruction",
                question="Cancel the destruction of {}?",
                permission="keys.destroy",
                action=actions.VERSION_DESTRUCTION_CANCELLED,
                service=cancel_version_destruction,
                states=frozenset({VersionState.SCHEDULED}),
                leads_to=VersionState.DISABLED,
                effect="The version is kept, as a disabled one. Enable it to use it again.",
                done="is no longer scheduled for destruction",
            ),
        )
    }
)
