import base64
import os

import pytest
from django.conf import settings
from django.db.transaction import TransactionManagementError
from django.test import override_settings

from accounts.models import SigningKey
from audit.models import CheckpointKey
from kernel import home, runtime
from kernel.crypto.errors import UnwrapFailed
from kernel.crypto.material import KeyMaterial
from kernel.trust import kek, kek_records, system_keys
from kernel.trust.kek import KekUnavailable
from kernel.trust.models import Instance, KeyEncryptionKey, SystemKey
from kernel.trust.wrapped_row import Wrapped
from tests.factories import KeyFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def empty_installation(tmp_path, settings):
    """A database without a root of trust, and an empty data folder."""
    for model in (SigningKey, CheckpointKey, SystemKey, KeyEncryptionKey, Instance):
        model.objects.all().delete()
    settings.CC_HOME = tmp_path
    runtime.fresh()
    return tmp_path


def test_a_wrapped_key_opens_with_the_same_label_and_parts():
    material = KeyMaterial.generate(32)
    wrapped = kek.wrap(material, label="cc/kv/v1", parts=[b"row", b"1"])
    opened = kek.unwrap(wrapped, label="cc/kv/v1", parts=[b"row", b"1"])
    assert opened.expose() == material.expose()


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("cc/sys/v1", [b"row", b"1"]),
        ("cc/kv/v1", [b"row", b"2"]),
        ("cc/kv/v1", [b"row1"]),
        ("cc/kv/v1", [b"ro", b"w1"]),
        ("cc/kv/v1", []),
    ],
)
def test_a_wrapped_key_opens_nowhere_else(label, parts):
    wrapped = kek.wrap(KeyMaterial.generate(32), label="cc/kv/v1", parts=[b"row", b"1"])
    with pytest.raises(UnwrapFailed):
        kek.unwrap(wrapped, label=label, parts=parts)


def test_a_wrapped_key_does_not_open_in_another_installation():
    wrapped = kek.wrap(KeyMaterial.generate(32), label="cc/kv/v1", parts=[b"row"])
    Instance.objects.all().delete()
    Instance.objects.create()
    runtime.fresh()
    with pytest.raises(UnwrapFailed):
        kek.unwrap(wrapped, label="cc/kv/v1", parts=[b"row"])


def test_a_key_under_an_unknown_kek_shows_which_file_is_missing():
    with pytest.raises(KekUnavailable, match=r"kek-deadbeef\.key"):
        kek.unwrap(Wrapped("deadbeef", b"x" * 61), label="cc/kv/v1", parts=[])


def test_the_first_start_makes_one_private_key_file(empty_installation):
    system_keys.bootstrap()
    [path] = kek.ring_files()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(base64.b64decode(path.read_text())) == 32
    assert KeyEncryptionKey.objects.get().is_primary


def test_later_starts_change_nothing(empty_installation):
    system_keys.bootstrap()
    before = (list(kek.ring_files()), list(SystemKey.objects.values_list("kid", "wrapped")))
    system_keys.bootstrap()
    assert (list(kek.ring_files()), list(SystemKey.objects.values_list("kid", "wrapped"))) == before


def test_a_start_that_was_interrupted_before_its_commit_goes_on_with_the_same_file(empty_installation):
    (empty_installation / "kek-0badcafe.key").write_bytes(base64.b64encode(os.urandom(32)))
    system_keys.bootstrap()
    assert KeyEncryptionKey.objects.get().id == "0badcafe"
    assert len(kek.ring_files()) == 1


def test_a_missing_kek_refuses_the_start_and_makes_no_other(empty_installation):
    system_keys.bootstrap()
    kek.ring_files()[0].unlink()
    with pytest.raises(KekUnavailable, match="missing"):
        system_keys.bootstrap()
    assert kek.ring_files() == []


def test_a_wrong_kek_refuses_the_start(empty_installation):
    system_keys.bootstrap()
    kek.ring_files()[0].write_bytes(base64.b64encode(os.urandom(32)))
    with pytest.raises(KekUnavailable, match="does not match"):
        system_keys.bootstrap()


