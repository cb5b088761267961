"""Kill ``archive_audit_log`` with SIGKILL at each step and at random moments, while others write, and compare everything.

    python -m campaigns.archiving.campaign --segments 4 --kills 4

runs on SQLite; inside ``python -m tests.services`` on PostgreSQL. After each kill the verifier must find nothing. At the end,
two processes archive the rest at the same time. Exports of the archived entries must be the same as before, and a
backup of before must adopt the files.
"""

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from hashlib import sha256
from pathlib import Path

from campaigns.installations import installation
from campaigns.revocation.campaign import sequencer
from tests.output import log
from tests.product import ROOT, Product, drop_database, new_database

SPARE = 2_000  # entries after the last segment
MANAGE = (ROOT / "bin" / "manage",)
CCVERIFY = (sys.executable, ROOT / "bin" / "ccverify")
ARCHIVE = ("archive_audit_log", "--older-than", "0d")


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory(prefix="archiving-") as name:
        folder = Path(name)
        with installation(folder, CC_AUDIT_ARCHIVE=str(folder / "archive")) as product:
            Campaign(folder, product, options).play()
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--segments", type=int, default=4)
    parser.add_argument("--kills", type=int, default=4, help="of two processes at a time, at random moments")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    return parser.parse_args()


class Campaign:
    def __init__(self, folder: Path, product: Product, options: argparse.Namespace) -> None:
        self.folder, self.product, self.options = folder, product, options
        self.began = time.monotonic()
        self.chance = random.Random(options.seed)  # noqa: S311 - moments are no secret
        self.verifications = self.rows = 0

    def play(self) -> None:
        from campaigns.archiving.filling import fill, writing  # noqa: PLC0415 - models need a set-up Django
        from campaigns.tampering.campaign import remembering  # noqa: PLC0415

        entries = self.options.segments * segment_entries()
        fill(entries + SPARE, self.options.seed)
        self.tell(f"{entries} entries in {self.options.segments} segments, seed {self.options.seed}")
        self.manage("backup", str(self.folder / "backup"))
        (self.folder / "elsewhere").mkdir()
        self.manage("backup_kek", str(self.folder / "elsewhere" / "ring"))
        before = self.exports("before", entries)
        size = self.size()
        self.tell("exports and a backup of before")
        with remembering():
            with sequencer(self.product.environment), writing(self.options.seed + 1) as written:
                self.kill_at_each_step()
                self.kill_at_random()
                self.finish()
            self.verify()
        self.tell(
            f"{written[0]} entries written meanwhile, {self.verifications} verifications without a finding"
        )
        after = self.exports("after", entries)
        assert after.items() >= before.items(), [name for name in before if before[name] != after.get(name)]
        self.tell(f"{len(before)} files, lines and sums are as before")
        self.verify_elsewhere()
        self.restore()
        self.report_sizes(size, entries)

    # --- kills

    def kill_at_each_step(self) -> None:
        from campaigns.archiving.steps import STEPS, Missed, Run  # noqa: PLC0415

        for step in STEPS:
            try:
                step(Run(self.product.environment), 0)
                outcome = "killed"
            except Missed:
                outcome = "was faster than the kill"
            self.verify()
            self.tell(f"{step.__name__.replace('_', ' ')}: {outcome}; {self.state()}")

    def kill_at_random(self) -> None:
        """Two processes at a time. The keys of checkpoints are rotated meanwhile."""
        from campaigns.archiving.steps import Missed, Run  # noqa: PLC0415

        for number in range(self.options.kills):
            runs = [Run(self.product.environment) for _ in range(2)]
            if number == 0:
                self.manage("rotate_checkpoint_key")
            missed = 0
            for run in runs:
                time.sleep(self.chance.uniform(0, 6))
                try:
                    run.kill()
                except Missed:
                    missed += 1
            self.verify()
            self.tell(f"two at a time, {2 - missed} killed; {self.state()}")

    def finish(self) -> None:
        from campaigns.archiving.steps import Run  # noqa: PLC0415

        counts = [run.end() for run in [Run(self.product.environment) for _ in range(2)]]
        self.tell(f"two to the end, which archived {counts}; {self.state()}")
        from audit.models import AuditSegment  # noqa: PLC0415

        assert AuditSegment.objects.count() >= self.options.segments
        assert not AuditSegment.objects.filter(removed_at=None).exists()

    def verify(self) -> None:
        from audit.verification.fsck import verify_log  # noqa: PLC0415

        for with_archive in (False, True):
            report = verify_log(with_archive=with_archive)
            assert not report.is_altered, [str(each) for each in report.findings]
            self.verifications += 1

    # --- comparisons

    def exports(self, name: str, entries: int) -> dict[str, str]:
        """Digests of everything about the first ``entries`` entries: tiles, lines, changed rows, usage."""
        from audit.exports.tiles import export_log  # noqa: PLC0415
        from audit.models import UsageRollup  # noqa: PLC0415
        from audit.tlog import tiles  # noqa: PLC0415
        from tests.tampering.writing import Log  # noqa: PLC0415

        folder = self.folder / name
        export_log(folder)
        paths = [
            path
            for number in range(entries // tiles.WIDTH)
            for path in (
                tiles.entries_path(number, tiles.WIDTH),
                tiles.tile_path(0, number, tiles.WIDTH),
            )
        ]
        found = {path: sha256((folder / path).read_bytes()).hexdigest() for path in paths}
        rows = (folder / "trail.jsonl").read_bytes().splitlines()
        self.rows = self.rows or len(rows)
        found["changed rows"] = sha256(b"\n".join(rows[: self.rows])).hexdigest()
        usage = UsageRollup.objects.filter(key_id__in=Log(self.options.seed).keys).order_by("id")
        found["usage"] = sha256(repr(list(usage.values())).encode()).hexdigest()
        return found | {"lines": self.lines(entries)}

    def lines(self, entries: int) -> str:
        """The digest of the first entries in an export in format jsonl."""
        from audit.exports import files, task  # noqa: PLC0415
        from audit.models import AuditExport  # noqa: PLC0415

        began = time.monotonic()
        export = AuditExport(format="jsonl", created_by=uuid.uuid4())
        result = task.run(export, lambda _done, _total: None)  # type: ignore[arg-type]
        path = files.FOLDER.path_of(export.id, str(result["attempt"]), "jsonl")
        with path.open("rb") as file:
            lines = b"".join(file.readline() for _ in range(entries))
        assert lines.count(b'"integrity":"verified"') == entries
        self.tell(f"jsonl export in {time.monotonic() - began:.1f} s")
        return sha256(lines).hexdigest()

    def verify_elsewhere(self) -> None:
        """``ccverify`` accepts the export, with a checkpoint of before, and each segment."""
        after, before = self.folder / "after", self.folder / "before"
        keys = [word for key in (after / "keys").read_text().split() for word in ("--key", key)]
        checkpoint = ("--checkpoint", str(before / "checkpoint"))
        run(CCVERIFY, "verify-export", str(after), *keys, *checkpoint)
        for path in sorted((self.folder / "archive").glob("segment-*")):
            run(CCVERIFY, "verify-segment", str(path), *keys)
        self.tell("ccverify accepts the export and every segment")

    def restore(self) -> None:
        """A backup of before, in a new home: the archive has its files already."""
        from audit.archive.segments import Segment  # noqa: PLC0415

        paths = sorted((self.folder / "archive").glob("segment-*"))[: self.options.segments]
        files = {path: path.read_bytes() for path in paths}
        copy = Product(
            self.folder / "restored",
            database=new_database() if self.product.database else "",
            is_new=True,
            CC_AUDIT_ARCHIVE=str(self.folder / "archive"),
        )
        try:
            shutil.copytree(self.folder / "elsewhere" / "ring", copy.home)
            run(MANAGE, "restore", str(self.folder / "backup"), environment=copy.environment)
            self.tell("restored")
            began, moved = time.monotonic(), 0
            while named := self.refused(copy):
                # Its checkpoint has keys that were made after the backup.
                (self.folder / "archive" / named).rename(self.folder / "elsewhere" / named)
                moved += 1
            seconds = time.monotonic() - began
            for path, octets in files.items():
                old, new = Segment.decode(octets), Segment.decode(path.read_bytes())
                assert (old.entries, old.rows) == (new.entries, new.rows)
            adopted = sum(path.read_bytes() == octets for path, octets in files.items())
            assert adopted + moved == len(files)
            assert adopted
            rate = self.options.segments * segment_entries() / seconds
            self.tell(
                f"adopted {adopted} files, moved {moved} away, in {seconds:.1f} s: {rate:.0f} entries a second"
            )
            run(MANAGE, "verify_audit_log", "--with-archive", environment=copy.environment)
        finally:
            drop_database(copy.database)

    def refused(self, copy: Product) -> str:
        """Archive, and return the name of the file that was not adopted; "" if everything is archived."""
        done = copy.manage(*ARCHIVE)
        if done.returncode == 0:
            return ""
        [name] = re.findall(r"another file (segment-\d+\.jsonl\.xz),", done.stderr)
        return str(name)

    # --- figures

    def size(self) -> int:
        """Bytes of the database."""
        if self.product.database:
            return int(self.product.query("SELECT pg_database_size(current_database())")[0][0])
        from tests.tampering.altering import query  # noqa: PLC0415

        query("PRAGMA wal_checkpoint(TRUNCATE)")
        return self.product.sqlite_file.stat().st_size

    def report_sizes(self, before: int, entries: int) -> None:
        from tests.tampering.altering import execute  # noqa: PLC0415

        sizes = [path.stat().st_size for path in (self.folder / "archive").glob("segment-*")]
        after = self.size()
        execute("VACUUM FULL" if self.product.database else "VACUUM")
        self.tell(
            f"{sum(sizes) / len(sizes) / segment_entries():.1f} bytes of file an entry; database {before / 2**20:.0f} MiB "
            f"before, {after / 2**20:.0f} after, {self.size() / 2**20:.0f} after VACUUM; {entries} entries"
        )

    def state(self) -> str:
        from audit.models import AuditLog, AuditSegment  # noqa: PLC0415

        done = AuditSegment.objects.exclude(removed_at=None).count()
        return f"{AuditSegment.objects.count()} segments, {done} removed, {AuditLog.objects.count()} rows"

    def manage(self, *arguments: str) -> None:
        run(MANAGE, *arguments, environment=self.product.environment)

    def tell(self, what: str) -> None:
        log(f"{time.monotonic() - self.began:6.1f} s  {what}")


def segment_entries() -> int:
    from audit.models import AuditSegment  # noqa: PLC0415

    return AuditSegment.ENTRIES


def run(program: tuple[str | Path, ...], *arguments: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [*program, *arguments], env=environment, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
