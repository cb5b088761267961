"""Compare canaries with ordinary objects that went through the same acts, in everything that an administrator can read.

    python -m tests.services python -m campaigns.canaries.differences

compares each endpoint of the API, each page, list, export, refusal and header, then the manifests of backups, and all of it
again in a restored installation. The objects are keys, service tokens and users. Ids, names, times and random values are
replaced first. A difference is a word that all ordinary objects have equally often, and all canaries more or less often. The
campaign prints each difference, and fails if there is one.
"""

import argparse
import json
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from campaigns.canaries.dumps import Named
from campaigns.canaries.population import Member, Population, wait_for_the_watcher
from campaigns.canaries.surfaces import (
    KEYS,
    OPENAPI,
    TOKENS,
    USERS,
    Kind,
    Reader,
    endpoints,
    exports,
    filled,
    headers_of,
    lists,
    pages,
    parts_about,
    templated,
)
from campaigns.canaries.twins import ORDINARY, Twins
from campaigns.installations import installation
from tests.output import log
from tests.product import KeepAlive, Product, Reply, drop_database, new_database
from tests.services.rights import folder_for_servers

METHODS = ("HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "BREW")
ENTRY = ("/api/v1/audit/logs/{}", "/api/v1/audit/logs/{}/proof", "/audit/{}/")
PAIRS = 2
READS = 3  # a difference in time is gone in the next one
_CHANGING = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32,}|[\w+/=-]{40,}"  # ids, digests, random values
    r"|\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|\+00:00)?|\d\d:\d\d(?::\d\d)?"  # times
    r"|\b\d+ (?:seconds?|minutes?) ago|just now|(?<=data-seconds=\")\d+"
    r"|(?<=/audit/)\d+|(?<=/logs/)\d+|(?<=#)\d+|(?<=\"id\": )\d+|(?<=\"id\":)\d+"  # numbers of entries
)
_OF_A_RESPONSE = {
    "x-request-id",
    "date",
    "ratelimit",
    "cc-session-seconds",
    "set-cookie",
    "etag",
    "content-length",
}
_WORD = re.compile(r"\w+|[^\w\s]")

# The normalised text of each key, by place.
type Texts = dict[str, list[str]]
type Difference = tuple[str, str]


def main() -> int:
    options = parse()
    log(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="differences-", dir=folder_for_servers()) as name:
        folder = Path(name)
        with installation(folder) as product, product:
            return Campaign(folder, product, options.seed).play()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    return parser.parse_args()


