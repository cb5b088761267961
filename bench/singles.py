"""Measures requests with one message each: every contestant in turn, for each operation and number of connections."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import load, watch
from bench.contestant import OPERATIONS, Contestant
from bench.load import Load

CONNECTIONS = (1, 32, 256)

type Cell = tuple[str, str, int]  # contestant, operation, connections
type Log = Callable[[str], None]


@dataclass(frozen=True)
class Pace:
    """The duration of each load, of the warm-up before it, and the number of repetitions."""

    seconds: float
    warm_up: float
    repeats: int


def measure(
    contestants: Sequence[Contestant],
    pace: Pace,
    log: Log,
    operations: Sequence[str] = OPERATIONS,
    each_connections: Sequence[int] = CONNECTIONS,
) -> dict[Cell, Load]:
    """Return the medians. The contestants take turns, so that a slow minute of the machine affects all of them."""
    found: dict[Cell, Load] = {}
    for connections in each_connections:
        for operation in operations:
            rounds = [
                {
                    each.name: measure_one(each, operation, connections, pace)
                    for each in turned(contestants, turn)
                }
                for turn in range(pace.repeats)
            ]
            for each in contestants:
                one = load.median_of([loads[each.name] for loads in rounds])
                found[each.name, operation, connections] = one
                log(
                    f"{operation} c={connections:<4} {each.name:<18} {one.rate:>9,.0f}/s  p95 {one.p95:8.2f} ms"
                )
    return found


def measure_one(contestant: Contestant, operation: str, connections: int, pace: Pace) -> Load:
    request = contestant.request(operation)
    load.run(request, connections, pace.warm_up)
    measured = watch.costs_of(lambda: load.run(request, connections, pace.seconds))
    contestant.settle()
    return measured


def turned[T](items: Sequence[T], turn: int) -> list[T]:
    """Start each round with a different contestant, because a heavy load leaves the machine warm for the next one."""
    first = turn % len(items) if items else 0
    return [*items[first:], *items[:first]]
