"""Bounds of requests and of the work that one request causes."""

import asyncio
import time
from contextlib import ExitStack
from types import SimpleNamespace
from uuid import UUID

import msgspec
import pytest

from accounts.origin import Origin
from accounts.principals import Principal
from audit.commit import loop_writer
from audit.commit.decisions import Grounds, Ready
from audit.log.events import Event
from crypto_ops.deciding.context import CacheMiss
from crypto_ops.deciding.services import perform
from crypto_ops.deciding.wire import RequestBody
from crypto_ops.errors import FileQuotaExceeded
from crypto_ops.fast_path import loads
from crypto_ops.fast_path.serving import MAX_LOADS, FastRoute
from crypto_ops.files import services as files
from crypto_ops.files.copying import encrypt_file
from crypto_ops.files.multipart import FilePart
from crypto_ops.models import FileJob, Reencryption
from crypto_ops.reencryption.services import reports
from crypto_ops.secrets.services import derivations
from crypto_ops.signatures.services import jwts
from crypto_ops.streaming import endpoint
from crypto_ops.streaming.services.streams import MAX_OF_ONE, one_more_stream
from kernel import throttle
from kernel.errors import Invalid, Throttled, Unavailable
from kernel.freshness.stamps import StaleDecision
from kernel.http.fast_path import FastRequest
from kernel.throttle import budget_state
from keys.models import Key
from tests.crypto_ops.conftest import split_form

RECEIVED = FastRequest(token="t", client_ip="192.0.2.1", user_agent="t", request_id="r")
ORIGIN = Origin(client_ip="192.0.2.1", user_agent="t", request_id="r")
SYSTEM = Principal.system("test", "api")


def derive(bits):
    derivations.size_of(8 * bits)


def claim(size):
    jwts.payload_of({"sub": "x" * (size - len('{"sub":""}'))})


def add_header(size):
    jwts.header_of({"typ": "x" * (size - len('{"typ":""}'))})


@pytest.mark.parametrize(("accept", "largest"), [(derive, 512), (claim, 64 * 1024), (add_header, 4096)])
def test_a_field_has_a_bounded_size(accept, largest):
    accept(largest)
    with pytest.raises(Invalid):
        accept(largest + 1)


def test_a_derived_key_has_whole_bytes_and_128_bits_at_least():
    assert derivations.size_of(derivations.MIN_BITS) == derivations.MIN_BITS // 8
    for bits in (derivations.MIN_BITS - 8, derivations.MIN_BITS + 1):
        with pytest.raises(Invalid):
            derivations.size_of(bits)


def field(name, value):
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


def test_a_form_keeps_eight_short_fields_before_its_file():
    found = {}
    part = FilePart("multipart/form-data; boundary=b", found.update)
    fields = [field(f"f{number}", "v") for number in range(7)]
    body = "".join([field("long", "x" * 1001), *fields, field("ninth", "v")])
    part.feed(
        f'{body}--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b--\r\n'.encode()
    )
    assert found == {"long": "x" * 1000, **{f"f{number}": "v" for number in range(7)}}


def test_a_process_loads_256_things_at_a_time_at_most():
    async def play():
        running, done = loads._loads.current.running, asyncio.get_running_loop().create_future()
        done.set_result(None)
        running.update(dict.fromkeys(range(256), done))
        try:
            await loads.load(0, list)  # what is being loaded already is shared
            with pytest.raises(Unavailable):
                await loads.load("another", list)
            del running[0]
            await loads.load("another", list)
        finally:
            running.clear()

    asyncio.run(play())


def test_a_request_loads_64_times_at_most():
    loaded = []

    class Missing:
        def decide(self, _context):
            missing = object()
            raise CacheMiss(missing, lambda: loaded.append(missing))

    route = FastRoute("a", None, None, None)
    with pytest.raises(Unavailable):
        asyncio.run(route._perform(RECEIVED, ORIGIN, SYSTEM, Missing(), time.monotonic() + 60))
    assert len(loaded) == MAX_LOADS == 64


@pytest.mark.parametrize("fault", ["decode", "decide"])
def test_a_fault_passes_a_request_of_the_fast_path_to_django(fault, monkeypatch):
    """Otherwise the connection would close without a response, without an entry, and with a charged budget."""

    class Faulty:
        def decide(self, _context):
            raise RuntimeError("a fault")

    def decode(body):
        return RequestBody() if fault == "decide" else body.missing

    charged = []
    monkeypatch.setattr(throttle, "charge_principal", lambda _name, cost: charged.append(cost))
    monkeypatch.setattr(throttle, "refund_principal", lambda _name, cost: charged.append(-cost))
    route = FastRoute("a", decode, lambda _: Faulty(), None)
    assert route.begin(SYSTEM, "r", b"{}", None) is False
    assert sum(charged) == 0
    assert len(charged) == (2 if fault == "decide" else 0)


class Stale:
    """A request whose first ``count`` decisions are stale. ``decided`` counts all."""

    def __init__(self, count):
        self.count, self.decided = count, 0

    def decide(self, _context):
        self.decided += 1
        return Ready(Grounds(event=Event(action="test"), actor=SYSTEM.actor), result=self.decided)

    def settle(self, decision):
        """The settlement of a decision, without the log."""
        if decision.finish() <= self.count:
            raise StaleDecision(set())
        return decision.finish()


