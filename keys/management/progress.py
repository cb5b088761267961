"""Shared parts of the commands that go through many keys."""

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from accounts.commands import SystemCommand
from kernel.commands import JsonCommand, ProgressBar
from kernel.errors import DomainError
from keys.models import Key


class Outcome(Protocol):
    @property
    def key(self) -> Key: ...
    @property
    def error(self) -> DomainError | None: ...


class DueCommand(JsonCommand, SystemCommand):
    """A command that does what the schedule does, with a line or a JSON member for each key."""

    done = ""
    will = ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="list what is due, and change nothing")
        super().add_arguments(parser)

    def report(self, outcomes: Iterable[Outcome], *, dry_run: bool, as_json: bool) -> None:
        """Write each outcome. Raises CommandError if one failed."""
        bar, shown, failed = ProgressBar(self.stderr, "keys"), [], 0
        for number, outcome in enumerate(outcomes, start=1):
            bar(number, None)
            failed += outcome.error is not None
            shown.append(outcome)
        bar.clear()
        if as_json:
            results = [self.facts(outcome) for outcome in shown]
            document = {"dry_run": dry_run, "due": len(shown), "failed": failed, "results": results}
            self.write_json(document)
        else:
            for outcome in shown:
                self.stdout.write(f"{self.subject(outcome)}: {self._result(outcome, dry_run=dry_run)}")
            self.stdout.write(f"{len(shown)} due, {failed} failed")
        if failed:
            raise self.failure("Some keys failed. See the errors above.")

    def subject(self, outcome: Any) -> str:
        return str(outcome.key.name)

    def facts(self, outcome: Any) -> Mapping[str, object]:
        return {**key_facts(outcome.key), "error_code": outcome.error.code if outcome.error else ""}

    def _result(self, outcome: Outcome, *, dry_run: bool) -> str:
        if outcome.error is not None:
            return f"FAILED, {outcome.error.detail}"
        return self.will if dry_run else self.done


def key_facts(key: Key) -> dict[str, object]:
    return {"key_id": str(key.id), "name": key.name}
