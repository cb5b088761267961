from collections.abc import Mapping
from typing import Any

from keys.management.progress import DueCommand
from keys.states import services


class Command(DueCommand):
    help = "Record in the audit log which keys have expired; the server does this itself. Exit codes: 0 done, 1 some failed."
    done = "recorded as expired"
    will = "has expired"

    def handle(self, *_args: Any, dry_run: bool, as_json: bool, **_options: Any) -> None:
        if not dry_run:
            for _ in services.record_activations(principal=self.principal):
                pass  # a key may have its activation and its expiry behind it
        outcomes = services.expire_keys(principal=self.principal, dry_run=dry_run)
        self.report(outcomes, dry_run=dry_run, as_json=as_json)

    def facts(self, outcome: Any) -> Mapping[str, object]:
        return {**super().facts(outcome), "expired_at": f"{outcome.at:%Y-%m-%dT%H:%M:%SZ}"}
