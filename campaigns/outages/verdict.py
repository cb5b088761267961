"""Compare the acknowledged results of a campaign with the database, and print rows of figures."""

import re
import statistics
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from campaigns.crash.campaign import add, catch_up, violations_in_database, violations_in_log
from campaigns.crash.load import GONE, Acknowledged
from campaigns.outages.load import NO_RESPONSE, MeasuredLoad
from campaigns.outages.target import patient_token
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


@dataclass
class Violations:
    """``wrong`` has the others, such as a ciphertext that does not decrypt.

    ``log``: the findings of ``verify_audit_log`` in the log of all cases.
    """

    lost: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[str]:
        return [*self.lost, *self.duplicates, *self.wrong, *self.log]


@dataclass
class Played:
    """A fault that was repeated under load. ``recoveries`` in seconds."""

    name: str
    load: MeasuredLoad
    recoveries: list[float] = field(default_factory=list)
    violations: Violations = field(default_factory=Violations)


def judge(product: Product, site: Site, played: Sequence[Played]) -> None:
    """Compare everything that was acknowledged with the database, after the loads have ended."""
    everything = Acknowledged()
    for each in played:
        add(everything, each.load.acknowledged)
        each.violations.wrong += each.load.wrong + undecryptable(site, each.load.acknowledged.ciphertexts)
    catch_up(product)
    in_database, in_log = violations_in_database(product, everything), violations_in_log(product)
    for each in played:
        own = each.load.acknowledged
        ids = {*own.requests, *(key_id for key_id, _ in own.versions)}
        for line in in_database:
            if len(played) == 1 or not ids.isdisjoint(re.findall(r"[0-9a-f-]{32,36}", line)):
                _sort(line, each.violations)
        each.violations.log = in_log
    known = {line for each in played for line in each.violations.all}
    played[0].violations.wrong += [line for line in in_database if line not in known]


def _sort(line: str, violations: Violations) -> None:
    counted = RECORDED.search(line)
    if "acknowledged and lost" in line or (counted and not int(counted[1])):
        violations.lost.append(line)
    else:
        (violations.duplicates if counted else violations.wrong).append(line)


def undecryptable(site: Site, ciphertexts: Sequence[tuple[str, str]]) -> list[str]:
    """The acknowledged ciphertexts that do not decrypt to their plaintexts."""
    token = patient_token(site)

    def check(part: Sequence[tuple[str, str]]) -> list[str]:
        wrong = [ciphertext for ciphertext, _ in part]
        with suppress(*GONE), site.connect() as client:
            for ciphertext, plaintext in part:
                response = client.send("POST", "/api/v1/decrypt", {"ciphertext": ciphertext}, token=token)
                if response.status == 200 and response.json["data"] == plaintext:
                    wrong.remove(ciphertext)
        return wrong

    parts = [ciphertexts[first::DECRYPTING] for first in range(DECRYPTING)]
    with ThreadPoolExecutor(DECRYPTING) as pool:
        return [f"{ciphertext} does not decrypt" for part in pool.map(check, parts) for ciphertext in part]


def row(played: Played) -> list[str]:
    """The cells under ``HEADINGS``."""
    counted, violations = played.load.statuses(), played.violations
    groups = [range(200, 300), (401, 302, 303), (429,), (503,), (502, 504), (NO_RESPONSE,)]
    by_group = [sum(counted[status] for status in group) for group in groups]
    return [
        played.name,
        str(len(played.recoveries)),
        f"{counted.total():,}",
        *map("{:,}".format, by_group),
        f"{counted.total() - sum(by_group):,}",
        f"{played.load.longest_gap():.1f} s",
        f"{statistics.median(played.recoveries or [0]):.1f} s, {max(played.recoveries, default=0):.1f} s",
        f"{len(played.load.acknowledged.requests):,}",
        str(len(violations.lost)),
        str(len(violations.duplicates)),
        str(len(violations.wrong)),
        "NOT verified" if violations.log else "verified",
    ]


def table(rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
