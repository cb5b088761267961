from typing import Any

from accounts.commands import SystemCommand
from console.key_encryption.rewraps import rewrap_here
from kernel import installation
from kernel.commands import JsonCommand, ProgressBar
from kernel.jobs.job import Status
from kernel.models import KekRewrap
from kernel.stopping import interruptible


class Command(JsonCommand, SystemCommand):
    help = "Wrap all stored keys under the primary key-encryption key. You can interrupt and repeat it."

    def handle(self, *_args: Any, as_json: bool, **_options: Any) -> None:
        bar = ProgressBar(self.stderr, "keys")
        with interruptible() as is_stopping:
            rewrap = rewrap_here(principal=self.principal, is_stopping=is_stopping, report=bar)
        bar.clear()
        if as_json:
            self.write_json(_facts(rewrap))
        elif rewrap.status == Status.SUCCEEDED:
            self.stdout.write(f"{rewrap.done} keys rewrapped; all are under {rewrap.kek_id}")
        self._require_success(rewrap)

    def _require_success(self, rewrap: KekRewrap) -> None:
        """Raises CommandError."""
        again = f"Run {installation.MANAGE} rewrap_keys again: it continues."
        if rewrap.status != Status.SUCCEEDED:
            code = f" ({rewrap.error_code})" if rewrap.error_code else ""
            raise self.failure(f"Stopped after {rewrap.done} keys{code}. {again}")
        if rewrap.altered:
            raise self.failure(
                f"{rewrap.altered} rows were changed outside the application and were not rewrapped. "
                f"Run {installation.MANAGE} verify_audit_log."
            )


def _facts(rewrap: KekRewrap) -> dict[str, object]:
    names = ("status", "done", "altered", "kek_id", "error_code")
    return {"id": str(rewrap.id), **{name: getattr(rewrap, name) for name in names}}
