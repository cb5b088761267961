"""A SQLite installation moves to PostgreSQL with its keys, its log, and the proofs about it."""

import subprocess
import sys

import pytest

from tests.product import ROOT, Product, b64, drop_database, new_database

pytestmark = [pytest.mark.postgresql, pytest.mark.process]


@pytest.fixture
def target():
    url = new_database()
    yield url
    drop_database(url)


def ccverify(*arguments):
    return subprocess.run(
        [sys.executable, ROOT / "bin" / "ccverify", *arguments], capture_output=True, text=True, check=False
    )


def test_everything_moves_and_earlier_proofs_stay_valid(tmp_path, target):
    product = Product(tmp_path, database="")
    with product:
        token = product.token()
        key = product.send(
            "POST", "/api/v1/keys", {"name": "moved", "algorithm": "aes-256"}, token=token
        ).json
        message = {"algorithm": "aes-256-gcm", "data": b64(b"moved"), "key_id": key["id"]}
        sealed = product.send("POST", "/api/v1/encrypt", message, token=token).json["ciphertext"]
        assert product.send("GET", "/api/v1/keys/import-parameters", token=token).status == 200
        running = product.manage("copy_to_postgresql", typed=target)
        assert (running.returncode, "server is running" in running.stderr) == (1, True)
        product.stop()
        exported = product.manage("export_audit_log", str(tmp_path / "export"))
        assert exported.returncode == 0, exported.stderr

        wrong = product.manage("copy_to_postgresql", typed="sqlite:////tmp/x.sqlite3\n")
        assert "must be a URL such as postgresql://" in wrong.stderr
        done = product.manage("copy_to_postgresql", typed=f"{target}\n")

        assert done.returncode == 0, done.stderr
        assert "entries of the audit log verified" in done.stdout
        again = product.manage("copy_to_postgresql", typed=f"{target}\n")
        assert "already has tables" in again.stderr
        assert not (product.home / "copy-to-postgresql").exists()

        refused = product.run()  # with SQLite, which is older now
        assert refused.returncode == 1
        assert "older copy" in refused.stderr

        product.environment["DATABASE_URL"] = product.database = target
        product.start()
        opened = product.send("POST", "/api/v1/decrypt", {"ciphertext": sealed}, token=product.token())
        assert opened.json["data"] == b64(b"moved")
        assert product.manage("export_audit_log", str(tmp_path / "later")).returncode == 0
    keys = (tmp_path / "export" / "keys").read_text().split()
    pinned = [word for key in keys for word in ("--key", key)]
    earlier = str(tmp_path / "export" / "checkpoint")
    verified = ccverify("verify-export", str(tmp_path / "later"), *pinned, "--checkpoint", earlier)
    assert verified.returncode == 0, verified.stdout + verified.stderr