class Campaign:
    def __init__(self, folder: Path, product: Product, seed: int) -> None:
        self.folder, self.product, self.seed = folder, product, seed
        self.began, self.found = time.monotonic(), 0

    def play(self) -> int:
        with self.product.connect() as client:
            self.population = Population(self.product, client, self.seed)
            twins = Twins(self.population)
            members = twins.use_keys()
            self.objects = {"keys": (KEYS, [each.named for each in members])}
            self.objects |= {"tokens": (TOKENS, twins.use_tokens()), "users": (USERS, twins.use_users())}
            wait_for_the_watcher(self.product)
            self.compare_manifests(members[0], members[-1])
            self.compare_all(self.product)
            self.restore()
        self.tell(f"{self.found} differences")
        return int(self.found > 0)

    def compare_all(self, product: Product) -> None:
        for name, (kind, objects) in self.objects.items():
            self.compare(product, name, kind, objects)

    # --- what an administrator reads

    def compare(self, product: Product, name: str, kind: Kind, objects: Sequence[Named]) -> None:
        callers = {user: product.token(user) for user in ("admin", "stella")} | {"nobody": ""}
        with product.connect() as client:
            reader = Reader(client, callers["admin"], product.sign_in())
            templates = [*pages(reader, kind, objects[0]), *endpoints(kind, self.population.me)]
            readings = self.readings(reader, [*templates, *lists(), *ENTRY], objects)
            found = self.lasting(reader, readings, objects)
            lines = exported(product, callers["admin"], objects)
            refusals = dict(self.refusals(client, callers, kind, objects))
        found += [*differences(refusals), *differences(lines)]
        for place, difference in found:
            self.tell(f"DIFFERENCE of {name}: {place}: {difference}")
        self.found += len(found)
        everything = [
            text for texts in (readings, refusals, lines) for some in texts.values() for text in some
        ]
        words = sum(len(_WORD.findall(text)) for text in everything)
        self.tell(
            f"{name}: {len(readings)} endpoints, pages and lists, {len(refusals)} refusals, {len(lines)} exports; {words} words "
            f"compared, {sum(map(varying, readings.values()))} vary among ordinary objects, {len(found)} differences"
        )

    def readings(self, reader: Reader, places: Sequence[str], objects: Sequence[Named]) -> Texts:
        return {place: self.reading(reader, place, objects) for place in places}

    def reading(self, reader: Reader, place: str, objects: Sequence[Named]) -> list[str]:
        if place in lists():
            items = [json.dumps(item) for item in reader.items(place)]
            return [_plain("\n".join(item for item in items if each.id in item), each) for each in objects]
        if place in ENTRY:
            return self.of_each(objects, partial(_read_entries, reader, place))
        if "{" not in place:  # a page about many objects
            html = reader.get(place).content.decode(errors="replace")
            return [_plain(parts_about(html, each), each) for each in objects]
        return self.of_each(objects, partial(_read, reader, place))

    def lasting(self, reader: Reader, readings: Texts, objects: Sequence[Named]) -> list[Difference]:
        """The differences that are there in repeated readings, too."""
        found = set(differences(readings))
        for _ in range(READS - 1):
            places = sorted({place for place, _ in found})
            found &= set(differences(self.readings(reader, places, objects)))
        return sorted(found)

    def refusals(
        self, client: KeepAlive, callers: Mapping[str, str], kind: Kind, objects: Sequence[Named]
    ) -> Iterator[tuple[str, list[str]]]:
        """Each path of the object with each method, without a body, and by each caller."""
        paths = [path.replace(kind.parameter, "{id}") for path in OPENAPI["paths"] if kind.parameter in path]
        for path in (re.sub(r"{(?!id})\w+}", "9", path) for path in paths):
            for method in METHODS:
                for caller, token in callers.items():
                    send = partial(_send, client, method, path, token)
                    yield f"{method} {path} by {caller}", self.of_each(objects, send)

    def of_each(self, objects: Sequence[Named], read: Callable[[Named], str]) -> list[str]:
        """In random order."""
        order = self.population.chance.sample(range(len(objects)), len(objects))
        found = {number: read(objects[number]) for number in order}
        return [found[number] for number in range(len(objects))]

    # --- backups

    def compare_manifests(self, ordinary: Member, canary: Member) -> None:
        """Of backups before and after the same acts with an ordinary key and with a canary."""
        manifests = [self.back_up("0")]
        for number, member in enumerate([ordinary, canary] * PAIRS, 1):
            self.population.use_all([member], ["encrypt", "decrypt without access", "rotate"])
            wait_for_the_watcher(self.product)
            manifests.append(self.back_up(str(number)))
        text = json.dumps(manifests)
        named = [each for _, objects in self.objects.values() for each in objects]
        assert not any(each.id in text or each.name in text for each in named)
        rows = [{table["name"]: table["rows"] for table in manifest["tables"]} for manifest in manifests]
        added = [{name: after[name] - before[name] for name in after} for before, after in pairwise(rows)]
        pairs = list(zip(added[::2], added[1::2], strict=True))
        found = [
            name
            for name in added[0]
            if all(of_ordinary[name] < of_canary[name] for of_ordinary, of_canary in pairs)
        ]
        self.tell(f"manifests: tables that get more rows by the use of a canary: {found}")
        self.found += len(set(found) - {"journal_pages"})  # docs/canaries.md: several dumps show its pages

    def back_up(self, name: str) -> Mapping[str, list[dict]]:
        self.manage(self.product, "backup", str(self.folder / "backups" / name))
        return json.loads((self.folder / "backups" / name / "manifest.json").read_text())

    def restore(self) -> None:
        (self.folder / "elsewhere").mkdir()
        self.manage(self.product, "backup_kek", str(self.folder / "elsewhere" / "ring"))
        copy = Product(
            self.folder / "restored", database=new_database() if self.product.database else "", is_new=True
        )
        shutil.copytree(self.folder / "elsewhere" / "ring", copy.home)
        try:
            self.manage(copy, "restore", str(self.folder / "backups" / str(2 * PAIRS)))
            copy.start()
            self.tell("restored")
            self.compare_all(copy)
        finally:
            copy.kill()
            drop_database(copy.database)

    def manage(self, product: Product, *command: str) -> None:
        if command[0] == "backup":
            (self.folder / "backups").mkdir(exist_ok=True)
        done = product.manage(*command)
        assert done.returncode == 0, done.stderr

    def tell(self, text: str) -> None:
        log(f"{time.monotonic() - self.began:6.1f} s  {text}")


def exported(product: Product, token: str, objects: Sequence[Named]) -> Texts:
    return {
        f"export {form}": [
            _plain("\n".join(line for line in lines if each.id in line), each) for each in objects
        ]
        for form, lines in exports(product, token).items()
    }


def differences(texts: Texts) -> Iterator[Difference]:
    """``texts`` of the ordinary objects come first."""
    for place, some in texts.items():
        for word, counts in _counts(some).items():
            ordinary, canaries = set(counts[:ORDINARY]), set(counts[ORDINARY:])
            if len(ordinary) == 1 and not ordinary & canaries:
                yield (
                    place,
                    f"{word!r} is there {sorted(ordinary)} times, of canaries {sorted(canaries)} times",
                )


def varying(texts: Sequence[str]) -> int:
    return sum(len(set(counts[:ORDINARY])) > 1 for counts in _counts(texts).values())


def _counts(texts: Sequence[str]) -> dict[str, list[int]]:
    words = [Counter(_WORD.findall(text)) for text in texts]
    return {word: [each[word] for each in words] for word in set().union(*words)}


def _read(reader: Reader, template: str, each: Named) -> str:
    reply = reader.get(filled(template, each))
    text = reply.content.decode(errors="replace")
    return _text(reply, text, each)


def _read_entries(reader: Reader, template: str, each: Named) -> str:
    """All entries of the log about the object."""
    entries = reader.items(f"/api/v1/audit/logs?object={each.id}")
    return "\n".join(_read(reader, template.format(entry["id"]), each) for entry in entries)


def _send(client: KeepAlive, method: str, template: str, token: str, each: Named) -> str:
    reply = client.send(method, filled(template, each), {}, token=token)
    return _text(reply, reply.content.decode(), each)


def _text(reply: Reply, text: str, each: Named) -> str:
    headers = [f"{name}: {'' if name in _OF_A_RESPONSE else value}" for name, value in headers_of(reply)]
    return _plain("\n".join([str(reply.status), *headers, text]), each)


def _plain(text: str, each: Named) -> str:
    return _CHANGING.sub("*", templated(text, each))


if __name__ == "__main__":
    sys.exit(main())
