import json

import pytest

from conformance.calling import REFERENCE, Call, Response, all_calls
from conformance.differences import expected
from conformance.golden import RECORDING, compare
from conformance.normalising import Normaliser


@pytest.fixture(scope="module")
def recorded():
    return json.loads(RECORDING.read_text())


@pytest.fixture
def conforming(recorded):
    """The responses of a server with exactly the accepted differences."""
    other = {"status": 200, "body": {}}
    return {name: expected(name, theirs, other) for name, theirs in recorded.items()}


def test_each_call_is_recorded_and_refers_to_earlier_ones(recorded):
    calls = all_calls()
    assert [call.name for call in calls] == list(recorded)
    earlier = set()
    for call in calls:
        assert {name for _, _, name in REFERENCE.findall(call.body or "")} <= earlier
        earlier.add(call.name)


def test_accepted_differences_pass(conforming):
    assert compare(conforming) == 0


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("encrypt plain", {"status": 500, "body": {}}),  # a difference without an entry
        ("both tokens", {"status": 200, "body": {}}),  # another status than the entry's
        ('POST transit/sign/ed25519 {"input":"aGVsbG8=","key_version":9}', {"status": 400, "body": {}}),
        ("invented", {"status": 200, "body": {}}),
    ],
)
def test_other_differences_fail(conforming, name, response):
    assert compare(conforming | {name: response}) == 1


def test_an_entry_without_a_difference_fails(conforming, recorded):
    assert compare(conforming | {"both tokens": recorded["both tokens"]}) == 1


def test_random_values_keep_their_length_and_their_equality():
    normaliser = Normaliser()

    def body(name, data):
        response = Response(200, "application/json", json.dumps(data))
        return normaliser.normal(Call(name, "POST", "transit/encrypt/a", None, {}), response)["body"]

    text = "vault:v2:" + "A" * 44
    assert body("first", {"ciphertext": text}) == {"ciphertext": "vault:v2:<33 bytes>"}
    assert body("second", {"ciphertext": text}) == {"ciphertext": "vault:v2:<as first>"}
    assert body("third", {"plaintext": "aGVsbG8=", "error": "x", "ttl": 0}) == {
        "plaintext": "aGVsbG8=",
        "error": "x",
        "ttl": 0,
    }
