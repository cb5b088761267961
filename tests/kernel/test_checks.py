import pytest
from django.db import connection
from django.test import override_settings

from kernel.checks import (
    check_connections,
    check_durability,
    check_hosts,
    check_kek_files_are_private,
    check_limits,
    check_secret_key,
    check_secret_key_lasts,
    check_variables,
)


def test_a_readable_kek_file_is_an_error(tmp_path):
    with override_settings(CC_HOME=tmp_path):
        path = tmp_path / "kek-1.key"
        path.touch(0o600)
        assert list(check_kek_files_are_private()) == []
        path.chmod(0o640)
        [message] = check_kek_files_are_private()
    assert message.id == "ciphercanary.E005"


def test_a_secret_key_that_will_not_last_is_an_error(tmp_path):
    with override_settings(CC_HOME=tmp_path, SECRET_KEY_FROM_ENVIRONMENT=""):
        assert [message.id for message in check_secret_key_lasts()] == ["ciphercanary.E008"]
        (tmp_path / "secret-key").touch()
        assert list(check_secret_key_lasts()) == []


def test_a_short_secret_key_is_an_error():
    for length, ids in ((0, []), (49, ["ciphercanary.E006"]), (50, [])):
        with override_settings(SECRET_KEY_FROM_ENVIRONMENT="s" * length):
            assert [message.id for message in check_secret_key()] == ids


def test_a_body_that_does_not_hold_a_message_is_an_error():
    with override_settings(CC_MAX_PLAINTEXT_BYTES=3 * 2**20):
        for length, ids in ((4 * 2**20, ["ciphercanary.E009"]), (4 * 2**20 + 2**17, [])):
            with override_settings(CC_MAX_BODY_BYTES=length):
                assert [message.id for message in check_limits()] == ids


def test_too_few_connections_for_the_jobs_are_warned_about():
    with override_settings(CC_SQLITE=False, CC_JOB_THREADS=4):
        for connections, ids in ((5, ["ciphercanary.W003"]), (6, [])):
            with override_settings(CC_DB_POOL_MAX=connections):
                assert [message.id for message in check_connections()] == ids
    with override_settings(CC_SQLITE=True, CC_JOB_THREADS=4, CC_DB_POOL_MAX=1):
        assert list(check_connections()) == []


@pytest.mark.parametrize(
    ("connections", "advice"),
    [
        (5, "Set CC_DB_POOL_MAX to 6 or more, or CC_JOB_THREADS to 3 or less."),
        (2, "Set CC_DB_POOL_MAX to 6 or more."),
    ],
)
def test_the_check_advises_a_number_for_the_jobs(connections, advice):
    with override_settings(CC_SQLITE=False, CC_JOB_THREADS=4, CC_DB_POOL_MAX=connections):
        [message] = check_connections()
        assert message.hint.startswith(advice)
    with override_settings(CC_SQLITE=False, CC_JOB_THREADS=3, CC_DB_POOL_MAX=5):
        assert list(check_connections()) == []  # as advised


def test_any_host_is_an_error():
    with override_settings(ALLOWED_HOSTS=["keys.example.org"]):
        assert list(check_hosts()) == []
    with override_settings(ALLOWED_HOSTS=["*"]):
        assert [message.id for message in check_hosts()] == ["ciphercanary.E007"]


@pytest.mark.django_db
def test_a_postgresql_that_may_lose_commits_is_warned_about():
    found = {message.id for message in check_durability(databases=["default"])}
    if connection.vendor == "sqlite":
        assert found == set()
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('fsync'), current_setting('full_page_writes')")
        expected = {"ciphercanary.W002"} if "off" in cursor.fetchone() else set()
    assert found == expected


def test_a_misspelt_variable_is_warned_about_with_the_closest_name(monkeypatch):
    known = {
        "CC_THREADS": "4",
        "CC_KEK_FILE": "/kek",
        "CC_VENV": "/venv",
        "CC_DB_POOL_TIMEOUT": "5",
        "THREADS": "4",
    }
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    before = [message.msg for message in check_variables()]
    monkeypatch.setenv("CC_TREADS", "value")
    monkeypatch.setenv("CC_XYZ_12345678", "value")
    messages = [message for message in check_variables() if message.msg not in before]
    assert [(message.id, message.msg.split()[0], message.hint) for message in messages] == [
        ("ciphercanary.W004", "CC_TREADS", "Did you mean CC_THREADS?"),
        ("ciphercanary.W004", "CC_XYZ_12345678", "See the list of settings in docs/operations.md."),
    ]
    assert not any(name in message for message in before for name in known)
    assert not any("value" in f"{message.msg} {message.hint}" for message in messages)
