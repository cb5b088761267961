"""The program of bin/mutate: changes the code in memory, one mutant at a time, and runs the tests that reach it.

PATHS are files, folders, FILE::FUNCTION or FILE::LINE. Without them, the mutants are those of the lines that differ from the
commit in --since. The exit code is 1 if a mutant survived.
"""

import argparse
import functools
import itertools
import math
import os
import pickle
import random
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import pytest

from mutation import running
from mutation.mutants import Mutant
from mutation.selection import PACKAGES, selected

ACCEPTED = Path(__file__).parent / "accepted.txt"
# A mutant is stopped after FEWEST_SECONDS plus PATIENCE times the CPU time of its tests. Busy machines are slow.
FEWEST_SECONDS, PATIENCE = 30.0, 5


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    began = time.monotonic()
    found, accepted = selected(options), _accepted()
    mutants = [mutant for mutant in found if _entry(mutant) not in accepted]
    print(f"{len(mutants)} mutants, and {len(found) - len(mutants)} that are accepted.", flush=True)
    if options.sample:
        mutants = random.Random(options.seed).sample(mutants, min(options.sample, len(mutants)))  # noqa: S311
    if not mutants:
        return 0
    tests = options.tests or sorted(set[str]().union(*map(_tests_of, {each.path for each in mutants})))
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = f"{folder}/hypothesis"
        run = Run(mutants, options, Path(folder))
        run.finish(tests)
    return _report(run.outcomes, time.monotonic() - began, is_sample=bool(options.sample))


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/mutate", description=__doc__)
    parser.add_argument("paths", nargs="*", metavar="PATHS")
    parser.add_argument("--since", help="a commit; otherwise where this branch left main, or the last one")
    parser.add_argument(
        "--tests", nargs="+", help="tests to run, instead of the mirrored ones and the importers"
    )
    parser.add_argument(
        "--again", type=Path, metavar="OUTPUT", help="only the mutants that an earlier run has listed"
    )
    parser.add_argument("--sample", type=int, help="so many random mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20.0, help="of CPU, for the tests of a mutant")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    return parser.parse_args(arguments)


class Run:
    """The outcomes of the mutants: ``killed``, ``survived`` or ``not reached``."""

    def __init__(self, mutants: list[Mutant], options: argparse.Namespace, folder: Path) -> None:
        self.mutants, self.options, self.folder = mutants, options, folder
        self.users = {path: _users(path) for path in {mutant.path for mutant in mutants}}
        self.outcomes: dict[Mutant, str] = {}
        self.baseline = running.Baseline()
        self.out = os.fdopen(os.dup(1), "w", buffering=1)

    def finish(self, tests: list[str]) -> None:
        outcomes, baseline = self.folder / "outcomes", self.folder / "baseline"
        code = os.waitstatus_to_exitcode(
            os.waitpid(running.fork(lambda: self._run_warm(tests, outcomes)), 0)[1]
        )
        if not outcomes.exists():
            sys.exit(f"{(self.folder / 'log').read_text()[-4000:]}\nbin/mutate: the tests ended with {code}.")
        self.outcomes = pickle.loads(outcomes.read_bytes())  # noqa: S301 - our own fork wrote it
        self.baseline = pickle.loads(baseline.read_bytes())  # noqa: S301
        left = [mutant for mutant in self.mutants if mutant not in self.outcomes]
        tests = next((tests for mutant in left if (tests := self._chosen(mutant))), [])
        control = functools.partial(self._try_cold, None, tests)
        if tests and os.waitstatus_to_exitcode(os.waitpid(running.fork(control), 0)[1]) != running.SURVIVED:
            sys.exit("bin/mutate: the tests fail in a new process without a mutant.")
        self._run_all(left, self._try_cold)

    def _run_warm(self, tests: list[str], outcomes: Path) -> int:
        running.silence(self.folder / "log")
        files = sorted(set(self.users).union(*self.users.values()))
        code = pytest.main(
            [*running.OPTIONS, *tests], plugins=[running.Warm(self.folder, files, self._use_warm)]
        )
        if self.baseline.seconds and code != pytest.ExitCode.INTERNAL_ERROR:
            outcomes.write_bytes(pickle.dumps(self.outcomes))
        return int(code)

    def _use_warm(self, warm: running.Warm) -> None:
        self.baseline = warm.baseline
        failed = self.baseline.failed
        self.out.write(
            f"{len(self.baseline.seconds)} tests, {sum(self.baseline.seconds.values()):.0f} s of CPU.\n"
        )
        if failed:
            self.out.write(f"{len(failed)} tests fail without a mutant: {', '.join(sorted(failed)[:5])}\n")
        self._run_all([each for each in self.mutants if not self._needs_import(each)], warm.try_mutant)
        assigned = [each for each in self.mutants if each.is_at_import and each.assignment()]
        self._run_all(assigned, warm.try_mutant, {"killed"})

    def _needs_import(self, mutant: Mutant) -> bool:
        return mutant.is_at_import or "" in self._contexts(mutant)

    def _run_all(
        self,
        mutants: Iterable[Mutant],
        run: Callable[[Mutant, list[str]], int],
        final: Collection[str] = ("killed", "survived", "not reached"),
    ) -> None:
        """Outcomes that are not final are left to a process that imports the product again."""
        jobs = []
        for mutant in mutants:
            tests = self._chosen(mutant)
            seconds = FEWEST_SECONDS + PATIENCE * sum(self.baseline.seconds[test] for test in tests)
            if tests:
                jobs.append((mutant, seconds, functools.partial(run, mutant, tests)))
            elif "not reached" in final:
                self._note(mutant, "not reached")
        for mutant, code in running.in_forks(jobs, self.options.processes):
            if code == running.BROKEN:
                raise RuntimeError(f"bin/mutate could not try {mutant}.")
            outcome = {running.SURVIVED: "survived", running.COLD: "cold"}.get(code, "killed")
            if outcome in final:
                self._note(mutant, outcome)

    def _note(self, mutant: Mutant, outcome: str) -> None:
        self.outcomes[mutant] = outcome
        if outcome != "killed":
            self.out.write(f"{mutant}{'' if outcome == 'survived' else '  (no test reaches it)'}\n")
        if len(self.outcomes) % 100 == 0:
            self.out.write(f"{len(self.outcomes)} of {len(self.mutants)} mutants tried.\n")

    def _try_cold(self, mutant: Mutant | None, tests: list[str]) -> int:
        running.silence(Path(os.devnull))
        return running.try_cold(mutant, tests, self.folder)

    def _contexts(self, mutant: Mutant) -> set[str]:
        lines = self.baseline.contexts.get(str(mutant.path.resolve()), {})
        return {context for line in mutant.lines for context in lines.get(line, ())}

    def _chosen(self, mutant: Mutant) -> list[str]:
        """The tests that reach the mutant, the nearest and then the quickest first."""
        found = self._contexts(mutant) if not mutant.is_at_import else set()
        for path in [mutant.path, *self.users[mutant.path]] if mutant.is_at_import else []:
            found |= self._users_of(mutant.names, path)
        if mutant.names:  # a test may compare a table without a line of its module
            mentions = {name.partition("::")[0] for name in self.baseline.seconds}
            mentions = {file for file in mentions if _mentions(mutant.names).search(Path(file).read_text())}
            found |= {name for name in self.baseline.seconds if name.partition("::")[0] in mentions}
        files = {name.partition("::")[0] for name in found} - {""}
        distance = {file: _distance(Path(file), mutant.path.stem) for file in files}
        seconds = {name: self.baseline.seconds[name] for name in found if name in self.baseline.seconds}
        ordered = sorted(seconds, key=lambda name: (distance[name.partition("::")[0]], seconds[name], name))
        total = list(itertools.accumulate(seconds[name] for name in ordered))
        return [
            name
            for name, until in zip(ordered, total, strict=True)
            if until <= max(self.options.seconds, total[0])
        ]

    def _users_of(self, names: frozenset[str], path: Path) -> set[str]:
        """The tests that reach a line with one of the names. A use at import may concern all tests of the file."""
        lines = self.baseline.contexts.get(str(path.resolve()), {})
        found, mentions = set[str](), _mentions(names)
        for number, text in enumerate(path.read_text().splitlines(), 1):
            if mentions.search(text) and "import" not in text:
                found |= set(lines.get(number, ()))
        return found - {""} or {context for contexts in lines.values() for context in contexts} - {""}


@functools.cache
def _distance(test: Path, module: str) -> int:
    """0 for the module's own tests, 1 for others that name the module, 2 for the rest."""
    if test.stem == f"test_{module}":
        return 0
    return 1 if re.search(rf"\b{module}\b", test.read_text()) else 2


def _mentions(names: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(map(re.escape, names)) or '$^'})\b")


