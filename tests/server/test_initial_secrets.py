import base64
import stat
import subprocess
import sys

import pytest

from ciphercanary.server.initial_secrets import Incomplete, create_missing

CONSUMERS = {
    "application": {"secret-key", "database-url", "redis-url", "celery-broker-url"},
    "kek": {"kek"},
    "postgres": {"password", "superuser-password"},
    "redis": {"password", "redis.conf"},
    "tls": {"certificate.pem", "key.pem"},
    "grafana": {"admin-password"},
}


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.glob("*/*")}


def test_each_consumer_gets_its_own_secrets_once(tmp_path):
    created = create_missing(tmp_path, "keys.example.org")
    first = contents(tmp_path)

    assert {path.relative_to(tmp_path).as_posix() for path in created} == set(first)
    assert {
        folder.name: {path.name for path in folder.iterdir()} for folder in tmp_path.iterdir()
    } == CONSUMERS
    # Consumers run as different users, and none of them may write.
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*/*")} == {0o444}
    assert first["postgres/password"].strip() in first["application/database-url"]
    assert first["redis/password"].strip() in first["application/celery-broker-url"]
    assert f"requirepass {first['redis/password'].strip()}\n" in first["redis/redis.conf"]
    assert create_missing(tmp_path, "other.example.org") == []
    assert contents(tmp_path) == first


def test_the_key_encryption_key_has_the_form_of_the_setting(tmp_path, settings):
    create_missing(tmp_path, "localhost")
    name, text = (tmp_path / "kek" / "kek").read_text().strip().split(":")
    assert len(name) == 8
    assert len(base64.b64decode(text, validate=True)) == 32


def test_secrets_of_an_operator_stay(tmp_path):
    (tmp_path / "tls").mkdir()
    for name in ("certificate.pem", "key.pem"):
        (tmp_path / "tls" / name).write_text("of a certificate authority")
    created = {path.parent.name for path in create_missing(tmp_path, "localhost")}
    assert created == set(CONSUMERS) - {"tls"}
    assert (tmp_path / "tls" / "key.pem").read_text() == "of a certificate authority"


@pytest.mark.parametrize(
    "lost", ["postgres/password", "application/database-url", "tls/key.pem", "redis/redis.conf"]
)
def test_a_lost_half_is_not_replaced_by_a_secret_that_does_not_fit(tmp_path, lost):
    create_missing(tmp_path, "localhost")
    (tmp_path / lost).unlink()
    with pytest.raises(Incomplete, match=lost):
        create_missing(tmp_path, "localhost")
    assert not (tmp_path / lost).exists()


@pytest.mark.process
def test_the_command_names_what_it_created_and_no_secret(tmp_path):
    command = [sys.executable, "-m", "ciphercanary.server.initial_secrets", "--host", "localhost", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(done.stdout.splitlines()) == {f"created {tmp_path / name}" for name in contents(tmp_path)}
    assert done.stderr == ""
