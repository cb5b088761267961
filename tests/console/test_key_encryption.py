"""Rotate, retire and check key-encryption keys, with the commands that an operator runs."""

import base64
import json
import os
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from audit.log.events import Actor, Event, Source
from backups.kek_ring import copy_kek_ring
from console import actions
from console.key_encryption import rewraps
from console.key_encryption.keks import read_keks
from console.key_encryption.services import create_kek_file, retire_kek, rotate_kek
from kernel import runtime
from kernel.clock import database_now
from kernel.errors import Conflict, Denied, Invalid, NotFound, RecentAuthRequired
from kernel.jobs.job import Status
from kernel.jobs.running import run_job
from kernel.models import KekRewrap
from kernel.trust import kek, kek_records
from kernel.trust.kek_records import KekUnavailable
from kernel.trust.models import KeyEncryptionKey
from keys.creation.services import create_key
from keys.models import KeyVersion
from tests.browsing import signed_in
from tests.factories import KeyFactory
from tests.kernel.ring import ring  # noqa: F401 - a fixture
from tests.kernel.test_rewrapping import in_threads
from tests.log_entries import log_rows, record

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("ring"),
]
ACTOR = Actor.system("test", Source.COMMAND)


@pytest.fixture
def key(admin):
    return KeyFactory(name="orders")


def rotate(admin, **options):
    return rotate_kek(principal=admin.principal, has_one_host=True, **options)


def run(name, *arguments, capsys):
    """The command's output, and its last line on failure."""
    capsys.readouterr()
    try:
        call_command(name, *arguments)
    except CommandError as error:
        return capsys.readouterr().out, error
    return capsys.readouterr().out, None


def meta_of(action):
    return json.loads(log_rows().get(action=action).meta)


# --- rotate


def test_a_rotation_writes_a_private_file_and_one_entry(admin, key):
    previous = kek_records.primary_id()
    rotation = rotate(admin)
    assert (rotation.previous, rotation.file) == (previous, kek.file_of(rotation.kek_id))
    assert rotation.file.stat().st_mode & 0o777 == 0o600
    assert kek_records.primary_id() == rotation.kek_id
    assert rotation.outdated == sum(kek_records.count_rows().values())
    entry = log_rows().get(action=actions.KEK_ROTATED)
    assert (entry.object_id, json.loads(entry.meta)) == (rotation.kek_id, {"previous": previous})


def test_a_key_of_the_environment_becomes_primary_by_its_id(admin, settings):
    settings.CC_KEK = [f"cafe0001:{base64.b64encode(os.urandom(32)).decode()}"]
    with pytest.raises(Conflict, match="CC_KEK"):
        rotate(admin)
    with pytest.raises(Conflict, match="CC_KEK"):
        create_kek_file(principal=admin.principal)
    rotation = rotate(admin, kek_id="cafe0001")
    assert (rotation.file, kek_records.primary_id()) == (None, "cafe0001")


def test_a_file_may_be_created_before_it_is_used(admin):
    previous = kek_records.primary_id()
    file = create_kek_file(principal=admin.principal)
    assert kek_records.primary_id() == previous
    kek_id = file.stem.removeprefix("kek-")
    assert rotate(admin, kek_id=kek_id).kek_id == kek_id


@pytest.mark.parametrize(
    ("kek_id", "refusal"), [("deadbeef", KekUnavailable), ("x" * 17, Invalid), ("a/b", Invalid)]
)
def test_a_key_that_the_ring_lacks_does_not_become_primary(admin, kek_id, refusal):
    previous = kek_records.primary_id()
    with pytest.raises(refusal):
        rotate(admin, kek_id=kek_id)
    assert kek_records.primary_id() == previous


def test_a_key_that_was_in_use_does_not_become_primary_again(admin, key):
    previous = rotate(admin).previous
    with pytest.raises(Conflict, match="is or was in use"):
        rotate(admin, kek_id=previous)


