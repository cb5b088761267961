"""Do each task of docs/console.md in a real Chromium, from Home on, and print its clicks, fields and seconds.

    .venv/bin/python -m campaigns.console_tasks.campaign [--write] [--only WORD] [--recent]

It starts a server with the data of ``load_demo``, and exits with 1 if a task does not reach its visible end. Many tasks
need a recent sign-in: it waits until the sign-ins are ten minutes old, and each of these tasks enters the password again.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Error, expect, sync_playwright

from bench import machine, report
from bench.table import markdown
from campaigns.console_tasks import access, chosen, keys, log, messages
from campaigns.console_tasks.hand import PATIENCE, Hand, Task
from tests.e2e.browser import launch, person
from tests.output import log as say
from tests.product import Product

TASKS = (*keys.TASKS, *messages.TASKS, *access.TASKS, *log.TASKS, *chosen.TASKS)
USERNAME = "mira"
DAYS = 60  # of the history
RECENT = 10 * 60 + 5  # seconds after which a sign-in is not recent
HEADINGS = ("task", "clicks", "fields", "s")


@dataclass(frozen=True)
class Done:
    task: Task
    clicks: int
    fields: int
    seconds: float
    fault: str

    def cells(self) -> list[str]:
        name = f"{self.task.name} *" if self.task.confirms else self.task.name
        return [name, str(self.clicks), str(self.fields), f"{self.seconds:.1f}"]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m campaigns.console_tasks.campaign")
    parser.add_argument("--write", action="store_true", help=f"put the table into {report.PAGE.name}")
    parser.add_argument("--only", default="", metavar="WORD", help="tasks whose names contain this text")
    parser.add_argument(
        "--recent", action="store_true", help="do not wait: no task enters the password again"
    )
    options = parser.parse_args(arguments)
    tasks = [task for task in TASKS if options.only in task.name]
    expect.set_options(timeout=PATIENCE)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        product = Product(Path(scratch), is_new=True)
        product.load_demo(days=DAYS)
        stack.enter_context(product)
        browser = launch(stack.enter_context(sync_playwright()))
        described = [*machine.describe_host(), ("browser", f"Chromium {browser.version}")]
        done = list(do_all(browser, product, tasks, is_recent=options.recent))
    rows = markdown(HEADINGS, [each.cells() for each in done])
    say(f"\n{rows}")
    has_failed = any(each.fault for each in done)
    if options.write and not has_failed:
        report.write(f"{markdown(('run', ''), described)}\n{rows}", report.TASKS)
    return 1 if has_failed else 0


def do_all(browser: Browser, product: Product, tasks: Sequence[Task], *, is_recent: bool) -> Iterator[Done]:
    """In their order, and those that enter the password again after the others that they do not depend on."""
    began = time.monotonic()
    sessions = {task.name: session(product) for task in tasks}
    for task in sorted(tasks, key=lambda task: task.is_late):
        if task.is_late and not is_recent:
            time.sleep(max(0, began + RECENT - time.monotonic()))
        done = do(browser, product, task, sessions[task.name], is_recent=is_recent)
        say(f"{' '.join(done.cells())} {done.fault}")
        yield done


def session(product: Product) -> str:
    return product.sign_in(USERNAME)["Cookie"].removeprefix("session=")


def do(browser: Browser, product: Product, task: Task, opened: str, *, is_recent: bool) -> Done:
    fault = ""
    with person(browser, f"http://127.0.0.1:{product.port}") as somebody:
        somebody.enter(opened).open("/home/")
        hand = Hand(somebody, product, is_recent=is_recent)
        hand.given = task.prepare(product)
        began = time.monotonic()
        try:
            task.do(hand)
            assert is_recent or hand.confirmations == int(task.confirms), "the password was not entered once"
        except (AssertionError, Error, KeyError) as error:
            fault = f"FAILED: {error!r}\n{somebody.seen()}"
        seconds = time.monotonic() - began
    return Done(task, hand.clicks, hand.typed, seconds, fault)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
