"""The pages of a re-encryption job: progress, report, and Cancel for those who may feed it."""

import pytest

from audit.sequencing.bundles.step import sequence_step
from crypto_ops.models import Reencryption
from tests.browsing import plain, signed_in

JOBS = "/api/v1/reencryptions"


@pytest.fixture
def job(bench, developer):
    """A job of the developer with one of two rows done, whose version still decrypts."""
    api = developer.api
    key = api.post("/api/v1/keys", {"name": "payments-db", "algorithm": "aes-256"}).json
    sealed = bench.encrypt(key["id"]).json["ciphertext"]
    bench.change_key(key["id"], "rotate")
    job = api.post(JOBS, {"key_id": key["id"], "total": 2}).json
    api.post(f"{JOBS}/{job['id']}/pages", {"items": [{"ciphertext": sealed}]})
    bench.decrypt(ciphertext=sealed)
    while sequence_step():
        pass
    return job


def test_the_page_shows_progress_and_report(job, auditor):
    browser = signed_in(auditor)
    assert "1 of 2 items (50%)" in plain(browser.get("/jobs/"))
    shown = plain(browser.get(f"/jobs/reencryptions/{job['id']}/"))
    assert "1 of 2 items (50%)" in shown
    assert "Version 1 Still in use" in shown
    assert "Cancel job" not in shown, "an auditor changes nothing"


def test_the_owner_finds_and_cancels_the_job(job, developer, stranger):
    path, browser = f"/jobs/reencryptions/{job['id']}/", signed_in(developer)
    assert path in browser.get("/jobs/").content.decode()
    assert "Cancel job" in plain(browser.get(path))
    assert browser.post(f"{path}cancel").status_code == 303
    assert Reencryption.objects.get().status == "cancelled"
    assert "This job is cancelled" in plain(browser.post(f"{path}cancel", follow=True))

    other = signed_in(stranger)
    assert path not in other.get("/jobs/").content.decode()
    assert {other.get(path).status_code, other.post(f"{path}cancel").status_code} == {404}
