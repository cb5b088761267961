"""The operation that starts a rewrap of all stored keys."""

from typing import Final

from django.http import HttpResponse
from django.urls import reverse

from accounts.principals import Principal
from console import actions
from console.key_encryption import rewraps
from console.key_encryption.keks import Keks, read_keks
from console.key_encryption.services import PERMISSION
from kernel.jobs.job import JobRecord
from kernel.pages.operations import Operation, Subject, confirm
from kernel.pages.views import PageView

STORED_KEYS: Final[Subject[Keks]] = Subject(
    url_name="{}-new",
    section="system",
    title="System",
    find=lambda **_: read_keks(),
    name=lambda _: "",
    arguments=lambda _: {},
    page=lambda *_: reverse("system"),
    facts=lambda _, keks: {"keks": keks},
    details="console/rewrap_operation.html",
)


def _show_job(view: PageView[Principal], _: Keks, rewrap: JobRecord) -> HttpResponse:
    return view.done(reverse("rewrap", args=[rewrap.id]), "Rewrap queued.")


REWRAP: Final[Operation[Keks]] = Operation(
    slug="rewrap",
    label="Rewrap",
    question="Rewrap all stored keys?",
    permission=PERMISSION,
    action=actions.REWRAP_REQUESTED,
    perform=rewraps.request_rewrap,
    form=confirm,
    draft_fields=(),
    respond=_show_job,
    needs_recent_sign_in=True,
)
