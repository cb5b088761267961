"""Tell the touch of a canary from the use of an ordinary key by the metrics in the seconds after it.

    python -m tests.services python -m campaigns.canaries.metrics

uses keys one after the other, half of them canaries, drawn by lot. It scrapes ``/metrics`` before each use and in the seconds
after it, in which a notice of each touch is delivered. It prints which samples differ most between both kinds, and how well
a classifier names the touches. The campaign fails if that is better than for each of 100 random choices of keys.
"""

import argparse
import random
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import mean, quantiles

from campaigns.canaries.classifier import CHOICES, Classifier
from campaigns.canaries.population import DATA, Member, Population, wait_for_the_watcher
from campaigns.installations import installation
from tests.notifications.servers import Receiver, server_context, serving
from tests.output import log
from tests.product import Product

MOMENTS = (1.0, 2.0, 3.0, 4.0, 5.0)  # seconds after a use
_SAMPLE = re.compile(r"^(\w+(?:{.*})?) (\S+)$", re.MULTILINE)

type Samples = Mapping[str, float]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--touches", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    log(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="metrics-") as name:
        folder = Path(name)
        context, ca_file = server_context(folder)
        settings = {"CC_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8", "CC_WEBHOOK_CA_FILE": ca_file}
        with installation(folder, **settings) as product, product, serving(Receiver(context)) as receiver:
            return play(product, receiver, options)


def play(product: Product, receiver: Receiver, options: argparse.Namespace) -> int:
    from canaries.documents import HOST, ChannelKind  # noqa: PLC0415 - needs Django
    from canaries.services.channels import add_channel  # noqa: PLC0415 - likewise

    with product.connect() as client:
        population = Population(product, client, options.seed)
        members = population.create(options.touches)
        canaries = set(population.chance.sample(range(options.touches), options.touches // 2))
        population.plant([members[each] for each in canaries])
        add_channel(by=HOST, kind=ChannelKind.WEBHOOK, target=f"https://127.0.0.1:{receiver.port}/")
        found: list[dict[str, float]] = []
        for member in members:
            wait_for_the_watcher(product)
            close_incidents()
            time.sleep(population.chance.uniform(2, 3))
            found.append(use(product, population, member))
        touched = sum(b"canary.touched" in body for _, body in receiver.requests)
        log(f"{touched} notices of touches delivered")
    return judge(found, canaries, options.seed)


def close_incidents() -> None:
    """So that the next touch gets a notice, too."""
    from canaries.documents import Status  # noqa: PLC0415 - needs Django
    from canaries.sealed.store import changing  # noqa: PLC0415 - likewise

    with changing() as change:
        for incident in change.incidents.incidents:
            incident.status = Status.CLOSED


def use(product: Product, population: Population, member: Member) -> dict[str, float]:
    """The change of each sample in each second, and over all of them."""
    scrapes = [scrape(product)]
    began = time.monotonic()
    population.use("encrypt", DATA, member)
    for moment in MOMENTS:
        time.sleep(max(0.0, began + moment - time.monotonic()))
        scrapes.append(scrape(product))
    changes = {}
    for number, (before, after) in enumerate([*pairwise(scrapes), (scrapes[0], scrapes[-1])], 1):
        name = f"second {number}" if number <= len(MOMENTS) else "all seconds"
        changes |= {f"{sample}, {name}": value - before.get(sample, 0) for sample, value in after.items()}
    return changes


def scrape(product: Product) -> Samples:
    text = product.send("GET", "/metrics").content.decode()
    return {sample: float(value) for sample, value in _SAMPLE.findall(text)}


def judge(found: list[dict[str, float]], canaries: set[int], seed: int) -> int:
    names = sorted(set().union(*found))
    classifier = Classifier({name: [each.get(name, 0.0) for each in found] for name in names}, seed)
    verdict = classifier.judge(canaries)
    is_named = False
    log(
        f"{len(found)} uses, {len(canaries)} of canaries; {len(names)} numbers, {verdict.features} of them vary"
    )
    log("best: " + ", ".join(f"{name} (AUC {value:.2f})" for name, value in classifier.best(canaries, 8)))
    chance = classifier.by_chance(len(canaries), 100)
    for choice in CHOICES:
        by_chance = [each[choice] for each in chance]
        is_named = is_named or verdict.shares[choice] > max(by_chance)
        log(
            f"canaries among the named touches: {verdict.shares[choice]:.1%} ({choice}); of random touches "
            f"{mean(by_chance):.1%}, 95th percentile {quantiles(by_chance, n=20)[-1]:.1%}"
        )
    return int(is_named)


if __name__ == "__main__":
    sys.exit(main())
