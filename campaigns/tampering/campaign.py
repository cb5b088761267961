"""Alter the log in every way we can think of and expect each to be detected; leave it intact and expect no
findings.

    python -m campaigns.tampering.campaign --entries 10000 --rows 300 --times 10 --untouched 50

runs on SQLite; inside ``python -m tests.services`` (or with DATABASE_URL) on PostgreSQL. Each alteration is
followed by a complete run of the verifier. Its results for the columns of a row are cached by those columns,
so that the thousandth run takes less time than the first. Every ``CHECKED_AFRESH``th run is repeated without
the cache, and must have the same findings.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from campaigns.revocation.campaign import database_of_our_own
from tests.output import log
from tests.product import ROOT

CHECKED_AFRESH = 50


@dataclass
class Tally:
    """Results of one kind of alteration.

    ``indexed``: those that concern a leaf. ``named``: the index was in the reported range. ``exact``: only
    the index was reported.
    """

    tried: int = 0
    refused: int = 0
    noticed: int = 0
    indexed: int = 0
    named: int = 0
    exact: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, what: str, *, is_noticed: bool, wanted: int | None, found: tuple[int, int] | None) -> None:
        self.tried += 1
        self.noticed += is_noticed
        if not is_noticed:
            self.faults.append(f"{what}: not noticed")
        if wanted is None:
            return
        self.indexed += 1
        is_named = found is not None and found[0] <= wanted <= found[1]
        self.named += is_named
        self.exact += found == (wanted, wanted)
        if is_noticed and not is_named:
            self.faults.append(f"{what}: the first bad index is {wanted}, named was {found}")


class Campaign:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self.unpromised: defaultdict[str, Tally] = defaultdict(Tally)
        self.runs = self.afresh = 0
        self.dropped = 0  # constraints, which are findings of every verification
        self.seconds = 0.0

    def play(self) -> None:
        from audit.verification.fsck import verify_log  # noqa: PLC0415
        from campaigns.tampering.archived import play_archived  # noqa: PLC0415 - models need a set-up Django
        from campaigns.tampering.untouched import untouched_logs  # noqa: PLC0415
        from tests.tampering.altering import Copy, without_checks, without_triggers  # noqa: PLC0415 - models need a set-up Django
        from tests.tampering.writing import write_log, write_old_days  # noqa: PLC0415

        half, entries = [], self.options.entries
        log = write_log(
            entries,
            parts=self.options.parts,
            seed=self.options.seed,
            at_half=lambda: half.append(Copy("old")),
        )
        write_old_days(log)
        log.operate(5)
        log.change(rows=2)
        self.look("untouched", "the log itself", None, is_whole=True)
        [old] = half
        whole = Copy("whole")
        with remembering(), without_checks():
            self.dropped = verify_log().counts.total()
            self.alter_cells()
            with without_triggers():
                whole.restore()
            self.play_tricks(old, whole)
            self.look("untouched", "the log afterwards", None, is_whole=True)
            whole.drop()
            old.drop()
            play_archived(self)
        for name, verifier, problem in untouched_logs(self.options.untouched, self.options.seed):
            self.tallies[f"untouched, {verifier}"].add(name, is_noticed=not problem, wanted=None, found=None)
            if problem:
                self.tallies[f"untouched, {verifier}"].faults.append(f"{name}: {problem}")

    def alter_cells(self, tables=None) -> None:
        from django.db import IntegrityError  # noqa: PLC0415

        from campaigns.tampering.cells import MODELS, cells  # noqa: PLC0415
        from tests.tampering.altering import without_triggers  # noqa: PLC0415

        for cell in cells(self.options.rows, self.options.seed, tables or MODELS):
            try:
                with without_triggers():
                    cell.alter()
            except IntegrityError:
                self.tallies[cell.name].refused += 1
                continue
            self.look(cell.name, f"{cell.name} of {cell.row.pk}", cell.first)
            with without_triggers():
                cell.undo()

    def play_tricks(self, old, whole) -> None:
        from campaigns.tampering.tricks import Tricks  # noqa: PLC0415
        from tests.tampering.altering import without_triggers  # noqa: PLC0415

        with tempfile.TemporaryDirectory(prefix="tampering-") as folder:
            outside = Outside(Path(folder), self.is_altered)
            for trick in Tricks(times=self.options.times, seed=self.options.seed, old=old):
                with without_triggers():
                    trick.attack()
                what = f"{trick.kind}: {trick.name}"
                for verifier in trick.verifiers:
                    is_noticed, found = outside.run(verifier)
                    self.tallies[f"{what} | {verifier}"].add(
                        what, is_noticed=is_noticed, wanted=trick.first, found=found
                    )
                for verifier in trick.blind:
                    # Not a promise: it shows why the other verifiers are needed.
                    unpromised = self.unpromised[f"{what} | {verifier}"]
                    unpromised.tried += 1
                    unpromised.noticed += outside.run(verifier)[0]
                with without_triggers():
                    whole.restore()

    def look(self, name: str, what: str, first: int | None, *, is_whole: bool = False) -> None:
        """Run the verifier, and count whether the alteration was detected and its index reported."""
        from audit.verification.fsck import verify_log  # noqa: PLC0415

        began = time.monotonic()
        report = verify_log()
        self.seconds += time.monotonic() - began
        self.runs += 1
        if self.runs % CHECKED_AFRESH == 0:
            self.afresh += 1
            with forgetting():
                assert verify_log().findings == report.findings, what
        self.tallies[name].add(
            what, is_noticed=self.is_altered(report) != is_whole, wanted=first, found=range_of(report)
        )

    def is_altered(self, report) -> bool:
        return report.counts.total() != self.dropped


class Outside:
    """Verifiers with data that the database lacks: keys, checkpoints."""

    def __init__(self, folder: Path, is_altered: Callable[[Any], bool]) -> None:
        from audit.models import AuditCheckpoint  # noqa: PLC0415
        from audit.sequencing.checkpoints.signing_keys import trusted_keys  # noqa: PLC0415
        from audit.verification.heads import OutsideCheckpoint  # noqa: PLC0415

        self.folder, self.is_altered = folder, is_altered
        self.pinned = trusted_keys()
        notes = list(AuditCheckpoint.objects.order_by("size").values_list("size", "note"))
        self.checkpoints = [OutsideCheckpoint.parse(f"{size}", note) for size, note in (notes[0], notes[-1])]
        for number, each in enumerate(self.checkpoints):
            (folder / f"checkpoint-{number}").write_text(each.note)
        (folder / "keys").write_text("\n".join(key.vkey for key in self.pinned))

    def run(self, verifier: str) -> tuple[bool, tuple[int, int] | None]:
        from audit.verification.fsck import verify_log  # noqa: PLC0415
        from campaigns.tampering import tricks  # noqa: PLC0415

        match verifier:
            case tricks.CCVERIFY:
                return self.ccverify()
            case tricks.WITH_CHECKPOINT:
                report = verify_log(pinned=self.pinned, outside=self.checkpoints)
            case tricks.WITH_KEY:
                report = verify_log(pinned=self.pinned[:2])  # those before the key rotation
            case _:
                report = verify_log()
        return self.is_altered(report), range_of(report)

    def ccverify(self) -> tuple[bool, tuple[int, int] | None]:
        from audit.exports.tiles import export_log  # noqa: PLC0415

        with tempfile.TemporaryDirectory(dir=self.folder) as export:
            export_log(Path(export))
            done = ccverify(export, self.folder / "keys", sorted(self.folder.glob("checkpoint-*")))
        assert done.returncode in {0, 1}, done.stderr
        found = re.search(r"First bad index: (\d+)(?: to (\d+))?", done.stdout)
        return done.returncode == 1, found and (int(found[1]), int(found[2] or found[1]))


def ccverify(export, keys, checkpoints) -> subprocess.CompletedProcess[str]:
    given = [argument for path in checkpoints for argument in ("--checkpoint", path)]
    return subprocess.run(
        [sys.executable, ROOT / "bin" / "ccverify", "verify-export", export, "--key", keys, *given],
        capture_output=True,
        text=True,
        check=False,
    )


def range_of(report) -> tuple[int, int] | None:
    return report.first_bad and (report.first_bad.first, report.first_bad.last)


@contextmanager
def remembering() -> Iterator[None]:
    """Cache the inspection of a row by its columns."""
    from audit.verification import inspection, leaves  # noqa: PLC0415

    leaves.inspect = lru_cache(maxsize=None)(inspection.inspect)
    try:
        yield
    finally:
        leaves.inspect = inspection.inspect


@contextmanager
def forgetting() -> Iterator[None]:
    from audit.verification import inspection, leaves  # noqa: PLC0415

    kept, leaves.inspect = leaves.inspect, inspection.inspect
    try:
        yield
    finally:
        leaves.inspect = kept


def print_summary(campaign: Campaign) -> int:
    """Print the table; return 1 if an alteration was missed or there was a false alarm."""
    log(
        f"{'alteration':<100} {'tried':>6} {'noticed':>8} {'of leaves':>10} {'in range':>9} {'exactly':>8} {'refused':>8}"
    )
    total, faults = Tally(), []
    for name, tally in sorted(campaign.tallies.items()):
        log(
            f"{name:<100} {tally.tried:>6} {tally.noticed:>8} "
            f"{tally.indexed:>10} {tally.named:>9} {tally.exact:>8} {tally.refused:>8}"
        )
        faults += tally.faults
        for column in ("tried", "noticed", "indexed", "named", "exact", "refused"):
            setattr(total, column, getattr(total, column) + getattr(tally, column))
    log(
        f"\n{total.tried} tried, {total.noticed} as it should be; of {total.indexed} that concern a leaf "
        f"{total.named} named in a range, {total.exact} of them exactly; {total.refused} refused by the database"
    )
    log(
        f"{campaign.runs} whole runs of {campaign.seconds / max(campaign.runs, 1):.3f} s, {campaign.afresh} made again afresh"
    )
    for name, tally in sorted(campaign.unpromised.items()):
        log(f"not promised: {name}: {tally.noticed} of {tally.tried} noticed")
    for fault in faults[:50]:
        log(f"FAULT {fault}")
    return 1 if faults else 0


def main() -> int:
    """Return 0 if every alteration was detected and there was no false alarm."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument(
        "--parts", type=int, default=10, help="checkpoints, with one change of keys between them"
    )
    parser.add_argument(
        "--rows", type=int, default=300, help="of each table, every column of which is altered"
    )
    parser.add_argument("--times", type=int, default=10, help="how often each trick is played, on other rows")
    parser.add_argument("--untouched", type=int, default=50, help="logs that nobody altered")
    parser.add_argument("--seed", type=int, default=1)
    campaign = Campaign(parser.parse_args())
    with database_of_our_own():
        campaign.play()
    return print_summary(campaign)


if __name__ == "__main__":
    sys.exit(main())
