from argparse import ArgumentParser
from typing import Any, Final

from django.conf import settings
from django.template.defaultfilters import pluralize
from django.urls import reverse

from accounts.commands import SystemCommand
from accounts.principals import Principal
from kernel.clock import process_now
from kernel.commands import JsonCommand, ProgressBar
from kernel.errors import NotFound
from kernel.jobs.job import Status
from kernel.stopping import interruptible
from keys.capabilities import require_new_material
from keys.lifecycle import Status as KeyStatus
from keys.management.progress import key_facts
from keys.models import KeyRotation, KeyRotationJob, RotationStatus, Selection
from keys.policies.services.reading import policy_named
from keys.reading import services as reading
from keys.rotation.services import jobs, used_up
from keys.rotation.services.rotating import DUE_REASON

REASON: Final = "rotated with rotate_keys"


class Command(JsonCommand, SystemCommand):
    help = (
        "Rotate the keys that are due, one key, or the active keys of an algorithm or a policy. "
        "Exit codes: 0 done, 1 some keys failed or the run was interrupted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument(
            "--due", action="store_true", help="all keys that are due; the server does this itself"
        )
        which.add_argument("--name", default="", help="the key with this name")
        which.add_argument("--algorithm", default="", help="all active keys of this algorithm")
        which.add_argument("--policy", default="", metavar="NAME", help="all active keys under this policy")
        parser.add_argument("--dry-run", action="store_true", help="list the keys without rotating them")
        parser.add_argument("--reason", default="", help="recorded in the audit log")
        super().add_arguments(parser)

    def handle(
        self, *_args: Any, dry_run: bool, reason: str, as_json: bool, due: bool, **options: Any
    ) -> None:
        request = _request(self.principal, **options)
        if dry_run:
            self._list(request, as_json=as_json)
            return
        if due:
            used_up.mark_used_up()
        bar = ProgressBar(self.stderr, "keys")
        with interruptible() as is_stopping:
            job = jobs.rotate_here(
                principal=self.principal,
                request=request,
                reason=reason or (DUE_REASON if due else REASON),
                is_stopping=is_stopping,
                report=bar,
            )
        bar.clear()
        self._report(job, as_json=as_json)

    def _list(self, request: jobs.RotationRequest, *, as_json: bool) -> None:
        now, counts = process_now(), {"rotate": 0, "skip": 0}
        shown = []
        for key in jobs.foreseen_keys(self.principal, request).order_by("name").iterator():
            status = key.lifecycle_state(now).status
            does = "rotate" if status is KeyStatus.ACTIVE else "skip"
            counts[does] += 1
            if as_json:
                shown.append({**key_facts(key), "effect": does})
            elif does == "rotate":
                self.stdout.write(f"{key.name}: will rotate to version {key.primary_version + 1}")
            else:
                self.stdout.write(f"{key.name}: skipped, {key.lifecycle_state(now).word}")
        if as_json:
            self.write_json({"dry_run": True, **counts, "keys": shown})
        else:
            self.stdout.write(f"{counts['rotate']} will rotate, {counts['skip']} skipped")

    def _report(self, job: KeyRotationJob, *, as_json: bool) -> None:
        """Write the result of each key. Raises CommandError unless all were rotated."""
        counts = jobs.count_rotations(job)
        rows = job.rotations.select_related("old_key").order_by("old_key__name").iterator()
        elsewhere = jobs.count_pending_elsewhere(job)
        url = settings.CC_PUBLIC_URL + reverse("rotation-job", args=[job.id])
        if as_json:
            facts = {"job_id": str(job.id), "url": url, "status": job.status, "error_code": job.error_code}
            numbers = {**counts, "pending_elsewhere": elsewhere}
            self.write_json({**facts, **numbers, "rotations": list(map(_facts, rows))})
        else:
            for row in rows:
                self.stdout.write(_line(row))
            done, failed, cancelled = (counts[word] for word in ("completed", "failed", "cancelled"))
            self.stdout.write(f"{done} rotated, {failed} failed, {cancelled} cancelled")
            self.stdout.write(f"Job: {url}")
        if job.status != Status.SUCCEEDED:
            code = f" ({job.error_code})" if job.error_code else ""
            raise self.failure(f"The run did not finish{code}. Run the command again for the other keys.")
        if counts["failed"]:
            raise self.failure("Some keys were not rotated. See the errors above.")
        if elsewhere:
            raise self.failure(f"{elsewhere} key{pluralize(elsewhere, ' is,s are')} pending in another job.")


def _request(
    principal: Principal, *, name: str, algorithm: str, policy: str, **_options: Any
) -> jobs.RotationRequest:
    """Raises NotFound, KeyNotActive."""
    if name:
        try:
            key = reading.find_key(principal=principal, name=name)
        except NotFound:
            raise NotFound(f"There is no key named {name}.") from None
        require_new_material(key, process_now())
        return jobs.RotationRequest(Selection.KEYS, chosen=[(key.id, key.primary_version)])
    if algorithm:
        return jobs.RotationRequest(Selection.ALGORITHM, algorithm=algorithm)
    if policy:
        found = policy_named(principal=principal, name=policy)
        if found is None:
            raise NotFound(f"There is no policy named {policy}.")
        return jobs.RotationRequest(Selection.POLICY, policy_id=found.id)
    return jobs.RotationRequest(Selection.DUE)


def _facts(rotation: KeyRotation) -> dict[str, object]:
    return {
        **key_facts(rotation.old_key),
        "old_version": rotation.old_version,
        "new_version": rotation.new_version,
        "status": rotation.status,
        "error_code": rotation.error_code,
    }


def _line(rotation: KeyRotation) -> str:
    name = rotation.old_key.name
    if rotation.status == RotationStatus.COMPLETED:
        return f"{name}: rotated to version {rotation.new_version}"
    code = f", {rotation.error_code}" if rotation.error_code else ""
    return f"{name}: {rotation.status}{code}"
