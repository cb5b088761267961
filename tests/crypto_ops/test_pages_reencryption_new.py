"""The page that begins a re-encryption leads to the job, whose page has the calls of the client."""

import pytest

from crypto_ops.models import Reencryption
from keys.states.services import revoke_key
from tests.browsing import plain, signed_in
from tests.factories import KeyFactory


def begin(browser, key, **fields):
    return browser.post(f"/keys/{key.name}/reencrypt-data", fields)


def test_a_job_begins_and_shows_its_calls(developer, db):
    key = KeyFactory(principal=developer.principal, name="payments")
    target = KeyFactory(principal=developer.principal, name="ledger")
    browser = signed_in(developer)
    assert (
        f'href="/keys/{key.name}/reencrypt-data"' in browser.get("/keys/payments/versions/").content.decode()
    )
    done = begin(browser, key, target_key_id="ledger", total="12")
    job = Reencryption.objects.get()
    assert (job.key_id, job.target_key_id, job.total) == (key.id, target.id, 12)
    assert done["Location"] == f"/jobs/reencryptions/{job.id}/"
    shown = plain(browser.get(done["Location"]))
    assert f"/api/v1/reencryptions/{job.id}/pages" in shown
    assert f"/api/v1/reencryptions/{job.id}/complete" in shown


def test_a_refusal_is_at_its_field(admin, db):
    key = KeyFactory(name="payments")
    browser = signed_in(admin)
    unknown = begin(browser, key, target_key_id="no-key")
    assert unknown.status_code == 422
    assert "This key does not exist, or you cannot see it." in plain(unknown)
    revoke_key(principal=admin.principal, key_id=key.id, reason="a leak", compromised=True)
    KeyFactory(name="ledger")
    compromised = begin(browser, key, target_key_id="ledger")
    assert list(compromised.context["form"].errors) == ["reason"]
    assert not Reencryption.objects.exists()


@pytest.mark.django_db
def test_a_key_without_ciphertexts_has_no_such_page(admin):
    key = KeyFactory(name="releases", algorithm="ed25519")
    assert signed_in(admin).get(f"/keys/{key.name}/reencrypt-data").status_code == 404