def test_a_request_is_decided_five_times_at_most():
    last, stale = Stale(4), Stale(5)
    assert perform(last, SYSTEM, last) == 5
    with pytest.raises(Unavailable):
        perform(stale, SYSTEM, stale)
    assert stale.decided == 5


def test_the_fast_path_decides_a_request_five_times_at_most(bench):
    decided = []

    class AlwaysStale:
        def decide(self, _context):
            decided.append(self)
            raise StaleDecision(set())

    route = FastRoute("a", None, None, None)
    received = FastRequest(
        token=bench.persona.api.token, client_ip="192.0.2.1", user_agent="t", request_id="r"
    )
    with pytest.raises(Unavailable):
        asyncio.run(
            route._perform(received, ORIGIN, bench.persona.principal, AlwaysStale(), time.monotonic() + 60)
        )
    assert len(decided) == 5


def test_a_request_of_the_fast_path_waits_for_the_log_as_long_as_any_other(settings):
    settings.CC_LOCK_WAIT_SECONDS = 2.5
    route = FastRoute("a", msgspec.json.Decoder(RequestBody).decode, lambda _: Stale(0), None)

    async def play():
        waiting = loop_writer._writer.current
        waiting._is_sqlite = False  # its queue is the same on both databases, but here nothing is written
        began = time.monotonic()
        assert route.begin(SYSTEM, "r", b"{}", None)
        call = waiting._queue.pop()
        assert began <= call.until - 2.5 <= time.monotonic()

    try:
        asyncio.run(play())
    finally:
        loop_writer._writer.drop()


def test_a_caller_has_a_bounded_number_of_file_jobs(bench, key, settings, monkeypatch):
    monkeypatch.setattr(files, "_MAX_JOBS", 2)
    caller = bench.persona.principal.identity
    job = {"kind": "file", "operation": "encrypt", "key_id": UUID(key["id"]), "created_by": caller.id}
    for _ in range(2):
        assert files.bytes_left(caller) == settings.CC_FILE_QUOTA_BYTES
        FileJob(upload_size=0, **job).save_with_mac()
    with pytest.raises(FileQuotaExceeded, match="may have 2 file jobs"):
        files.bytes_left(caller)


def test_few_versions_are_tried_and_only_for_short_messages(bench, key):
    old, fits, large = (
        split_form(bench.encrypt(key["id"], data=bytes(size)).json, version=False)
        for size in (0, 64 * 1024, 64 * 1024 + 1)
    )
    assert bench.decrypt(**large).status == 200
    bench.change_key(key["id"], "rotate")
    assert list(bench.decrypt(**large).json["errors"]) == ["key_version"]
    for _ in range(14):
        bench.change_key(key["id"], "rotate")
    assert [bench.decrypt(**message).status for message in (old, fits)] == [200, 200]
    bench.change_key(key["id"], "rotate")
    assert bench.decrypt(**old).code == "decryption_failed"


def test_each_further_version_that_is_tried_costs_a_request(bench, key, settings):
    settings.CC_THROTTLE_PRINCIPAL = "100/day"
    message = split_form(bench.encrypt(key["id"]).json, version=False)
    for _ in range(2):
        bench.change_key(key["id"], "rotate")
    budget = bench.persona.principal.identity.budget
    before = budget_state(budget).remaining
    bench.decrypt(**message)
    assert before - budget_state(budget).remaining == 3


def test_a_file_of_the_operator_needs_no_place_among_the_streams(bench, key, tmp_path):
    principal = bench.persona.principal
    (tmp_path / "file").write_bytes(b"content")
    with ExitStack() as full:
        for _ in range(MAX_OF_ONE):
            full.enter_context(one_more_stream(principal))
        with pytest.raises(Throttled):
            full.enter_context(one_more_stream(principal))
        encrypt_file(
            principal=principal,
            key_id=UUID(key["id"]),
            source=tmp_path / "file",
            target=tmp_path / "file.cc",
            report=lambda *_: None,
        )
    assert (tmp_path / "file.cc").exists()


def test_a_report_names_the_newest_versions_and_no_more_than_the_bound(bench, key, monkeypatch):
    monkeypatch.setattr(reports, "MAX_VERSIONS", 2)
    for _ in range(2):
        bench.change_key(key["id"], "rotate")
    row = Key.objects.get()
    counts = {str(number): {"reencrypted": 1, "refused": 0} for number in (1, 2, 3)}
    report = reports.read_report(Reencryption(key=row, target_key=row, versions=counts))
    assert [version.version for version in report.versions] == [3, 2]


@pytest.mark.parametrize(("waits", "size"), [(False, 64 * 1024), (True, 512 * 1024)])
def test_the_blocks_of_a_body_that_waits_are_gathered_up_to_512_kibibytes(waits, size):
    class Body:
        async def next_block(self, _most):
            return bytes(64 * 1024)

    stream = SimpleNamespace(waits=waits, max_body=2**30)
    assert len(asyncio.run(endpoint._next_bytes(Body(), stream))) == size
