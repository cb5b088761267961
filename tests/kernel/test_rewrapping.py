"""Stored keys move to another key-encryption key: each once, verified, and never to a retired one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.db import connection, connections, transaction

from accounts.models import SigningKey
from accounts.second_factors.services import totp
from audit.services.log_targets import create_log_target
from audit.verification.protected_rows import check_protected_rows
from crypto_ops.models import FileJob, FileOperation
from kernel import runtime
from kernel.crypto.material import KeyMaterial
from kernel.crypto.modes import SEALING_MODES
from kernel.errors import Conflict
from kernel.jobs import delivery
from kernel.trust import kek, kek_records, rewrapping
from kernel.trust.kek_records import KekUnavailable
from kernel.trust.models import KeyEncryptionKey, SystemKey
from keys.models import KeyVersion
from keys.ring import keyring, primitives
from keys.rotation.services import rotating
from keys.states import services as states
from keys.transport.services import import_parameters
from notifications.services.webhooks import create_webhook
from tests.endpoints import code_to_confirm, make_witness
from tests.factories import KeyFactory
from tests.kernel.ring import ring  # noqa: F401 - a fixture
from tests.waiting import SOON, wait_until

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def stored(admin, ring):  # noqa: F811 - the fixture
    """Keys of each kind under the first key-encryption key. Returns a key with two versions."""
    create_webhook(
        principal=admin.principal, name="chat", url="https://hooks.example.org/", topics=["job.failed"]
    )
    target = {"name": "siem", "url": "https://siem.example.org/", "credential": "Bearer s3cret"}
    create_log_target(principal=admin.principal, values=target, size=0)
    make_witness()
    totp.confirm_totp(principal=admin.principal, **code_to_confirm(None, admin))
    key = KeyFactory(name="orders")
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="a second version")
    import_parameters._create(admin.principal, KeyMaterial.generate(32))
    file = FileJob(key=key, operation=FileOperation.ENCRYPT, upload_size=1)
    with transaction.atomic():
        kek.wrap_into(file, KeyMaterial.generate(32))
        delivery.submit(file)
    return key


def rotate():
    """Make a new file the primary key; return its id and that of the previous one."""
    previous = kek_records.primary_id()
    with transaction.atomic():
        kek_records.lock_all()
        chosen = kek.create_file()
        kek.make_primary(chosen)
    return chosen, previous


def rewrap():
    return rewrapping.rewrap_all(lambda _done, _total: None)


def opened():
    """The material of every stored key, in its table."""
    return {
        (model, row.pk): kek.unwrap_row(row).expose()
        for model in kek_records.wrapped_models()
        for row in model._default_manager.filter(kek_records.HOLDS_KEY)
    }


def in_threads(*functions):
    """Run the functions at the same time; return their results or errors."""
    start = threading.Barrier(len(functions))

    def run(function):
        start.wait()
        try:
            return function()
        except Exception as error:  # noqa: BLE001 - the test inspects it
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(run, functions))


def test_every_table_with_wrapped_keys_moves_and_every_row_stays_verifiable(stored):
    before = opened()
    chosen, previous = rotate()
    reports = []
    assert rewrapping.rewrap_all(lambda done, total: reports.append((done, total))) == 0
    assert {model for model, _ in before} == set(kek_records.wrapped_models())
    assert kek_records.count_rows() == {chosen: len(before)}
    assert (reports[0], reports[-1]) == ((0, len(before)), (len(before), len(before)))
    kek.file_of(previous).unlink()
    with transaction.atomic():
        kek_records.retire(previous)
    runtime.fresh()
    assert opened() == before
    assert list(check_protected_rows()) == []
    kek.bootstrap()


def test_a_second_run_changes_nothing(stored):
    rotate()
    rewrap()
    before = list(KeyVersion.objects.order_by("pk").values_list("row_seq", "wrapped"))
    rewrap()
    assert list(KeyVersion.objects.order_by("pk").values_list("row_seq", "wrapped")) == before


def test_new_keys_are_wrapped_under_the_new_key_in_every_process(stored, admin):
    with transaction.atomic():
        kek.wrap(KeyMaterial.generate(32), label="cc/kv/v1", parts=[])  # this process has read the ring
    read = set(kek._ring.current._keys)
    chosen, _ = rotate()
    assert chosen not in read
    key = KeyFactory(name="invoices")
    assert KeyVersion.objects.get(key=key).kek_id == chosen


def test_a_cached_version_stays_usable_after_its_old_key_is_gone(stored, admin):
    cached = keyring.find(stored.id, admin.principal).versions[1]
    cached.primitive(primitives.cipher, SEALING_MODES["aes-256-gcm"])
    _, previous = rotate()
    rewrap()
    with transaction.atomic():
        kek_records.retire(previous)
    kek.file_of(previous).unlink()
    assert cached.primitive(primitives.cipher, SEALING_MODES["aes-256-gcm-siv"])


def test_an_erased_key_is_left_out(stored):
    _, previous = rotate()
    SigningKey.objects.filter(state=SigningKey.State.NEXT).update(wrapped=b"")
    assert rewrap() == 0
    assert kek_records.count_rows().get(previous) is None


@pytest.mark.parametrize(
    "columns", [{"row_mac": "1.00000000.AAAA"}, {"wrapped": b"\x01" * 61}, {"state": "disabled"}]
)
def test_an_altered_row_stays_as_it_is_and_keeps_its_key_from_being_retired(stored, columns):
    _, previous = rotate()
    altered = KeyVersion.objects.filter(key=stored, version=1)
    altered.update(**columns)
    before = altered.values().get()
    assert rewrap() == 1
    assert altered.values().get() == before
    with pytest.raises(Conflict, match="1 stored keys"), transaction.atomic():
        kek_records.retire(previous)


def test_a_system_key_moved_to_another_purpose_is_altered(stored):
    rotate()
    kid = SystemKey.objects.get(purpose="row-mac").kid
    SystemKey.objects.filter(purpose="audit-mac").delete()
    runtime.fresh()
    kek.check_sentinels()
    SystemKey.objects.filter(kid=kid).update(purpose="audit-mac")
    with suppress(SystemKey.DoesNotExist):  # no row has a MAC that can be checked now
        assert rewrap() >= 1
    assert SystemKey.objects.get(kid=kid).kek_id != kek_records.primary_id()


def test_a_wrong_or_missing_older_key_changes_nothing(stored):
    _, previous = rotate()
    file = kek.file_of(previous)
    content = file.read_bytes()
    file.unlink()
    runtime.fresh()
    with pytest.raises(KekUnavailable, match="missing"):
        rewrap()
    kek.file_of(kek_records.primary_id()).rename(file)
    runtime.fresh()
    with pytest.raises(KekUnavailable):
        rewrap()
    file.write_bytes(content)


def test_a_run_that_is_stopped_between_two_batches_continues(stored, monkeypatch):
    before, (chosen, _) = opened(), rotate()
    monkeypatch.setattr(rewrapping, "BATCH", 1)

    def stop(done, _total):
        if done == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        rewrapping.rewrap_all(stop)
    assert kek_records.count_rows()[chosen] == 3
    assert list(check_protected_rows()) == []
    assert rewrap() == 0
    runtime.fresh()
    assert opened() == before


def test_two_runs_at_the_same_time_rewrap_each_row_once(stored, admin, monkeypatch):
    for number in range(20):
        KeyFactory(name=f"key-{number}")
    before = opened()
    rotate()
    monkeypatch.setattr(rewrapping, "BATCH", 2)
    assert in_threads(rewrap, rewrap, rewrap) == [0, 0, 0]
    assert set(KeyVersion.objects.values_list("row_seq", flat=True)) == {2}
    runtime.fresh()
    assert opened() == before
    assert list(check_protected_rows()) == []


def test_changes_during_a_run_lose_nothing(stored, admin, monkeypatch):
    """Rotations, version changes and a confirmed authenticator write rows that a run rewrites at the same time."""
    monkeypatch.setattr(rewrapping, "BATCH", 2)
    changed = threading.Event()

    def change():
        try:
            for _ in range(10):
                rotating.rotate_key(principal=admin.principal, key_id=stored.id, reason="under load")
                states.disable_version(principal=admin.principal, key_id=stored.id, version=1, reason="test")
                states.enable_version(principal=admin.principal, key_id=stored.id, version=1, reason="test")
        finally:
            changed.set()

    def move():
        while not changed.is_set():
            rotate()
            rewrap()

    assert in_threads(change, move) == [None, None]
    assert list(check_protected_rows()) == []
    assert rewrap() == 0
    assert set(kek_records.count_rows()) == {kek_records.primary_id()}


def test_no_row_is_wrapped_under_a_key_that_is_being_retired(stored, admin):
    """A transaction that wraps keeps its key primary to its end, so a rotation waits for it."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writing transaction at a time")
    wrapped, retired = threading.Event(), threading.Event()

    def create():
        with transaction.atomic():
            key = KeyFactory(name="late")
            wrapped.set()
            wait_until(lambda: retired.is_set() or a_lock_is_awaited())
        return KeyVersion.objects.get(key=key)

    def rotate_and_retire():
        assert wrapped.wait(SOON)
        try:
            chosen, previous = rotate()
            assert rewrap() == 0
            with transaction.atomic():
                kek_records.retire(previous)
        finally:
            retired.set()
        return chosen

    version, chosen = in_threads(create, rotate_and_retire)
    version.refresh_from_db()
    assert version.kek_id == chosen


def a_lock_is_awaited():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone()[0]


def test_wrapping_requires_a_transaction(stored):
    with pytest.raises(transaction.TransactionManagementError):
        kek.wrap(KeyMaterial.generate(32), label="cc/kv/v1", parts=[])


def test_a_database_without_a_primary_key_wraps_nothing(stored):
    KeyEncryptionKey.objects.update(is_primary=False)
    with pytest.raises(KekUnavailable, match="no primary"), transaction.atomic():
        kek.wrap(KeyMaterial.generate(32), label="cc/kv/v1", parts=[])
