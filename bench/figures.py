"""The table "Figures to reach": the goal of each line, and the measured value."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from bench.batches import COMMON_ITEMS, ITEMS, BatchMeasurement
from bench.client import Rates
from bench.contestant import MIX, OPERATIONS, OTHER_OPERATIONS
from bench.crowds import CONNECTIONS, Crowd
from bench.files import FileJob
from bench.k6_script import K6
from bench.kills import Kill
from bench.load import Load
from bench.mix import CONNECTIONS as MIXED
from bench.openssl import Bound
from bench.singles import Cell
from bench.streams import Stream
from bench.table import NOT_MEASURED, NOT_THERE, Figure, Goal, number, ratio_of

FAST_PATH, REST_ALONE, NAIVE, OPENBAO = (
    "CipherCanary",
    "its REST interface alone",
    "naive DRF view",
    "OpenBao transit",
)
MEGABYTE = 1e6
# Requests per second and p95 of single operations, relative to OpenBao, by connections.
RATES = {1: Goal(0.85, 1.2), 32: Goal(4, 5), 256: Goal(6, 8)}
TAILS = {32: Goal(0.1, 0.05, lower=True), 256: Goal(0.25, 0.05, lower=True)}
AGAINST_REST = Goal(10, 30)
AS_FAST = Goal(1, 4)
BATCH = Goal(300_000, 800_000, "items/s and core")
BATCH_AGAINST_OPENBAO = Goal(8)
STREAM = Goal(1200, unit="MB/s and core")
STREAM_GROWTH = Goal(16, unit="MB", lower=True)  # a few blocks in flight: constant for any size
LOCAL = Goal(30, 100)
FILE_JOB = Goal(1500, 3000, "MB/s")
FILE_JOB_MEMORY = Goal(120, unit="MB", lower=True)
CROWD_ERRORS = Goal(0, unit="errors", lower=True)
CROWD_TAIL = Goal(None, 100, "ms", lower=True)
MEMORY = Goal(160, 120, "MB", lower=True)
K6_TAIL = Goal(5, unit="ms", lower=True)
K6_CPU = Goal(30, unit="% of a core", lower=True)
LOST = Goal(0, unit="lost", lower=True)
RECOVERY = Goal(5, 1, "s", lower=True)
LAG = Goal(60, unit="s", lower=True)
REVOCATION = Goal(0, unit="late responses", lower=True)
SPEED_OF_GROWN = Goal(0.9)


@dataclass
class Results:
    """The results of a run. Parts that were not measured are empty. ``absent`` names the endpoints that returned
    404.
    """

    singles: dict[Cell, Load] = field(default_factory=dict)
    bound: Bound | None = None
    batches: dict[tuple[str, int], BatchMeasurement] = field(default_factory=dict)
    crowds: dict[int, Crowd] = field(default_factory=dict)
    stream: Stream | None = None
    client: Rates | None = None
    file_job: FileJob | None = None
    k6: K6 | None = None
    lag: float | None = None  # seconds
    kill: Kill | None = None
    absent: set[str] = field(default_factory=set)


def figures(results: Results) -> list[Figure]:
    return [
        *(line for operation in OPERATIONS for line in singles(results, operation)),
        *(
            compared(results, f"{operation}, c=32: rate", AS_FAST, operation, 32, "rate")
            for operation in OTHER_OPERATIONS
        ),
        *(compared(results, f"{MIX}, c={count}: rate", AS_FAST, MIX, count, "rate") for count in MIXED),
        *batches(results),
        *streams(results),
        *client(results),
        *file_job(results),
        *crowds(results),
        *k6(results),
        lag(results),
        *kill(results),
        Figure("revocation, across processes", REVOCATION, why="`campaigns/revocation`"),
        Figure(
            "rate with 100,000 keys and 10 million entries, to an empty one's",
            SPEED_OF_GROWN,
            why="`bench.growth`",
        ),
    ]


def singles(results: Results, operation: str) -> Iterator[Figure]:
    for count, goal in RATES.items():
        yield compared(results, f"{operation}, c={count}: rate", goal, operation, count, "rate")
        if count in TAILS:
            yield compared(results, f"{operation}, c={count}: p95", TAILS[count], operation, count, "p95")
    what = f"{operation}, c=32: rate, to the REST interface's"
    yield compared(results, what, AGAINST_REST, operation, 32, "rate", REST_ALONE)


def compared(
    results: Results, what: str, goal: Goal, operation: str, count: int, kind: str, other: str = OPENBAO
) -> Figure:
    ours = results.singles.get((FAST_PATH, operation, count))
    theirs = results.singles.get((other, operation, count))
    if ours is None or theirs is None:
        return Figure(what, goal)
    one, another = getattr(ours, kind), getattr(theirs, kind)
    ratio = ratio_of(one, another)
    unit = "/s" if kind == "rate" else " ms"
    against = f"{other} {number(another)}{unit}"
    why = f"{other} gave no response"
    return Figure(what, goal, ratio, ours.errors, f"{number(one)}{unit}", against, ratio, why)


def batches(results: Results) -> Iterator[Figure]:
    why = NOT_THERE if "batch" in results.absent else NOT_MEASURED
    large = results.batches.get((FAST_PATH, ITEMS))
    what = f"batch of {ITEMS:,} messages of 64 B"
    if large:
        measured = f"{number(large.rate_per_core)} items/s and core, {number(large.rate)} in all"
        yield Figure(what, BATCH, large.rate_per_core, large.load.errors, measured)
    else:
        yield Figure(what, BATCH, why=why)
    ours, theirs = (
        results.batches.get((FAST_PATH, COMMON_ITEMS)),
        results.batches.get((OPENBAO, COMMON_ITEMS)),
    )
    what = f"batch of {COMMON_ITEMS} messages of 64 B"
    if ours and theirs:
        ratio = ratio_of(ours.rate, theirs.rate)
        against = f"{OPENBAO} {number(theirs.rate)} items/s"
        measured = f"{number(ours.rate)} items/s"
        yield Figure(what, BATCH_AGAINST_OPENBAO, ratio, ours.load.errors, measured, against, ratio)
    else:
        yield Figure(what, BATCH_AGAINST_OPENBAO, why=why)


def streams(results: Results) -> Iterator[Figure]:
    stream = results.stream
    what = "stream over HTTP, 1 GiB"
    if stream is None:
        why = NOT_THERE if "stream" in results.absent else NOT_MEASURED
        yield Figure(what, STREAM, why=why)
        yield Figure(f"{what}: growth of a worker", STREAM_GROWTH, why=why)
        return
    what = f"stream over HTTP, {stream.size / (1 << 30):g} GiB"
    value = stream.rate_per_core / MEGABYTE
    measured = f"{number(value)} MB/s and core, {number(stream.rate / MEGABYTE)} in all"
    yield Figure(what, STREAM, value, measured=measured)
    growth = stream.growth / MEGABYTE
    yield Figure(f"{what}: growth of a worker", STREAM_GROWTH, growth, measured=f"{number(growth)} MB")


def client(results: Results) -> Iterator[Figure]:
    for what in ("sealed", "opened"):
        name = f"client, 64 B {what} in a local envelope"
        rates = results.client
        if rates is None:
            yield Figure(name, LOCAL)
            continue
        rate: float = getattr(rates, what)
        ratio = ratio_of(rate, rates.rest)
        against = f"its REST call {number(rates.rest)}/s"
        yield Figure(name, LOCAL, ratio, measured=f"{number(rate)}/s", against=against, ratio=ratio)


def file_job(results: Results) -> Iterator[Figure]:
    found, what = results.file_job, "file job, 1 GiB, file to file"
    if found is None:
        yield Figure(what, FILE_JOB)
        yield Figure(f"{what}: memory of the worker", FILE_JOB_MEMORY)
        return
    what = f"file job, {found.size / (1 << 30):g} GiB, file to file"
    upload, rate, copied, encrypted = (
        f"{number(each / MEGABYTE)} MB/s" for each in (found.upload, found.job, found.copy, found.openssl)
    )
    against = f"copy {copied}, openssl enc {encrypted}"
    measured = f"{rate}, upload {upload}"
    yield Figure(what, FILE_JOB, found.job / MEGABYTE, measured=measured, against=against)
    peak = found.peak / MEGABYTE
    yield Figure(f"{what}: memory of the worker", FILE_JOB_MEMORY, peak, measured=f"{number(peak)} MB")


def crowds(results: Results) -> Iterator[Figure]:
    for count in CONNECTIONS:
        what = f"{count:,} keep-alive connections"
        crowd = results.crowds.get(count)
        if crowd is None:
            yield Figure(what, CROWD_ERRORS)
            continue
        refused, broken = crowd.load.refused, crowd.load.broken
        measured = f"{refused:,} refused, {broken:,} broken, {number(crowd.load.rate)}/s"
        yield Figure(what, CROWD_ERRORS, crowd.load.errors, measured=measured)
    if crowd := results.crowds.get(CONNECTIONS[0]):
        tail = crowd.load.p95
        what = f"{CONNECTIONS[0]:,} keep-alive connections: p95"
        yield Figure(what, CROWD_TAIL, tail, crowd.load.errors, f"{number(tail)} ms")
    what = "memory of a web worker meanwhile"
    if results.crowds:
        peak = max(crowd.peak for crowd in results.crowds.values()) / MEGABYTE
        errors = sum(crowd.load.errors for crowd in results.crowds.values())
        yield Figure(what, MEMORY, peak, errors, f"{number(peak)} MB")
    else:
        yield Figure(what, MEMORY)


def k6(results: Results) -> Iterator[Figure]:
    what = "k6, 100 users, one request a second: p95"
    found = results.k6
    if found is None:
        yield Figure(what, K6_TAIL)
        yield Figure("k6: CPU of the server", K6_CPU)
        return
    yield Figure(
        what, K6_TAIL, found.p95, found.errors, f"{number(found.p95)} ms in {found.requests:,} requests"
    )
    percent = 100 * found.cores
    yield Figure("k6: CPU of the server", K6_CPU, percent, found.errors, f"{number(percent)} %")


def lag(results: Results) -> Figure:
    what = "sequencer: from the end of a load until it has caught up"
    if results.lag is None:
        return Figure(what, LAG)
    return Figure(what, LAG, results.lag, measured=f"{number(results.lag)} s at worst")


def kill(results: Results) -> Iterator[Figure]:
    records = "SIGKILL of the web worker under load, c=32: responses without a record"
    responses = "SIGKILL of the web worker under load, c=32: until the next response"
    found = results.kill
    if found is None:
        yield Figure(records, LOST)
        yield Figure(responses, RECOVERY)
        return
    yield Figure(records, LOST, found.lost, measured=f"{found.lost} of {found.succeeded:,}")
    yield Figure(responses, RECOVERY, found.seconds, measured=f"{number(found.seconds)} s")


def singles_rows(results: Results, among: Collection[str]) -> list[list[str]]:
    """The figures of every contestant for these operations."""
    rows = []
    for (name, operation, count), one in results.singles.items():
        if operation not in among:
            continue
        reference = results.singles.get((OPENBAO, operation, count))
        ratio = ratio_of(one.rate, reference.rate) if reference else None
        rows.append(
            [
                operation,
                str(count),
                name,
                number(one.rate),
                "" if ratio is None else f"{number(ratio)} x",
                *(f"{each:.2f}" for each in (one.p50, one.p95, one.p99, one.p999)),
                ", ".join(f"{kind} {cost:.0f}" for kind, cost in one.cpu.items() if cost >= 1),
                str(one.errors),
            ]
        )
    return rows
