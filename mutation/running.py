"""Runs tests on mutants, each in a fork that changes nothing outside itself.

A mutant of a function's body runs in a fork of a process that has collected the tests and prepared a database: the
fork replaces the code of the live functions, decorated ones included. A mutant of what runs at import runs in a fork
of a process that has not imported the product. In both, an import of the module compiles the mutant.
"""

import functools
import gc
import importlib.machinery
import os
import pickle
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import coverage
import pytest
from django.conf import settings
from django.db import connections

from mutation.mutants import Mutant

LEVELS = "not (process or browser or sweep or postgresql or redis or zap)"
OPTIONS = ["-q", "--tb=no", "--assert=plain", "-p", "no:randomly", "-p", "no:cacheprovider", "-m", LEVELS]
SURVIVED, KILLED = 0, 1
BROKEN, COLD = 70, 71  # not the tests failed, but this program; the mutant needs an import
LEFT_OUT = shutil.ignore_patterns("static")  # thousands of files that no mutant changes


@dataclass(slots=True)
class Baseline:
    """Measurements of the unchanged code: seconds of CPU of each passed test, and the tests of each line."""

    seconds: dict[str, float] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    contexts: dict[str, dict[int, list[str]]] = field(default_factory=dict)  # "" is the import


def in_forks(
    jobs: Iterable[tuple[Mutant, float, Callable[[], int]]], processes: int
) -> Iterator[tuple[Mutant, int]]:
    """Run each job in a fork and yield its exit code. A job that exceeds its seconds is killed, as its mutant is."""
    waiting, running = iter(jobs), dict[int, tuple[Mutant, float]]()
    while True:
        while len(running) < processes and (job := next(waiting, None)):
            mutant, seconds, run = job
            running[fork(run)] = mutant, time.monotonic() + seconds
        if not running:
            return
        for pid, (mutant, deadline) in list(running.items()):
            if time.monotonic() > deadline:
                os.killpg(pid, signal.SIGKILL)
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del running[pid]
                yield mutant, os.waitstatus_to_exitcode(status)
        time.sleep(0.005)