def test_a_database_of_several_hosts_requires_a_decision(admin, settings):
    settings.CC_SQLITE = False
    with pytest.raises(Conflict, match="--create-only"):
        rotate_kek(principal=admin.principal)
    settings.CC_SQLITE = True
    assert rotate_kek(principal=admin.principal).file


def test_a_rotation_is_refused_if_the_ring_is_incomplete(admin):
    kek.file_of(kek_records.primary_id()).unlink()
    runtime.fresh()
    with pytest.raises(KekUnavailable):
        rotate(admin)
    assert kek.ring_files() == []


def test_simultaneous_rotations_succeed_or_conflict(admin):
    before = kek_records.primary_id()
    begun = threading.Barrier(4)

    def rotate_once():
        begun.wait()
        return rotate(admin)

    results = in_threads(*[rotate_once] * 4)
    won = [each for each in results if not isinstance(each, Exception)]
    assert all(isinstance(each, Conflict) for each in results if isinstance(each, Exception))
    assert len(won) >= 1
    assert KeyEncryptionKey.objects.count() == 1 + len(won) == len(kek.ring_files())
    assert kek_records.primary_id() != before
    kek.check_sentinels()


def test_another_host_without_the_file_refuses_new_keys_and_is_not_ready(admin, key, tmp_path, settings):
    here, there = settings.CC_HOME, tmp_path / "there"
    there.mkdir()
    copied = kek.file_of(kek_records.primary_id())
    (there / copied.name).write_bytes(copied.read_bytes())
    file = rotate(admin).file
    settings.CC_HOME = there
    runtime.fresh()
    assert kek.unwrap_row(KeyVersion.objects.select_related("key").get(key=key))
    with pytest.raises(KekUnavailable, match=file.name):
        kek.check_sentinels()
    with pytest.raises(KekUnavailable, match=file.name):
        create_key(principal=admin.principal, name="late", algorithm="aes-256")
    (there / file.name).write_bytes(file.read_bytes())  # the same process finds it now
    assert KeyFactory(name="late")
    settings.CC_HOME = here


# --- rewrap and retire


def test_the_life_of_a_key_by_command(key, tmp_path, capsys):
    """The runbook in docs/operations.md."""
    previous = kek_records.primary_id()
    out, _ = run("rotate_kek", "--one-host", "--json", capsys=capsys)
    rotated = json.loads(out)
    assert (rotated["previous"], rotated["id"]) == (previous, kek_records.primary_id())
    run("backup_kek", str(tmp_path / "copy"), capsys=capsys)
    out, failure = run("check_kek_backup", str(tmp_path / "copy"), capsys=capsys)
    assert (failure, out.count("is good.")) == (None, 2)
    _, failure = run("retire_kek", previous, "--confirm", previous, capsys=capsys)
    assert "stored keys are wrapped under" in str(failure)
    out, failure = run("rewrap_keys", "--json", capsys=capsys)
    result = json.loads(out)
    assert failure is None
    assert (result["status"], result["done"], result["altered"]) == (
        "succeeded",
        rotated["keys_to_rewrap"],
        0,
    )
    out, failure = run("retire_kek", previous, "--confirm", previous, capsys=capsys)
    assert failure is None
    assert f"remove kek-{previous}.key" in out
    assert kek.file_of(previous).exists()
    kek.file_of(previous).unlink()
    runtime.fresh()
    kek.bootstrap()
    assert meta_of(actions.REWRAP_FINISHED) == {
        "kek_id": rotated["id"],
        "rows": rotated["keys_to_rewrap"],
        "altered": 0,
    }
    assert log_rows().get(action=actions.KEK_RETIRED).object_id == previous


def test_an_altered_row_makes_the_command_fail(admin, key, capsys):
    rotate(admin)
    KeyVersion.objects.filter(key=key).update(row_mac="1.00000000.AAAA")
    _, failure = run("rewrap_keys", capsys=capsys)
    assert "1 rows were changed" in str(failure)
    assert KekRewrap.objects.get().altered == 1


