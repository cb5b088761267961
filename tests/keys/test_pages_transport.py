"""Import and export in a browser."""

import re
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import connection

from accounts.sessions.browser_sessions import CONFIRMED_AT
from kernel.clock import database_now
from keys.models import Key
from keys.reading import services
from keys.ring.key_loading import load_key
from tests.browsing import form_of, plain, signed_in, text
from tests.foreign_keys import new_key as foreign_key
from tests.foreign_keys import private_bytes, public_bytes
from tests.log_entries import log_rows
from tests.personas import b64

pytestmark = pytest.mark.django_db

PLAIN_HTTP = {"X-Forwarded-For": "203.0.113.9"}


@pytest.fixture
def browser(admin):
    return signed_in(admin)


@pytest.fixture
def exportable(new_key):
    return new_key(exportable=True)


def send_import(browser, **fields):
    given = {"name": "legacy", "algorithm": "ed25519", "format": "pem", "material": ""}
    return browser.post("/keys/import", given | fields)


def send_export(browser, key, **fields):
    path = f"/keys/{key.name}/export"
    given = {name: values[0] for name, values in form_of(browser.get(path)).items()}
    return browser.post(path, given | {"reason": "moves", "name": key.name} | fields)


def test_the_algorithm_of_an_imported_key_has_to_be_chosen(browser):
    first = re.search(
        r'<select name="algorithm".*?<option value="(.*?)"', text(browser.get("/keys/import")), re.DOTALL
    )
    refused = send_import(browser, algorithm=first[1])
    assert refused.status_code == 422
    assert "Algorithm: This field is required." in plain(refused)


def test_a_pasted_pem_becomes_a_key(browser):
    key = foreign_key("ed25519")
    done = send_import(browser, material=private_bytes(key, Encoding.PEM).decode(), tags="old, hsm")
    assert (done.status_code, done["Location"]) == (303, "/keys/legacy/")
    made = Key.objects.get()
    assert (made.origin, made.tags) == ("imported", ["old", "hsm"])
    assert load_key(made.id).versions[1]._unwrap().expose() == private_bytes(key)
    assert "Imported. Another system may have copies." in plain(browser.get("/keys/legacy/"))


def test_pasted_base64_may_have_line_breaks(browser):
    send_import(browser, algorithm="aes-256", format="raw", material="\r\n " + b64(bytes(32)) + "\r\n")
    assert Key.objects.get().algorithm == "aes-256"


def test_refused_material_is_at_its_field_and_not_shown_again(browser):
    refused = send_import(browser, material="-----BEGIN PRIVATE KEY-----\nc2VjcmV0", description="kept")
    assert refused.status_code == 422
    assert "Expected one key in PEM" in plain(refused)
    assert "c2VjcmV0" not in text(refused)
    assert "kept" in text(refused)
    [area] = re.findall(r"<textarea name=\"material\"[^>]*>", text(refused))
    assert 'autocomplete="off"' in area


def test_a_public_connection_offers_no_plain_format(browser):
    page = text(browser.get("/keys/import", headers=PLAIN_HTTP))
    assert "This connection is not encrypted" in page
    assert 'value="public"' in page
    assert 'value="pem"' not in page
    refused = browser.post(
        "/keys/import",
        {"name": "legacy", "algorithm": "aes-256", "format": "raw", "material": b64(bytes(32))},
        headers=PLAIN_HTTP,
    )
    assert refused.status_code == 422
    assert not Key.objects.exists()


def test_every_algorithm_can_be_chosen_and_rsa_2048_only_here(browser):
    assert 'value="rsa-2048:sign"' in text(browser.get("/keys/import"))
    assert "rsa-2048" not in text(browser.get("/keys/new"))


def test_the_list_and_the_creation_lead_to_the_import(browser, developer):
    for page in ("/keys/", "/keys/new"):
        assert 'href="/keys/import"' in text(browser.get(page))
        assert 'href="/keys/import"' not in text(signed_in(developer).get(page))