def test_a_lost_key_of_the_row_macs_refuses_the_start_and_makes_no_other(empty_installation):
    system_keys.bootstrap()
    SystemKey.objects.filter(purpose=system_keys.ROW_MAC).delete()
    with pytest.raises(system_keys.SystemKeyMissing):
        system_keys.bootstrap()
    assert not SystemKey.objects.filter(purpose=system_keys.ROW_MAC)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        base64.b64encode(bytes(31)),
        b"not base64 at all!",
        b"!" + base64.b64encode(bytes(32)),
        b"\xff\xfe\0",
    ],
)
def test_a_damaged_kek_file_is_named(empty_installation, content):
    system_keys.bootstrap()
    kek.ring_files()[0].write_bytes(content)
    with pytest.raises(KekUnavailable, match="32 bytes"):
        system_keys.bootstrap()


def test_a_damaged_key_is_not_copied(empty_installation, tmp_path_factory):
    system_keys.bootstrap()
    kek.file_of("cafe0001").write_bytes(b"damaged")
    with pytest.raises(KekUnavailable, match="cafe0001"):
        kek.copy_ring(tmp_path_factory.mktemp("copies"))


def test_a_copy_of_another_key_is_no_copy(empty_installation):
    system_keys.bootstrap()
    kek_id = kek_records.primary_id()
    assert kek.is_copy_of_ring(kek_id, kek.file_of(kek_id).read_bytes().strip())
    assert not kek.is_copy_of_ring(kek_id, base64.b64encode(os.urandom(32)))
    assert not kek.is_copy_of_ring("cafe0001", base64.b64encode(os.urandom(32)))


def test_the_first_start_takes_the_first_of_several_files(empty_installation):
    first, _ = sorted([kek.create_file(), kek.create_file()])
    system_keys.bootstrap()
    assert kek_records.primary_id() == first


def test_a_new_primary_key_replaces_the_former_one(empty_installation):
    system_keys.bootstrap()
    new = kek.create_file()
    kek.make_primary(new)
    assert kek_records.primary_id() == new


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("lock", [kek_records.lock_all, kek_records.lock_primary])
def test_the_records_of_keys_are_locked_in_a_transaction_only(lock):
    with pytest.raises(TransactionManagementError):
        lock()


def test_a_database_with_wrapped_rows_but_no_sentinel_gets_no_new_kek(admin, settings, tmp_path):
    KeyFactory(name="precious")
    KeyEncryptionKey.objects.all().delete()
    settings.CC_HOME = tmp_path
    with pytest.raises(KekUnavailable, match="no record of a key-encryption key"):
        system_keys.bootstrap()
    assert kek.ring_files() == []


def test_the_kek_may_come_from_the_environment(empty_installation):
    content = base64.b64encode(os.urandom(32)).decode()
    with override_settings(CC_KEK=[f"cafe0001:{content}"]):
        system_keys.bootstrap()
        assert KeyEncryptionKey.objects.get().id == "cafe0001"
        assert kek.ring_files() == []


def test_an_entry_of_the_environment_has_a_colon():
    with pytest.raises(KekUnavailable, match="without a colon"):
        kek.parse_entries(["cafe0001:AAAA", "cafe0002"])


def test_a_private_file_is_never_overwritten(tmp_path):
    home.create_private_file(tmp_path / "kek-1.key", b"first")
    with pytest.raises(FileExistsError):
        home.create_private_file(tmp_path / "kek-1.key", b"second")
    assert (tmp_path / "kek-1.key").read_bytes() == b"first"


def test_the_secret_key_is_made_once(tmp_path):
    folder = tmp_path / "new"
    assert home.read_secret_key(folder) != home.read_secret_key(folder)
    home.prepare(folder)
    first = home.read_secret_key(folder)
    home.prepare(folder)
    assert home.read_secret_key(folder) == first
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_system_key_moved_to_another_purpose_does_not_open():
    kid = SystemKey.objects.get(purpose="row-mac").kid
    SystemKey.objects.filter(purpose="audit-mac").delete()
    SystemKey.objects.filter(kid=kid).update(purpose="audit-mac")
    runtime.fresh()
    with pytest.raises(UnwrapFailed):
        system_keys.open_key("audit-mac")


def test_the_test_home_is_private():
    assert settings.CC_HOME.stat().st_mode & 0o777 == 0o700
