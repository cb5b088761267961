"""Name the canaries among ordinary keys, by dumps of the database and by everything that an administrator can read.

    python -m tests.services python -m campaigns.canaries.telling_apart

Each round creates 220 keys, uses all of them alike, and draws 20 canaries by lot. A classifier (``classifier``) learns from
half of the keys, and names the canaries of the other half, by the 1, 10 or 100 features that differ most. It prints the share of
canaries among the named keys, and the same share if random keys were the canaries. As a control, the classifier also gets
a number that gives half of the canaries away. The campaign fails if a share is more than 5 points above that of
canaries among all keys.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, quantiles

from campaigns.canaries.classifier import CHOICES, Classifier, midranks
from campaigns.canaries.dumps import Dump, Named, dump, exclusive_or, split, traces
from campaigns.canaries.features import Seen, differences, features_of, fields_of, words_of
from campaigns.canaries.population import Population, seal_hourly, wait_for_the_watcher
from campaigns.canaries.surfaces import (
    KEYS,
    Reader,
    endpoints,
    exports,
    filled,
    headers_of,
    lists,
    pages,
    templated,
)
from campaigns.installations import installation
from tests.output import log
from tests.product import Product

MOST = 0.05  # above the share of canaries among all keys
BEFORE = ("encrypt", "decrypt", "encrypt without access", "read", "rotate", "grant", "change")
AFTER = (
    "decrypt a forged ciphertext",
    "decrypt without access",
    "encrypt with a service token",
    "encrypt in a wrong mode",
)
AFTER += ("create a data key", "read without access", "encrypt", "rotate")

type Features = Mapping[str, Sequence[float]]


def main() -> int:
    options = parse()
    log(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="telling-") as name, installation(Path(name)) as product, product:
        return Campaign(product, options).play()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=200, help="ordinary keys of a round")
    parser.add_argument("--canaries", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--draws", type=int, default=100, help="of random keys, for comparison")
    parser.add_argument("--read", type=int, default=5, help="rounds in which the API and pages are read, too")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    return parser.parse_args()


class Campaign:
    def __init__(self, product: Product, options: argparse.Namespace) -> None:
        self.product, self.options = product, options
        self.began = time.monotonic()
        self.canaries: list[int] = []
        # By what was read: the features of all rounds, in which ranks are compared within a round.
        self.found = defaultdict[str, list[Features]](list)

    def play(self) -> int:
        with self.product.connect() as client:
            population = Population(self.product, client, self.options.seed)
            for number in range(self.options.rounds):
                self.round(population, number)
        return self.judge()

    def round(self, population: Population, number: int) -> None:
        size = self.options.keys + self.options.canaries
        population.client.connection.close()  # the server has ended it during the reading; the next request opens another
        population.admin, population.dora, population.stella = (
            self.product.token(name) for name in ("admin", "dora", "stella")
        )
        members = population.create(size)
        population.use_all(members, BEFORE)
        chosen = population.chance.sample(range(size), self.options.canaries)
        population.plant([members[each] for each in chosen])
        self.canaries += [number * size + each for each in chosen]
        population.use_all(members, AFTER)
        wait_for_the_watcher(self.product)
        first = dump()
        seal_hourly()
        population.use_all(members, AFTER)
        wait_for_the_watcher(self.product)
        second = dump()
        self.tell(
            f"round {number + 1}: {size} keys used, {sum(len(rows) for _, rows in second.values())} rows"
        )
        keys = [member.named for member in members]
        self.compare_dumps(first, second, keys)
        if number < self.options.read:
            self.read_all(population, keys)

    def compare_dumps(self, first: Dump, second: Dump, keys: Sequence[Named]) -> None:
        one, other = split(first, keys), split(second, keys)
        before, after = features_of(one.seen), features_of(other.seen)
        self.found["one dump"].append(before | traces(one.rest, keys))
        both = {f"{name}, later": values for name, values in after.items()} | differences(before, after)
        both |= traces(other.rest, keys) | traces(exclusive_or(one.rest, other.rest), keys)
        self.found["two dumps"].append(before | both)
        self.tell(
            f"{len(second)} tables with {other.columns} columns, {len(other.rest)} of them in rows about no key"
        )

    def read_all(self, population: Population, keys: Sequence[Named]) -> None:
        with self.product.connect() as client:
            reader = Reader(client, population.admin, self.product.sign_in())
            seen: list[Seen] = [defaultdict(list) for _ in keys]
            templates = [each for each in pages(reader, KEYS, keys[0]) if "{id}" in each or "{name}" in each]
            templates += endpoints(KEYS, population.me)
            plan = [(template, number) for template in templates for number in range(len(keys))]
            population.chance.shuffle(plan)
            for template, number in plan:
                self.read(reader, template, keys[number], seen[number])
            numbers = {key.id: number for number, key in enumerate(keys)}
            for path in lists():
                for place, item in enumerate(reader.items(path)):
                    number = numbers.get(str(item.get("id")), numbers.get(str(item.get("key_id"))))
                    if number is not None:
                        seen[number][f"{path} (position)"].append(place)
            # Exports need a recent sign-in, and the reading can take longer.
            for form, lines in exports(self.product, self.product.token()).items():
                for number, key in enumerate(keys):
                    seen[number][f"export {form}"] += [line for line in lines if key.id in line]
        self.found["what an administrator reads"].append(features_of(seen))
        self.tell(f"{len(templates)} endpoints and pages of each key read, {len(lists())} lists, 2 exports")

    def read(self, reader: Reader, template: str, key: Named, seen: Seen) -> None:
        reply = reader.get(filled(template, key))
        assert reply.status < 500, f"{template}: {reply.status}"
        seen[f"{template} status"].append(reply.status)
        for name, value in headers_of(reply):
            seen[f"{template} {name}"].append(value)
        text = templated(reply.content.decode(errors="replace"), key)
        is_document = reply.headers.get_content_type().endswith("json")
        for place, value in fields_of(reply.json, template) if is_document else words_of(text, template):
            seen[place].append(value)

    def judge(self) -> int:
        size = self.options.keys + self.options.canaries
        base, worst = self.options.canaries / size, 0.0
        draw = random.Random(self.options.seed)  # noqa: S311 - no secret
        for what, rounds in self.found.items():
            canaries = [each for each in self.canaries if each < len(rounds) * size]
            features = joined(rounds)
            worst = max(worst, *self.report(what, features, canaries))
            leak = [float(each in canaries and draw.random() < 0.5) for each in range(len(rounds) * size)]
            named = Classifier(features | {"leak": leak}, self.options.seed).shares(canaries)
            self.tell(f"    control with a leak: {_by_number(named)}")
        self.tell(f"{base:.1%} of the keys are canaries, at most {worst:.1%} of the named ones")
        return int(worst > base + MOST)

    def report(self, what: str, features: Features, canaries: Sequence[int]) -> Sequence[float]:
        """The shares of canaries among the named keys."""
        classifier = Classifier(features, self.options.seed)
        verdict = classifier.judge(canaries)
        self.tell(
            f"{what}: {verdict.features} features vary. Canaries among the named keys: {_by_number(verdict.shares)}"
        )
        self.tell(f"    best: {', '.join(f'{name} (AUC {value:.2f})' for name, value in verdict.best)}")
        chance = classifier.by_chance(len(canaries), self.options.draws)
        by_chance = {choice: [each[choice] for each in chance] for choice in CHOICES}
        self.tell(
            f"    random keys as canaries: {_by_number({choice: mean(some) for choice, some in by_chance.items()})}"
        )
        most = {choice: quantiles(some, n=20)[-1] for choice, some in by_chance.items()}
        self.tell(f"    random keys as canaries, 95th percentile: {_by_number(most)}")
        return list(verdict.shares.values())

    def tell(self, text: str) -> None:
        log(f"{time.monotonic() - self.began:6.1f} s  {text}")


def _by_number(shares: Mapping[int, float]) -> str:
    return ", ".join(f"{share:.1%} by {choice}" for choice, share in shares.items())


def joined(rounds: Sequence[Features]) -> dict[str, list[float]]:
    """The ranks within each round. A feature that a round does not have is 0 there."""
    names = sorted(set().union(*rounds))
    sizes = [len(next(iter(features.values()))) for features in rounds]
    return {
        name: [
            rank
            for size, features in zip(sizes, rounds, strict=True)
            for rank in midranks(features.get(name, [0.0] * size))
        ]
        for name in names
    }


if __name__ == "__main__":
    sys.exit(main())
