"""The program of bin/test: both halves of the suite, and with ``--all`` the coverage of the PostgreSQL half.

Without arguments it runs every behaviour once, at the lowest level that can fail, within minutes. ``--all`` adds
the tests that start processes, drive a browser or sweep over everything, and the whole SQLite half. Arguments for
pytest select a part of the whole suite; a few files run in one process, and start only the services that they need.
``--services=containers`` runs PostgreSQL and Redis in Docker.
"""

import os
import sys
from pathlib import Path

from tests.e2e.chromium import MISSING, find_chromium
from tests.services.processes import run_to_end

ALL, POSTGRESQL, SQLITE, CONTAINERS = "--all", "--postgresql", "--sqlite", "--services=containers"
OPTIONS = (ALL, POSTGRESQL, SQLITE, CONTAINERS)
HIGHER_LEVELS = "process or browser or sweep"
QUICK = {
    POSTGRESQL: f"smoke or not ({HIGHER_LEVELS})",
    SQLITE: f"sqlite and not ({HIGHER_LEVELS})",
}
# The tests of a file run in one process, so that what they share is started once; the order is pytest's. Tests of
# processes and browsers often wait, so three processes keep two cores busy.
PYTEST = [sys.executable, "-m", "pytest", "--dist", "loadscope", "--no-loadscope-reorder"]
PROCESSES = ["-n", "3"]
SERVICES = [sys.executable, "-m", "tests.services"]
FEW = 3  # files; starting three processes and both halves takes longer than most files
ON_DEMAND = [sys.executable, "-m", "pytest", "-p", "tests.services.on_demand"]
SOURCE = "CC_TEST_SERVICES"
COVERAGE = [sys.executable, "-m", "coverage", "report"]
COMPLETE = "kernel/crypto/*,audit/tlog/*,keys/lifecycle.py"
COVERAGE_REPORTS = [
    [*COVERAGE, "--fail-under=95"],
    [*COVERAGE, "--fail-under=100", f"--include={COMPLETE}"],
]
INTERRUPTED, NO_TESTS = 2, 5


def main(arguments: list[str]) -> int:
    """Return 0, or the exit code of the first step that failed."""
    halves = [half for half in (POSTGRESQL, SQLITE) if half in arguments] or [POSTGRESQL, SQLITE]
    selected = [argument for argument in arguments if argument not in OPTIONS]
    is_whole = ALL in arguments and not selected
    is_quick = ALL not in arguments and not selected
    if CONTAINERS in arguments:
        os.environ[SOURCE] = "containers"
    files = few_files(selected)
    if files and len(halves) > 1 and not any(map(may_fail_on_sqlite, files)):
        halves = [POSTGRESQL]
    codes: list[int] = []
    for half in halves:
        codes.append(run_half(half, quick_part(half) if is_quick else selected, is_whole=is_whole))
        if codes[-1] == INTERRUPTED or codes[-1] > 128:
            return codes[-1]
    if codes[1:] == [NO_TESTS]:
        log("nothing in this selection touches the database")
        codes.pop()
    if is_whole and POSTGRESQL in halves:
        codes += [run_to_end(command, dict(os.environ)) for command in COVERAGE_REPORTS]
    return next((code for code in codes if code), 0)


def quick_part(half: str) -> list[str]:
    marks = ["-m", QUICK[half] if find_chromium() else f"({QUICK[half]}) and not browser"]
    # Each process collects its part alone, which takes seven seconds of CPU for all files.
    files = [] if half == POSTGRESQL else filter(may_fail_on_sqlite, sorted(Path("tests").rglob("test_*.py")))
    return [*marks, *map(str, files)]


def may_fail_on_sqlite(file: Path) -> bool:
    return "mark.sqlite" in file.read_text()


def few_files(arguments: list[str]) -> list[Path]:
    """The files that the arguments for pytest name, if these are few and nothing else is named.

    Nothing if the arguments ask for several processes: these would not know the services that a test starts on demand.
    """
    if any(each.startswith(("-n", "--numprocesses")) for each in arguments):
        return []
    named = [path for path in (Path(each.partition("::")[0]) for each in arguments) if path.exists()]
    return named if len(named) <= FEW and all(map(Path.is_file, named)) else []


def order_of(arguments: list[str]) -> list[str]:
    """Options of pytest. Single tests need no random order, and its plugin takes a quarter of a second to load."""
    named = [each for each in arguments if Path(each.partition("::")[0]).exists()]
    return ["-p", "no:randomly"] if all("::" in each for each in named) else []


def run_half(half: str, arguments: list[str], *, is_whole: bool) -> int:
    """Run pytest on one database and return its exit code."""
    environment = dict(os.environ)
    is_small = bool(few_files(arguments))
    if half == POSTGRESQL:
        log("PostgreSQL and Redis")
        if not find_chromium():
            log(MISSING)
        if is_small and SOURCE not in environment:
            return run_to_end([*ON_DEMAND, *order_of(arguments), *arguments], environment)
        measured = ["--cov", "--cov-report="] if is_whole else []
        return run_to_end([*SERVICES, *PYTEST, *PROCESSES, *measured, *arguments], environment)
    log("SQLite: the tests that touch the database")
    for name in ("DATABASE_URL", "REDIS_URL"):
        environment.pop(name, None)
    processes = [] if is_small else PROCESSES
    return run_to_end([*PYTEST, "-p", "tests.sqlite_half", *processes, *arguments], environment)


def log(text: str) -> None:
    sys.stdout.write(f"\n== {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
