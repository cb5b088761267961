"""Measures the response time of each main page, by default with 10,000 keys and a million entries of the audit log.

    CC_TEST_DURABLE=1 python -m tests.services python -m bench.pages

Each page is requested a hundred times over one connection by a signed-in user: an administrator, who sees
everything, and a developer with a tenth of all keys. The time that a browser needs to render the response is not
measured.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import filling, machine, report
from bench.growth import log
from bench.product import CipherCanary, running
from bench.reads import BUSY, Wait, measure
from bench.requests import Refused
from bench.table import Figure, Goal, markdown, number, terminal
from tests.product import ADMIN, Failed
from tests.services.processes import ends_like_a_signal

KEYS = 10_000
HEADINGS = ("page", "p50 ms", "p95 ms", "goal", "met")
GOAL = Goal(60, unit="ms", lower=True)
OF_A_SUMMARY = Goal(100, unit="ms", lower=True)
DEVELOPER = "developer"
SUMMARIES = ("/home/", "/usage/")  # the beginnings of their paths
COMMON = ("/home/", "/keys/", "/keys/?search=orders", "/audit/", "/usage/", "/usage/?range=30d")


@dataclass(frozen=True)
class Page:
    """A page and the user who opens it."""

    path: str
    username: str = ADMIN

    @property
    def what(self) -> str:
        return self.path if self.username == ADMIN else f"{self.path} of the developer"


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    try:
        with ExitStack() as stack, ends_like_a_signal():
            machine.require_durable(os.environ["DATABASE_URL"])
            folder = stack.enter_context(machine.private_folder())
            found = run(options.entries, options.keys, folder)
    except (machine.Unfit, Failed, Refused) as reason:
        sys.stderr.write(f"bench.pages: {reason}\n")
        return 1
    rows = [cells(page, wait) for page, wait in found]
    print(f"\n{terminal(HEADINGS, rows)}")
    if options.write:
        report.write(markdown(HEADINGS, rows), report.PAGES)
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.pages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the audit log (1000000)")
    parser.add_argument("--keys", type=int, default=KEYS, help=f"at least {filling.USERS} ({KEYS})")
    parser.add_argument("--write", action="store_true", help=f"put the table into {report.PAGE.name}")
    return parser.parse_args(arguments)


def run(entries: int, keys: int, folder: Path) -> list[tuple[Page, Wait]]:
    with running("pages", folder / "pages", "protocol") as server:
        server.product.create_user(DEVELOPER, "developer")
        server.product.stop()
        filling.fill(server.product.database, entries, log, keys=keys)
        make_busy(server)
        server.product.start()
        sessions = {name: server.product.sign_in(name) for name in (ADMIN, DEVELOPER)}
        asked = pages(entries // 10)
        return [(page, measure(server.product, page.path, sessions[page.username])) for page in asked]


def make_busy(server: CipherCanary) -> None:
    """Give the developer a tenth of the keys, and give the only key with a valid MAC the usage of a busy key."""
    developer = f"(SELECT id FROM users WHERE username = '{DEVELOPER}')"  # noqa: S608 - a constant
    server.product.query(
        f"UPDATE encryption_keys SET created_by_id = {developer}, is_default = false"  # noqa: S608 - constants
        f" WHERE name LIKE 'service-%' AND hashtext(name) % 10 = 0"
    )
    server.product.query(
        f"UPDATE usage_rollups SET key_id = '{server.key_id}' WHERE key_id = '{filling.key_id(BUSY)}'"  # noqa: S608 - ids
    )
    server.product.query(
        f"DELETE FROM usage_days WHERE subject = '{server.key_id}'"  # noqa: S608 - an id
    )
    server.product.query(
        f"UPDATE usage_days SET subject = '{server.key_id}' WHERE subject = '{filling.key_id(BUSY)}'"  # noqa: S608 - ids
    )
    server.product.query("VACUUM (ANALYZE) encryption_keys, usage_rollups, usage_days")


def pages(entry: int) -> list[Page]:
    """The main pages. ``entry`` is the number of one entry of the log."""
    key, busy = "/keys/bench/", filling.key_id(BUSY)
    own = [Page(path, DEVELOPER) for path in COMMON]
    everything = [
        *COMMON,
        "/keys/?status=active",
        "/keys/?algorithm=chacha20",
        "/keys/?finding=overdue",
        "/keys/?page=100",
        "/keys/new",
        *(
            f"{key}{tab}"
            for tab in (
                "",
                "versions/",
                "activity/",
                "settings/",
                "access/",
                "try/",
                "use/",
                "rotate",
                "disable",
            )
        ),
        f"/audit/{entry}/",
        f"/audit/?before={entry}",
        f"/audit/?object={busy}",
        "/audit/?outcome=denied",
        "/audit/?action=keys.key.disabled",
        f"/audit/?actor=user-{1 + BUSY}",
        "/audit/?object=bench",
        "/audit/?search=bench+decrypted",
        "/audit/?search=company",
        "/audit/?search=without-a-match",
        "/audit/alarms/",
        "/audit/checkpoints/",
        "/audit/archive/",
        "/audit/log-targets/",
        "/audit/exports/",
        "/jobs/",
        "/usage/?range=7d",
        "/system/",
        "/system/backups/",
        "/reference/",
        "/reference/keys/",
        "/account/",
        "/account/tokens/",
        "/users/",
        "/service-accounts/",
        "/grants/",
        "/grants/?use=unused",
        "/tokens/",
        "/tokens/?use=unused",
        "/policies/",
        "/search/?q=service",
        "/search/?q=without-a-match",
        "/notifications/",
        "/webhooks/",
    ]
    return [*(Page(path) for path in everything), *own]


def cells(page: Page, wait: Wait) -> list[str]:
    goal = OF_A_SUMMARY if page.path.startswith(SUMMARIES) else GOAL
    verdict = Figure(page.what, goal, wait.p95).cells()
    path = page.what.replace(str(filling.key_id(BUSY)), "…")
    return [path, number(wait.p50), number(wait.p95), verdict[-3], verdict[-1]]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
