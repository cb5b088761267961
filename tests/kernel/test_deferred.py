"""Values of metrics wait for each other, but for no longer than the period, and for no reader."""

import asyncio

from prometheus_client import CollectorRegistry, Histogram

from kernel.observability import deferred
from kernel.observability.deferred import Deferred
from kernel.observability.metrics import observe_many


def test_values_are_written_together_after_the_period(monkeypatch):
    async def add():
        monkeypatch.setattr(deferred, "PERIOD", 0.001)
        values = Deferred(written.append)
        values.add(1)
        values.add(2)
        assert written == []
        await asyncio.sleep(0.05)
        values.add(3)
        await asyncio.sleep(0.05)

    written = []
    asyncio.run(add())
    assert written == [[1, 2], [3]]


def test_a_reader_finds_all_values():
    async def add():
        values = Deferred(written.append)
        values.add(1)
        deferred.write_all()
        deferred.write_all()
        values.add(2)
        deferred.write_all()

    written = []
    asyncio.run(add())
    assert written == [[1], [2]]


def test_many_observations_are_counted_like_single_ones():
    registry, values = CollectorRegistry(), (0.5, 1.0, 1.5, 99.0)
    one = Histogram("one", "", buckets=(1, 2), registry=registry)
    many = Histogram("many", "", buckets=(1, 2), registry=registry)
    for value in values:
        one.observe(value)
    observe_many(many, values)
    for suffix, labels in (
        ("sum", {}),
        ("count", {}),
        *(("bucket", {"le": le}) for le in ("1.0", "2.0", "+Inf")),
    ):
        name = f"_{suffix}"
        assert registry.get_sample_value(f"many{name}", labels) == registry.get_sample_value(
            f"one{name}", labels
        )
