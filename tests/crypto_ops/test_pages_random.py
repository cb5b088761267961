"""The page of random bytes does what the API does."""

import base64

import pytest

from tests.browsing import plain, signed_in
from tests.log_entries import log_rows


def generate(persona, **fields):
    return signed_in(persona).post("/random/", fields)


@pytest.mark.parametrize(("form", "read"), [("base64", base64.b64decode), ("hex", bytes.fromhex)])
def test_the_page_shows_that_many_bytes_and_records_the_request(admin, form, read):
    response = generate(admin, bytes=48, format=form)
    assert len(read(response.context["data"])) == 48
    assert response.context["data"] in plain(response)
    assert "no-store" in response["Cache-Control"]
    [entry] = log_rows().filter(action="crypto.random.generated")
    assert (entry.source, entry.outcome, entry.size) == ("console", "ok", 48)


@pytest.mark.parametrize("size", ["0", "65537", "many", ""])
def test_the_field_says_what_is_wrong(admin, size):
    response = generate(admin, bytes=size, format="hex")
    assert (response.status_code, list(response.context["form"].errors)) == (422, ["bytes"])
    assert not log_rows().filter(action="crypto.random.generated").exists()
