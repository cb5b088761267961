"""A refused request names its keys in its event: the text of the request need not be valid."""

import json
from base64 import urlsafe_b64encode
from uuid import UUID, uuid4

import pytest

from audit.log.events import Event
from audit.named_keys import MAX_KEYS, may_name_keys, text_of, with_key, with_named_keys

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))
NAMED = Event(action="crypto.message.decrypted", object_type="key", object_id=str(ONE), meta={"rule": "r"})
NAMELESS = Event(action="crypto.message.decrypted", object_type="key")


def sealed(key_id):
    return "cc1." + urlsafe_b64encode(bytes([1, 1]) + key_id.bytes).decode()


def keys(text, event=NAMELESS):
    """The object and the other keys."""
    named = with_named_keys(event, text_of(text.encode()))
    return named.object_id, list(json.loads(named.meta_text).get("refused_keys", []))


@pytest.mark.parametrize(
    "text",
    [
        sealed(ONE),
        f'{{"ciphertext": "{sealed(ONE)}", "aad": ',
        f'{{"key_id" : "{ONE}"}}',
        f'{{"key_id":\n"{ONE}"',
        f"operation=decrypt&key_id={ONE}&name=x",
        f'{{"key_id": "{ONE}"}}'.replace("k", "\\u006b").replace("-", "\\u002d"),
        f'"{sealed(ONE)}"'.replace("c", "\\u0063").replace(".", "\\u002E"),
    ],
)
def test_the_object_is_the_key_that_the_text_names(text):
    assert keys(text) == (str(ONE), [])


def test_a_ciphertext_comes_before_a_reference_and_each_key_once():
    text = f'{{"key_id": "{THREE}", "items": ["{sealed(ONE)}", "{sealed(TWO)}", "{sealed(ONE)}"]}}'
    assert keys(text) == (str(ONE), [str(TWO), str(THREE)])


@pytest.mark.parametrize(
    "text", ["", "{}", "cc1.", sealed(ONE)[:-1], f'{{"key": "{ONE}"}}', '"key_id": "name:NO"', "\\u"]
)
def test_other_texts_name_no_key(text):
    assert keys(text) == ("", [])
    assert with_named_keys(NAMED, text) == NAMED


def test_a_name_is_kept_as_it_was_sent():
    assert keys('{"key_id": "name:payments-db"}') == ("name:payments-db", [])
    assert keys(f'{{"key_id": "name:{"x" * 65}"}}') == ("", [])


def test_an_object_of_the_view_stays_and_its_name_is_no_other_key():
    assert keys('{"key_id": "name:payments-db"}', NAMED) == (str(ONE), [])
    named = with_named_keys(NAMED, sealed(TWO) + sealed(ONE))
    assert (named.object_id, named.meta) == (str(ONE), {"rule": "r", "refused_keys": [str(TWO)]})


def test_the_name_of_a_transit_key_names_it():
    longest = f"vault:transit/{'a' * 86}"
    for name in ("vault:transit/Orders_v2.x", "vault:a/b/c", longest):
        assert keys(f'{{"key_id": "{name}"}}') == (name, [])
    assert keys(f'{{"key_id": "{longest}a"}}') == ("", [])


def test_the_target_of_a_reencryption_is_another_key():
    assert keys(f'{{"ciphertext": "{sealed(ONE)}", "key_id": "name:target"}}', NAMED) == (
        str(ONE),
        ["name:target"],
    )


def test_the_number_of_keys_is_bounded():
    ids = [uuid4() for _ in range(100)]
    ciphertexts, references = "".join(map(sealed, ids)), "&".join(f"key_id={key_id}" for key_id in ids[50:])
    first, *others = map(str, ids[:20])
    assert keys(ciphertexts) == (first, others)
    assert keys(references) == (str(ids[50]), [str(key_id) for key_id in ids[51:70]])
    assert keys(ciphertexts + "&" + references) == (first, [*others, str(ids[50])])
    assert len(keys(ciphertexts + "&" + references, NAMED)[1]) == MAX_KEYS == 20


@pytest.mark.parametrize(
    "action",
    ["crypto.csr.signed", "keys.file.requested", "console.first_key.decrypted", "api.request.refused"],
)
def test_operations_and_requests_without_an_endpoint_may_name_keys(action):
    assert may_name_keys(action)


def test_the_bodies_of_sign_ins_are_not_searched():
    assert not may_name_keys("accounts.session.opened")


def test_an_object_without_an_id_becomes_a_key():
    named = with_key(Event(action="crypto.message.decrypted"), ONE)
    assert (named.object_type, named.object_id) == ("key", str(ONE))
    assert with_key(named, TWO) == with_key(named, None) == named
