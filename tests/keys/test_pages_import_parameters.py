"""The page that imports a key fetches the import parameters."""

import re

import pytest

from keys.models import ImportParameters
from tests.browsing import signed_in, text


def test_a_button_fetches_the_parameters_and_keeps_the_form_without_the_material(admin, db):
    browser = signed_in(admin)
    given = {"name": "ledger", "algorithm": "aes-256", "format": "hpke", "material": "c2VjcmV0"}
    page = text(browser.post("/keys/import", given | {"fetch_parameters": "1"}))
    row = ImportParameters.objects.get()
    assert f'value="{row.pk}"' in page
    assert "BEGIN PUBLIC KEY" in page
    assert 'value="ledger"' in page
    assert '<option value="hpke" selected>' in page
    assert "c2VjcmV0" not in page


@pytest.mark.parametrize(
    ("algorithm", "formats"),
    [
        ("aes-256", ["raw", "jwk", "wrapped", "hpke"]),
        ("ed25519", ["pem", "pkcs8", "jwk", "public", "wrapped", "hpke"]),
    ],
)
def test_the_formats_follow_the_algorithm(admin, db, algorithm, formats):
    browser = signed_in(admin)
    query = {"algorithm": algorithm, "format": "jwk"}
    part = text(
        browser.get("/keys/import", query, headers={"HX-Request": "true", "HX-Target": "format-choice"})
    )
    assert re.findall(r'<option value="(\w+)"', part) == formats
    assert '<option value="jwk" selected>' in part
    other = {"raw", "pem"}.difference(formats).pop()
    page = text(browser.post("/keys/import", {"name": "ledger", "material": "AA", **query, "format": other}))
    assert "Choose a format that suits the algorithm and the connection." in page
