"""The console pages of files: uploads with the token of the session, job pages, and downloads."""

import io

import pytest
from django.test import Client

from crypto_ops.files import storage
from crypto_ops.models import FileJob
from tests.audit.exports.exporting import work
from tests.browsing import plain, signed_in, text
from tests.crypto_ops.file_jobs import opened, stored

ENCRYPT = "/files/upload/?operation=encrypt&key=bench-aes-256"
DECRYPT = "/files/upload/?operation=decrypt"


@pytest.fixture
def browser(bench, key):
    """A browser whose forms need their token."""
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = signed_in(bench.persona).cookies
    return strict


def token_of(browser):
    browser.get("/files/new/?key=bench-aes-256")
    return browser.cookies["csrftoken"].value


def upload(browser, path, content, token=None, **headers):
    form = {"csrfmiddlewaretoken": token_of(browser) if token is None else token}
    return browser.post(path, {**form, "file": io.BytesIO(content)}, **headers)


def test_a_file_is_uploaded_encrypted_and_downloaded(browser, bench):
    response = upload(browser, ENCRYPT, b"four")
    job = FileJob.objects.get()
    assert (response.status_code, response["Location"]) == (303, f"/jobs/files/{job.id}/")
    work()
    page = browser.get(response["Location"])
    assert "Download" in plain(page)
    form = {"csrfmiddlewaretoken": token_of(browser)}
    downloaded = b"".join(browser.post(f"/files/{job.id}/content", form).streaming_content)
    assert opened(bench, downloaded) == b"four"


def test_a_script_gets_the_address_of_the_job(browser):
    response = upload(browser, ENCRYPT, b"four", headers={"HX-Request": "true"})
    assert (response.status_code, str(FileJob.objects.get().id) in response["HX-Location"]) == (200, True)


@pytest.mark.parametrize("token", ["", "a" * 64], ids=["none", "another"])
def test_a_file_without_the_token_of_the_session_is_refused(browser, token):
    response = upload(browser, ENCRYPT, b"four", token)
    assert (response.status_code, "out of date" in text(response)) == (403, True)
    assert (stored(), FileJob.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/files/upload/?operation=sign", 400),
        ("/files/upload/", 400),
        ("/files/upload/?operation=encrypt&key=missing", 404),
        (DECRYPT, 400),
    ],
    ids=["another operation", "no operation", "no key", "no stream"],
)
def test_a_bad_upload_is_a_page_with_the_reason(browser, path, status):
    response = upload(browser, path, b"four")
    assert (response.status_code, response["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert stored() == []


def test_no_plaintext_reaches_a_browser_if_the_console_may_not_decrypt(browser, bench, settings):
    upload(browser, ENCRYPT, b"four")
    work()
    sealed = next(storage.FOLDER.path.iterdir()).read_bytes()
    upload(browser, DECRYPT, sealed)
    work()
    settings.CC_CONSOLE_DECRYPT = False
    job = FileJob.objects.get(operation="decrypt")
    assert "turned off" in plain(browser.get("/files/new/"))
    assert "Download it with the API" in plain(browser.get(f"/jobs/files/{job.id}/"))
    form = {"csrfmiddlewaretoken": token_of(browser)}
    assert browser.post(f"/files/{job.id}/content", form).status_code == 422
    assert upload(browser, DECRYPT, sealed).status_code == 422
    assert opened(bench, sealed) == b"four"


def test_the_job_of_another_developer_is_not_found(browser, stranger):
    upload(browser, ENCRYPT, b"four")
    job = FileJob.objects.get()
    other = signed_in(stranger)
    assert other.get(f"/jobs/files/{job.id}/").status_code == 404
    assert other.post(f"/files/{job.id}/content").status_code == 404
