from collections.abc import Mapping
from typing import Any

from keys.deletion import services
from keys.management.progress import DueCommand


class Command(DueCommand):
    help = (
        "Destroy keys and versions whose waiting period has ended; the server does this itself. "
        "Exit codes: 0 done, 1 some failed."
    )
    done = "destroyed"
    will = "will be destroyed"

    def handle(self, *_args: Any, dry_run: bool, as_json: bool, **_options: Any) -> None:
        outcomes = services.destroy_due_keys(principal=self.principal, dry_run=dry_run)
        self.report(outcomes, dry_run=dry_run, as_json=as_json)

    def subject(self, outcome: Any) -> str:
        version = "" if outcome.version is None else f" version {outcome.version}"
        return f"{outcome.key.name}{version}"

    def facts(self, outcome: Any) -> Mapping[str, object]:
        due_at = f"{outcome.due_at:%Y-%m-%dT%H:%M:%SZ}"
        return {**super().facts(outcome), "version": outcome.version, "due_at": due_at}