def test_a_job_rewraps_in_the_background_and_can_be_cancelled(admin, key):
    rotate(admin)
    first = rewraps.request_rewrap(principal=admin.principal)
    with pytest.raises(Conflict, match="already queued"):
        rewraps.request_rewrap(principal=admin.principal)
    rewraps.cancel_rewrap(principal=admin.principal, job_id=first.id)
    assert kek_records.count_outdated()
    second = rewraps.request_rewrap(principal=admin.principal)
    run_job(rewraps.KIND, second.id, lambda: False)
    second.refresh_from_db()
    assert (second.status, kek_records.count_outdated()) == (Status.SUCCEEDED, 0)
    log = log_rows().filter(object_type="kek_rewrap").order_by("id")
    assert list(log.values_list("action", flat=True)) == [
        actions.REWRAP_REQUESTED,
        actions.REWRAP_CANCELLED,
        actions.REWRAP_REQUESTED,
        actions.REWRAP_FINISHED,
    ]


def test_a_run_with_a_wrong_key_fails_and_says_so(admin, key):
    previous = rotate(admin).previous
    KeyEncryptionKey.objects.filter(pk=previous).update(sentinel=b"x" * 61)
    rewrap = rewraps.request_rewrap(principal=admin.principal)
    KekRewrap.objects.update(attempts=4)
    run_job(rewraps.KIND, rewrap.id, lambda: False)
    rewrap.refresh_from_db()
    assert (rewrap.status, rewrap.error_code) == (Status.FAILED, "integrity_failed")
    entry = log_rows().get(action=actions.REWRAP_FAILED)
    assert (entry.outcome, entry.code) == ("error", "integrity_failed")


def test_a_stopped_command_cancels_its_run(admin, key):
    rotate(admin)
    rewrap = rewraps.rewrap_here(
        principal=admin.principal, is_stopping=lambda: True, report=lambda _done, _total: None
    )
    assert rewrap.status == Status.CANCELLED


@pytest.mark.parametrize(
    ("chosen", "confirmed", "refusal"),
    [("primary", "primary", Conflict), ("older", "other", Invalid), ("deadbeef", "deadbeef", NotFound)],
)
def test_a_key_is_not_retired_by_mistake(admin, key, chosen, confirmed, refusal):
    rotation = rotate(admin)
    names = {"primary": rotation.kek_id, "older": rotation.previous}
    with pytest.raises(refusal):
        retire_kek(
            principal=admin.principal,
            kek_id=names.get(chosen, chosen),
            confirmed_id=names.get(confirmed, confirmed),
        )
    assert not KeyEncryptionKey.objects.exclude(retired_at=None).exists()


def test_a_key_is_retired_once(admin):
    previous = rotate(admin).previous
    rewraps.rewrap_here(principal=admin.principal, is_stopping=lambda: False, report=lambda *_: None)
    retire_kek(principal=admin.principal, kek_id=previous, confirmed_id=previous)
    with pytest.raises(Conflict, match="already retired"):
        retire_kek(principal=admin.principal, kek_id=previous, confirmed_id=previous)
    with pytest.raises(Conflict, match="is or was in use"):
        rotate(admin, kek_id=previous)


def test_only_administrators_with_a_recent_sign_in_change_keys(admin, operator, auditor):
    for persona in (operator, auditor):
        for call in (
            rotate,
            lambda who: rewraps.request_rewrap(principal=who.principal),
            lambda who: retire_kek(principal=who.principal, kek_id="a", confirmed_id="a"),
        ):
            with pytest.raises(Denied):
                call(persona)
    late = replace(admin.principal, auth_time=database_now() - timedelta(minutes=11))
    with pytest.raises(RecentAuthRequired):
        rewraps.request_rewrap(principal=late)
    with pytest.raises(RecentAuthRequired):
        rotate_kek(principal=late, has_one_host=True)


# --- copies


@pytest.fixture
def copied(admin, tmp_path):
    """A folder with copies of the older and the primary key."""
    rotate(admin)
    copy_kek_ring(tmp_path / "copy", actor=ACTOR)
    return tmp_path / "copy"


