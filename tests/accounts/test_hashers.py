import base64
import threading

import pytest
from django.contrib.auth.hashers import make_password, verify_password

from accounts import hashers
from accounts.hashers import BoundedArgon2PasswordHasher, hash_slot
from kernel.errors import Throttled
from tests.conftest import FULL_COST


def test_a_hash_has_the_cost_the_specification_names(full_cost):
    encoded = make_password("correct horse battery staple")
    assert encoded.startswith("argon2$argon2id$v=19$m=65536,t=3,p=4$")
    digest = encoded.rpartition("$")[2]
    assert len(base64.b64decode(digest + "=")) == 32
    assert verify_password("correct horse battery staple", encoded) == (True, False)
    assert verify_password("correct horse battery stapler", encoded)[0] is False


@pytest.fixture
def full_cost(monkeypatch):
    """The cost of the product, which tests/conftest.py lowers."""
    for name, value in FULL_COST.items():
        monkeypatch.setattr(BoundedArgon2PasswordHasher, name, value)


def test_no_more_than_three_hashes_are_computed_at_once(monkeypatch):
    monkeypatch.setattr(hashers, "SECONDS_TO_WAIT", 0.05)
    release, holding = threading.Event(), threading.Barrier(4)

    def hold():
        with hash_slot():
            holding.wait(60)
            release.wait(60)

    threads = [threading.Thread(target=hold) for _ in range(3)]
    for thread in threads:
        thread.start()
    holding.wait(60)
    with pytest.raises(Throttled) as refusal:
        make_password("one too many")
    assert refusal.value.retry_after == 1
    release.set()
    for thread in threads:
        thread.join()
    assert make_password("now there is room")


def test_a_thread_that_holds_a_place_enters_again():
    with hash_slot(), hash_slot():
        assert verify_password("x", make_password("x"))[0]


def test_a_failure_gives_the_place_back():
    for _ in range(5):
        with pytest.raises(ValueError, match="inside"), hash_slot():
            raise ValueError("inside")
    assert make_password("there is room")
