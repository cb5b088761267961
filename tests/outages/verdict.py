"""What remains of a campaign: the acknowledged results, compared with the database, and one row of figures."""

import re
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from tests.crash.campaign import violations_in_database, violations_in_log
from tests.crash.load import GONE
from tests.outages.load import NO_ANSWER, MeasuredLoad
from tests.product import Product, Site

DECRYPTING = 8  # threads
RECORDED = re.compile(r"acknowledged, and (\d+) times on record")
HEADINGS = (
    "fault",
    "times",
    "requests",
    "2xx",
    "401, 302",
    "429",
    "503",
    "502, 504",
    "none",
    "other",
    "longest outage of a client",
    "recovery: median, longest",
    "acknowledged",
    "lost",
    "duplicates",
    "wrong",
    "log",
)


@dataclass(frozen=True)
class Verdict:
    """``wrong`` are all other violations, such as a ciphertext that does not decrypt. ``log``: of the audit log."""

    lost: list[str]
    duplicates: list[str]
    wrong: list[str]
    log: list[str]

    @property
    def all(self) -> list[str]:
        return [*self.lost, *self.duplicates, *self.wrong, *self.log]


def judge(product: Product, site: Site, load: MeasuredLoad) -> Verdict:
    """Compare everything that was acknowledged with the database, after the load has ended."""
    lost, duplicates, wrong = [], [], list(load.wrong)
    for line in violations_in_database(product, load.acknowledged):
        counted = RECORDED.search(line)
        if "acknowledged and lost" in line or (counted and not int(counted[1])):
            lost.append(line)
        else:
            (duplicates if counted else wrong).append(line)
    wrong += undecryptable(site, load.acknowledged.ciphertexts)
    return Verdict(lost, duplicates, wrong, violations_in_log(product))


def undecryptable(site: Site, ciphertexts: Sequence[tuple[str, str]]) -> list[str]:
    """The acknowledged ciphertexts that do not decrypt to their plaintexts."""
    token = site.token()

    def check(part: Sequence[tuple[str, str]]) -> list[str]:
        wrong = [ciphertext for ciphertext, _ in part]
        with suppress(*GONE), site.connect() as client:
            for ciphertext, plaintext in part:
                answer = client.send("POST", "/api/v1/decrypt", {"ciphertext": ciphertext}, token=token)
                if answer.status == 200 and answer.json["data"] == plaintext:
                    wrong.remove(ciphertext)
        return wrong

    parts = [ciphertexts[first::DECRYPTING] for first in range(DECRYPTING)]
    with ThreadPoolExecutor(DECRYPTING) as pool:
        return [f"{ciphertext} does not decrypt" for part in pool.map(check, parts) for ciphertext in part]


def row(
    name: str, times: int, load: MeasuredLoad, recoveries: Sequence[float], verdict: Verdict
) -> list[str]:
    """The cells under ``HEADINGS``."""
    counted = load.statuses()
    groups = [range(200, 300), (401, 302, 303), (429,), (503,), (502, 504), (NO_ANSWER,)]
    by_group = [sum(counted[status] for status in group) for group in groups]
    return [
        name,
        str(times),
        f"{counted.total():,}",
        *map("{:,}".format, by_group),
        f"{counted.total() - sum(by_group):,}",
        f"{load.longest_gap():.1f} s",
        f"{statistics.median(recoveries):.1f} s, {max(recoveries):.1f} s",
        f"{len(load.acknowledged.requests):,}",
        str(len(verdict.lost)),
        str(len(verdict.duplicates)),
        str(len(verdict.wrong)),
        "NOT verified" if verdict.log else "verified",
    ]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