def check(path, capsys):
    out, failure = run("check_kek_backup", "--json", str(path), capsys=capsys)
    result = json.loads(out)
    assert result["is_good"] is (failure is None)
    return {each["id"]: each["verdict"] for each in result["keys"]}


def test_a_good_copy_is_proved_and_recorded(copied, capsys):
    ids = set(KeyEncryptionKey.objects.values_list("id", flat=True))
    with transaction.atomic():
        for kek_id in ids:
            record(Event(action=actions.KEK_ROTATED, object_type="kek", object_id=kek_id), ACTOR)
    log_rows()
    assert {each.copy_checked_at for each in read_keks().all} == {None}
    assert check(copied, capsys) == dict.fromkeys(ids, "good")
    log_rows()
    assert all(each.copy_checked_at and each.has_good_copy for each in read_keks().all)
    found = log_rows().filter(action=actions.KEK_COPY_CHECKED)
    assert set(found.values_list("object_id", "outcome", "meta")) == {
        (kek_id, "ok", '{"verdict":"good"}') for kek_id in ids
    }


def test_the_data_folder_is_no_copy(capsys, settings):
    _, failure = run("check_kek_backup", str(settings.CC_HOME), capsys=capsys)
    assert "not a copy" in str(failure)


def test_each_defect_of_a_copy_has_its_verdict(copied, capsys):
    primary = kek_records.primary_id()
    file = copied / f"kek-{primary}.key"
    content = file.read_bytes()
    for text, verdict in (
        (base64.b64encode(os.urandom(32)), "wrong"),
        (content[:-10], "damaged"),
        (b"", "damaged"),
        (b"\xff\xfe\0", "damaged"),
        (b"x" * 100_000, "damaged"),
    ):
        file.write_bytes(text)
        assert check(file, capsys) == {primary: verdict}
    file.unlink()
    assert check(copied, capsys)[primary] == "missing"
    foreign = copied / "kek-deadbeef.key"
    foreign.write_bytes(base64.b64encode(os.urandom(32)))
    assert check(foreign, capsys) == {"deadbeef": "unknown"}
    assert set(log_rows().filter(action=actions.KEK_COPY_CHECKED).values_list("outcome", "code")) == {
        ("error", "kek_copy_unusable"),
        ("ok", ""),  # of the older key
    }


def test_the_value_of_the_setting_is_a_copy_too(copied, tmp_path, capsys):
    files = {path.stem.removeprefix("kek-"): path.read_text().strip() for path in copied.iterdir()}
    setting = tmp_path / "ciphercanary-kek"
    setting.write_text(",".join(f"{kek_id}:{text}" for kek_id, text in files.items()))
    assert check(setting, capsys) == dict.fromkeys(files, "good")
    setting.write_text(next(f"{kek_id}:{text}" for kek_id, text in files.items()))
    assert sorted(check(setting, capsys).values()) == ["good", "missing"]


def test_another_secret_in_place_of_a_copy_is_not_shown(copied, tmp_path, capsys):
    other = tmp_path / "passwords"
    other.write_text("hunter2 is the password:of somebody")
    out, failure = run("check_kek_backup", str(other), capsys=capsys)
    assert "this file is not 32 bytes" in out
    assert "hunter2" not in out + str(failure)
    assert "hunter2" not in log_rows().get(action=actions.KEK_COPY_CHECKED).meta


def test_a_key_that_is_not_used_yet_and_a_retired_one_can_be_checked(admin, tmp_path, capsys):
    previous = rotate(admin).previous
    rewraps.rewrap_here(principal=admin.principal, is_stopping=lambda: False, report=lambda *_: None)
    retire_kek(principal=admin.principal, kek_id=previous, confirmed_id=previous)
    unused = create_kek_file(principal=admin.principal)
    copy_kek_ring(tmp_path / "copy", actor=ACTOR)
    out, failure = run("check_kek_backup", str(tmp_path / "copy"), capsys=capsys)
    assert failure is None
    assert f"{unused.stem.removeprefix('kek-')} (not used) is good." in out
    assert f"{previous} (retired) is good." in out


