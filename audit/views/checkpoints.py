"""The page of the checkpoints: their keys, anchors and witnesses, and the commands that verify the log."""

import shlex
from collections.abc import Sequence
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from audit import actions
from audit.models import READ_PERMISSION
from audit.sequencing.catching_up import ShowsLog
from audit.sequencing.checkpoints.signing_keys import stored_keys
from audit.sequencing.checkpoints.witnesses import quorum
from audit.services import proofs
from audit.services.proofs import ListedCheckpoint
from audit.services.verifications import Verifications, read_verifications
from audit.services.witnessed import WitnessState, list_witnesses
from audit.tlog.checkpoint import VerifierKey
from audit.verification.jobs import PERMISSION as VERIFY_PERMISSION
from audit.verification.jobs import request_verification
from kernel import installation
from kernel.jobs.job import JobRecord
from kernel.pages.operations import Operation, Subject, confirm
from kernel.pages.views import PageView, number_in
from kernel.rules import Caller, Rule

LIMIT = 25
_MOST_PAGES = 100_000

LOG: Final[Subject[Verifications]] = Subject(
    url_name="{}-new",
    section="audit",
    title="Audit",
    find=lambda **_: read_verifications(),
    name=lambda _: "",
    arguments=lambda _: {},
    page=lambda *_: reverse("audit-checkpoints"),
    facts=lambda _, verifications: {"verifications": verifications},
    details="audit/verification_operation.html",
    back="Back to checkpoints",
)


def _show_job(view: PageView[Caller], _: Verifications, job: JobRecord) -> HttpResponse:
    return view.done(reverse("verification", args=[job.id]), "Full verification queued.")


VERIFICATION: Final[Operation[Verifications]] = Operation(
    slug="verification",
    label="Start verification",
    question="Verify the whole audit log?",
    permission=VERIFY_PERMISSION,
    action=actions.VERIFICATION_REQUESTED,
    perform=request_verification,
    form=confirm,
    draft_fields=(),
    respond=_show_job,
)


class CheckpointListView(ShowsLog, PageView[Caller]):
    rules = {"GET": Rule(READ_PERMISSION, actions.CHECKPOINT_READ)}
    section = "audit"
    template = "audit/checkpoints.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        page = min(max(number_in(request, "page") or 1, 1), _MOST_PAGES)
        rows = proofs.find_checkpoints(reader=self.principal)[(page - 1) * LIMIT : page * LIMIT + 1]
        keys, witnesses = stored_keys(), list_witnesses()
        trusted = [key for key, _ in keys]
        found = proofs.with_signatures(list(rows), trusted)
        sees_all = self.principal.scope(READ_PERMISSION) == "all"
        return self.page(
            checkpoints=found[:LIMIT],
            before=page - 1,
            after=page + 1 if len(found) > LIMIT else 0,
            keys=keys,
            witnesses=witnesses,
            quorum=quorum(),
            may_verify=self.principal.has_permission(VERIFY_PERMISSION),
            verifications=read_verifications() if sees_all else None,
            commands=_commands(found[0], trusted, witnesses) if found and page == 1 else None,
        )


def _commands(
    newest: ListedCheckpoint, trusted: Sequence[VerifierKey], witnesses: Sequence[WitnessState]
) -> dict[str, str]:
    """Lines for a shell. With noclobber, they never overwrite a saved file."""
    file = f"checkpoint-{newest.row.size}"
    options = [f"--witness {shlex.quote(each.key.vkey)}" for each in witnesses]
    options += [f"--quorum {quorum()}"] if witnesses else []
    verify = f"python3 ccverify verify-export DIR --key pinned-keys --checkpoint {file}"
    return {
        "save_keys": f"(set -C; printf '%s\\n' {shlex.join(key.vkey for key in trusted)} > pinned-keys)",
        "save_checkpoint": f"(set -C; printf %s {shlex.quote(newest.note)} > {file})",
        "verify_export": " ".join([verify, *options]),
        "verify_log": f"{installation.MANAGE} verify_audit_log --key pinned-keys --checkpoint {file}",
    }
