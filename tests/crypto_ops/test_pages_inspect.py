"""The page that inspects a ciphertext does what the API does."""

import pytest

from tests.browsing import plain, signed_in
from tests.log_entries import log_rows

CUT = 60
ACTION = "crypto.message.inspected"


@pytest.fixture
def ciphertext(bench, key):
    return bench.encrypt(key["id"]).json["ciphertext"]


def inspect(persona, text):
    return signed_in(persona).post("/inspect/", {"ciphertext": text})


def last_entry():
    entry = log_rows().filter(action=ACTION).last()
    return (entry.object_id, entry.object_version, entry.outcome)


def test_the_page_shows_the_header_and_records_the_inspection(bench, key, ciphertext):
    response = inspect(bench.persona, f"  {ciphertext}\r\n")
    found = response.context["found"]
    assert (str(found.key_id), found.key_version, found.may_decrypt) == (key["id"], 1, True)
    for shown in (key["name"], "Version 1", "(primary)", "aes-256-gcm", "Active", "Enabled", "Yes"):
        assert shown in plain(response)
    assert "no-store" in response["Cache-Control"]
    assert last_entry() == (key["id"], 1, "ok")


def test_a_key_out_of_reach_is_refused_as_one_that_does_not_exist(bench, key, ciphertext, developer):
    response = inspect(developer, ciphertext)
    assert (response.status_code, "you cannot see the key" in plain(response)) == (422, True)
    assert key["name"] not in plain(response)
    assert last_entry() == (key["id"], None, "denied")


@pytest.mark.parametrize("text", ["hello", "cc1.!", ""], ids=["another text", "a wrong character", "nothing"])
def test_the_field_says_what_is_wrong(bench, text):
    response = inspect(bench.persona, text)
    assert (response.status_code, list(response.context["form"].errors)) == (422, ["ciphertext"])


def test_a_ciphertext_that_is_cut_off_names_its_key_in_the_log(bench, key, ciphertext):
    assert inspect(bench.persona, ciphertext[:CUT]).status_code == 422
    assert last_entry() == (key["id"], None, "error")