def test_a_folder_without_keys_is_no_copy(tmp_path, capsys):
    _, failure = run("check_kek_backup", str(tmp_path / "missing"), capsys=capsys)
    assert "No such file" in str(failure)
    (tmp_path / "empty").mkdir()
    _, failure = run("check_kek_backup", str(tmp_path / "empty"), capsys=capsys)
    assert "has no file" in str(failure)


# --- pages


def test_an_administrator_starts_watches_and_cancels_a_rewrap(admin, key):
    rotate(admin)
    browser = signed_in(admin)
    assert "Rewrap" in browser.get("/system/").content.decode()
    assert browser.get("/system/rewrap").status_code == 200
    started = browser.post("/system/rewrap")
    rewrap = KekRewrap.objects.get()
    assert started["Location"] == f"/jobs/rewraps/{rewrap.id}/"
    assert "already queued" in browser.post("/system/rewrap").content.decode()
    assert "Waiting for a worker" in browser.get(started["Location"]).content.decode()
    assert "Rewrap of all keys" in browser.get("/jobs/").content.decode()
    assert browser.post(f"/jobs/rewraps/{rewrap.id}/cancel").status_code == 303
    assert "Cancelled" in browser.get(started["Location"]).content.decode()
    assert "already ended" in browser.get(f"/jobs/rewraps/{rewrap.id}/cancel").content.decode()
    browser.post("/system/rewrap")
    second = KekRewrap.objects.latest("created_at")
    run_job(rewraps.KIND, second.id, lambda: False)
    page = browser.get(f"/jobs/rewraps/{second.id}/").content.decode()
    assert f'are wrapped under <span class="mono">{kek_records.primary_id()}' in page


def checks(browser):
    return {check.name: check for check in browser.get("/system/").context["system"].checks}


def test_the_system_page_shows_the_last_check_of_a_copy(admin, copied, capsys):
    browser = signed_in(admin)
    primary = kek_records.primary_id()
    content = browser.get("/system/").content.decode()
    assert content.count('data-label="Checked copy">None<') == 2
    check(copied, capsys)
    (copied / f"kek-{primary}.key").unlink()
    check(copied, capsys)
    log_rows()
    content = browser.get("/system/").content.decode()
    assert f'data-label="Checked copy">Not usable, <a href="/audit/?object={primary}">' in content
    assert content.count('data-label="Checked copy">Good, ') == 1


def test_the_system_page_warns_of_an_old_key_and_of_keys_under_older_ones(admin, key, copied, capsys):
    browser = signed_in(admin)
    check = checks(browser)["Key-encryption keys"]
    assert (check.state, check.command) == ("warning", "bin/manage rewrap_keys")
    KeyEncryptionKey.objects.filter(is_primary=True).update(created_at=database_now() - timedelta(days=366))
    check = checks(browser)["Key-encryption keys"]
    assert (check.state, check.command) == ("warning", "bin/manage rotate_kek")
    assert "366 days old" in check.measured


def test_the_system_page_shows_when_a_copy_was_last_proved(admin, copied, capsys):
    browser = signed_in(admin)
    assert checks(browser)["Backup of key-encryption keys"].measured == "never checked"
    run("check_kek_backup", str(copied), capsys=capsys)
    assert checks(browser)["Backup of key-encryption keys"].state == "ok"
    [older] = KeyEncryptionKey.objects.filter(is_primary=True).values_list("id", flat=True)
    rotate(admin)
    primary = kek_records.primary_id()
    for path in (copied / f"kek-{older}.key", copied):
        measured = checks(browser)["Backup of key-encryption keys"].measured
        assert measured == f"never checked: {primary}"
        run("check_kek_backup", str(path), capsys=capsys)
    assert checks(browser)["Backup of key-encryption keys"].measured == f"damaged or wrong: {primary}"
