"""The page that imports a key fetches the import parameters."""

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