def fork(run: Callable[[], int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = BROKEN
    try:
        os.setpgid(0, 0)
        code = run()
    except (MemoryError, KeyboardInterrupt):  # the mutant used all memory, or sent itself a signal
        code = KILLED
    except Exception:  # noqa: BLE001 - a fork reports by its exit code
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)
    return 0


class Warm:
    """pytest plugin: instead of a run, one of the baseline, and one for each mutant in a fork."""

    def __init__(self, folder: Path, files: list[Path], work: Callable[["Warm"], None]) -> None:
        self.folder, self.files, self.work = folder, files, work
        self.baseline, self.home = Baseline(), folder / "home"
        self.coverage = coverage.Coverage(
            data_file=None, config_file=False, include=[str(path.resolve()) for path in files]
        )
        self.coverage.start()  # before the product is imported
        self.has_failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.has_failed |= report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.coverage.stop()
        self.session, self.items = session, {item.nodeid: item for item in session.items}
        self._set_up([item for item in session.items if _needs_database(item)])
        result = self.folder / "baseline"
        os.waitpid(fork(functools.partial(self.measure, result)), 0)
        self.baseline = pickle.loads(result.read_bytes())  # noqa: S301 - our own fork wrote it
        gc.unfreeze()  # the garbage collector lists no frozen functions
        self.functions, self.caches = self._live()
        gc.freeze()  # a collection in a fork would copy all of this process's memory
        self.work(self)
        return True

    def _set_up(self, items: list[pytest.Item]) -> None:
        """Prepare the database of the tests, if any, and keep a copy of the data folder with it."""
        if items:
            self.run(items[:1])
            connections.close_all()
            shutil.copytree(settings.CC_HOME, self.home, ignore=LEFT_OUT)

    def run(self, items: list[pytest.Item]) -> bool:
        """Run these until one fails. Fixtures of the session stay."""
        self.has_failed = False
        for item, following in zip(items, [*items[1:], self.session], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.has_failed:
                return False
        return True

    def measure(self, result: Path) -> int:
        self._move_home()
        self.coverage.start()
        for name, item in self.items.items():
            self.coverage.switch_context(name)
            began = time.process_time()
            if self.run([item]):
                self.baseline.seconds[name] = time.process_time() - began
            else:
                self.baseline.failed.add(name)
        self.coverage.stop()
        data = self.coverage.get_data()
        self.baseline.contexts = {path: data.contexts_by_lineno(path) for path in data.measured_files()}
        result.write_bytes(pickle.dumps(self.baseline))
        return 0

    def try_mutant(self, mutant: Mutant, tests: list[str]) -> int:
        compiled = _import(mutant)  # a test may be the first to import the module
        if mutant.is_at_import:
            try:
                self._assign(mutant)
            except Exception:  # noqa: BLE001 - the module with the mutant cannot be imported
                return KILLED
        elif not self._replace(mutant.path, compiled):
            return COLD
        for cached in self.caches:
            cached.cache_clear()
        items = [self.items[name] for name in tests]
        if any(_needs_database(item) for item in items):
            self._move_home()
        return SURVIVED if self.run(items) else KILLED

    def _replace(self, path: Path, compiled: CodeType) -> bool:
        """Replace the code of the live functions. False if they do not contain the mutant afterwards."""
        if not any(key[0] == str(path.resolve()) for key in self.functions):
            return True  # the module is not imported yet
        is_changed = False
        for code in _codes(compiled):
            for function in self.functions.get(_key(code), ()):
                if function.__code__.co_freevars != code.co_freevars:
                    return False
                is_changed |= function.__code__ != code
                function.__code__ = code
        return is_changed

    def _assign(self, mutant: Mutant) -> None:
        """Assign the mutant's values wherever modules have imported them. Other values that were computed from them at import stay."""
        paths = {str(path.resolve()) for path in self.files}
        spaces = [vars(each) for each in sys.modules.values() if getattr(each, "__file__", None) in paths]
        space = next((each for each in spaces if each["__file__"] == str(mutant.path.resolve())), {})
        code, changed = mutant.assignment(), dict(space)
        if code and space:
            exec(code, changed)  # noqa: S102 - our own source
        for name in mutant.names & space.keys():
            before = space[name]
            for each in spaces:
                if each.get(name, each) is before:
                    each[name] = changed[name]

    def _move_home(self) -> None:
        """A data folder and a database of the fork's own."""
        if not self.home.exists():
            return
        before, after = settings.CC_HOME, Path(tempfile.mkdtemp(dir=self.folder)) / "home"
        shutil.copytree(self.home, after)
        settings.CC_HOME = after
        for alias in connections:
            values = connections[alias].settings_dict
            values["NAME"] = str(values["NAME"]).replace(str(before), str(after))

    def _live(self) -> tuple[dict[tuple[object, ...], list[FunctionType]], list[Any]]:
        functions, caches = dict[tuple[object, ...], list[FunctionType]](), []
        paths = {str(path.resolve()) for path in self.files}
        for each in gc.get_objects():
            if type(each) is FunctionType and each.__code__.co_filename in paths:
                functions.setdefault(_key(each.__code__), []).append(each)
            elif type(each) is type(_needs_database):
                caches.append(each)
        return functions, caches


@functools.cache
def _needs_database(item: pytest.Item) -> bool:
    names = {"db", "transactional_db", "django_db_setup"}
    return (
        not names.isdisjoint(getattr(item, "fixturenames", ()))
        or item.get_closest_marker("django_db") is not None
    )


def _codes(module: CodeType) -> Iterator[CodeType]:
    for constant in module.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _key(code: CodeType) -> tuple[object, ...]:
    start = (
        next((each for each in code.co_positions() if each[2]), None) if code.co_name == "<lambda>" else None
    )
    return code.co_filename, code.co_qualname, code.co_firstlineno, start


class Cold:
    """pytest plugin: selects tests, and starts with the data folder and the database of ``Warm``."""

    def __init__(self, home: Path, tests: set[str]) -> None:
        self.home, self.tests = home, tests

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        # A row that the mutant removed from a table has no test any more, which is no finding.
        items[:] = [item for item in items if item.nodeid in self.tests]

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        value = yield
        if fixturedef.argname == "home" and self.home.exists():
            shutil.copytree(self.home, value, dirs_exist_ok=True)
        return value


def _import(mutant: Mutant) -> CodeType:
    """Let imports of the module compile the mutant."""
    original = importlib.machinery.SourceFileLoader.get_code
    target, compiled = str(mutant.path.resolve()), mutant.code()

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        return compiled if self.path == target else original(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
    return compiled


def try_cold(mutant: Mutant | None, tests: list[str], folder: Path) -> int:
    """Run the tests in this process, which has not imported the product: on the mutant, or on the code as it is."""
    if mutant:
        _import(mutant)
    files, home = sorted({name.partition("::")[0] for name in tests}), folder / "home"
    options = [
        *OPTIONS,
        "-x",
        f"--basetemp={tempfile.mkdtemp(dir=folder)}",
        *(["--reuse-db"] if home.exists() else []),
    ]
    try:
        return int(pytest.main([*options, *files], plugins=[Cold(home, set(tests))]))
    except Exception:  # noqa: BLE001 - the product with the mutant cannot be imported
        return KILLED


def silence(log: Path) -> None:
    """Send what this process prints to the file."""
    sys.stdout.flush()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
