import pickle

import pytest

from ciphercanary.cache import PlainSerializer


class Trap:
    """Unpickled, it would run code in this process."""

    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


def test_nothing_that_lies_in_redis_is_unpickled():
    assert PlainSerializer({}).loads(pickle.dumps(Trap())) is None
    assert not Trap.sprung


@pytest.mark.parametrize("octets", [b"[" * 100_000, b"\xff", b"", b"{"])
def test_what_is_no_json_is_nothing(octets):
    assert PlainSerializer({}).loads(octets) is None
