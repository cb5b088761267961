"""The tasks after the installation. The list disappears when all are done."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from accounts.principals import Principal
from accounts.roles import AUDITOR, ROLES
from console.home.facts import Facts
from kernel import installation

_BACK_UP = (
    "Copy each kek-….key file from the data folder, or the value of CC_KEK, to a place separate from the database. "
    f"Then check the copy: {installation.MANAGE} check_kek_backup FILE."
)


@dataclass(frozen=True, slots=True)
class _Step:
    """A task: ``how`` to do it, or the page at ``url``."""

    text: str
    is_done: bool
    how: str = ""
    url: str = ""


def checklist(principal: Principal, facts: Facts) -> Sequence[_Step]:
    """The steps for this role; empty once all are done."""
    may, steps = principal.has_permission, []
    if may("keys.create"):
        page = "first-key" if may("crypto.encrypt") else "key-new"
        steps.append(_Step("Create a key", facts.keys.all > 0, url=reverse(page)))
    if may("keys.create") and may("crypto.encrypt"):
        steps.append(
            _Step(
                "Encrypt a first message",
                facts.has_encrypted,
                how="You create a key and encrypt a message in one step.",
                url=reverse("first-key"),
            )
        )
    if may("users.manage") and may("keys.grant"):
        steps.append(
            _Step("Connect an application", facts.has_application, url=reverse("application-connect"))
        )
    if steps:
        steps.append(_Step("Set up a second factor", facts.has_second_factor, url=reverse("mfa")))
    if may("system.manage"):
        steps.append(
            _Step(
                "Back up the key-encryption key",
                facts.service is not None and facts.service.has_kek_copies,
                how=_BACK_UP,
            )
        )
    if may("users.manage") and not principal.lacks(ROLES[AUDITOR]):
        steps.append(
            _Step(
                "Invite an auditor with read-only access",
                facts.has_auditor,
                url=f"{reverse('user-new')}?role={AUDITOR}",
            )
        )
    return [] if all(step.is_done for step in steps) else steps