def test_a_public_key_offers_only_what_it_can_do(browser):
    pem = public_bytes(foreign_key("ed25519"), Encoding.PEM).decode()
    send_import(browser, material=pem)
    page = plain(browser.get("/keys/legacy/"))
    assert "The private key is not on this server." in page
    assert "Rotate now" not in page
    assert "Only the public key is on this server." in plain(browser.get("/keys/legacy/try/"))
    assert "no new material can be generated" in plain(browser.get("/keys/legacy/rotate"))


def test_an_export_shows_the_material_once(browser, exportable):
    shown = send_export(browser, exportable)
    material = b64(load_key(exportable.id).versions[1]._unwrap().expose())
    assert shown.status_code == 200
    assert material in text(shown)
    assert "This is the key itself." in plain(shown)
    assert shown["Cache-Control"] == "no-store"
    assert log_rows().get(action="keys.key.exported").object_id == str(exportable.id)
    for page in ("", "settings/", "activity/"):
        assert material not in text(browser.get(f"/keys/{exportable.name}/{page}"))


def test_a_reload_exports_nothing_again(browser, exportable):
    path = f"/keys/{exportable.name}/export"
    given = {name: values[0] for name, values in form_of(browser.get(path)).items()}
    given |= {"reason": "moves", "name": exportable.name}
    assert browser.post(path, given).status_code == 200
    assert browser.post(path, given).status_code == 303
    assert log_rows().filter(action="keys.key.exported").count() == 1


def test_a_wrapping_key_may_be_pem_or_base64(browser, exportable):
    recipient = foreign_key("rsa-3072")
    for pasted in (public_bytes(recipient, Encoding.PEM).decode(), b64(public_bytes(recipient))):
        shown = send_export(browser, exportable, wrapping_key=pasted)
        assert "wrapped for the owner of the wrapping key" in plain(shown)
    private = private_bytes(recipient, Encoding.PEM).decode()
    refused = send_export(browser, exportable, wrapping_key=private)
    assert (refused.status_code, "This is a private key." in plain(refused)) == (422, True)


def test_an_export_needs_the_typed_name_and_a_wrapping_key_on_a_public_connection(browser, exportable):
    assert send_export(browser, exportable, name="another").status_code == 422
    page = browser.get(f"/keys/{exportable.name}/export", headers=PLAIN_HTTP)
    assert "so a wrapping key is required" in plain(page)
    assert not log_rows().filter(action="keys.key.exported").exists()


def test_a_key_that_is_not_exportable_gives_the_reason_and_no_form(browser, key):
    page = browser.get(f"/keys/{key.name}/export")
    assert "not created as exportable" in plain(page)
    assert 'name="reason"' not in text(page)
    assert "Export" not in plain(browser.get(f"/keys/{key.name}/settings/")).partition("Danger")[0]


def test_the_settings_of_an_exportable_key_lead_to_its_export(browser, exportable, operator):
    link = f'href="/keys/{exportable.name}/export"'
    assert link in text(browser.get(f"/keys/{exportable.name}/settings/"))
    assert link not in text(signed_in(operator).get(f"/keys/{exportable.name}/settings/"))


def test_an_export_needs_a_recent_sign_in(browser, exportable):
    session = browser.session
    session[CONFIRMED_AT] = (database_now() - timedelta(hours=1)).isoformat()
    session.save()
    response = browser.get(f"/keys/{exportable.name}/export")
    assert response["Location"].startswith("/reauth/?next=")


def test_the_pages_run_few_statements(admin, exportable, connection_queries):
    browser = signed_in(admin)
    for path in ("/keys/import", f"/keys/{exportable.name}/export"):
        browser.get(path)
        with connection_queries() as statements:
            browser.get(path)
        assert len(statements) <= 12, connection.vendor
    assert services.get_key(principal=admin.principal, key_id=exportable.id).exportable