def _users(path: Path) -> list[Path]:
    """The product's files that import the module."""
    return [
        each for package in PACKAGES for each in sorted(Path(package).rglob("*.py")) if _imports(each, path)
    ]


def _imports(importer: Path, path: Path) -> bool:
    package, module = ".".join(path.parent.parts), path.stem
    pattern = rf"from {package}\.{module} import|from {package} import [^\n]*\b{module}\b|import {package}\.{module}\b"
    return re.search(pattern, importer.read_text()) is not None


def _tests_of(path: Path) -> set[str]:
    """The mirrored folder, and the test files that import the module."""
    folder = Path("tests")
    for part in path.with_suffix("").parts:
        folder = folder / part if (folder / part).is_dir() else folder
    mirrored = {folder} if folder != Path("tests") else set()
    importers = {each for each in Path("tests").rglob("test_*.py") if _imports(each, path)}
    return {
        str(each)
        for each in mirrored | {each for each in importers if folder not in each.parents or not mirrored}
    }


def _accepted() -> set[str]:
    lines = ACCEPTED.read_text().splitlines() if ACCEPTED.exists() else []
    return {line.partition("  # ")[0] for line in lines if line and not line.startswith("#")}


def _entry(mutant: Mutant) -> str:
    place = f"{mutant.path}::{mutant.function}" if mutant.function else f"{mutant.path}"
    return f"{place}: {mutant.before} -> {mutant.after}"


def _report(outcomes: dict[Mutant, str], seconds: float, *, is_sample: bool) -> int:
    counts = Counter(outcomes.values())
    survived = counts["survived"] + counts["not reached"]
    share = counts["killed"] / len(outcomes)
    least, most = _interval(counts["killed"], len(outcomes))
    print(
        f"{len(outcomes)} mutants: {counts['killed']} killed ({share:.0%}), {counts['survived']} survived, "
        f"{counts['not reached']} that no test reaches, in {seconds:.0f} s."
        + (f" Of all, tests kill {least:.1%} to {most:.1%}." if is_sample else "")
    )
    return 1 if survived else 0


def _interval(killed: int, tried: int) -> tuple[float, float]:
    """The 95 % interval of the share (Wilson)."""
    z2 = statistics.NormalDist().inv_cdf(0.975) ** 2
    center = (killed + z2 / 2) / (tried + z2)
    half = math.sqrt(z2 * (killed * (tried - killed) / tried + z2 / 4)) / (tried + z2)
    return center - half, center + half


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
