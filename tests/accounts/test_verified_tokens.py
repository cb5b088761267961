from dataclasses import replace
from datetime import timedelta

import pytest

from accounts.tokens import verified_tokens
from kernel.clock import process_now

NOW = process_now()


@pytest.fixture
def principal(developer):
    return replace(developer.principal, not_after=NOW + timedelta(minutes=5))


def test_a_verified_token_is_found_until_it_is_forgotten(principal):
    assert verified_tokens.find("a.b.c", NOW) is None
    verified_tokens.remember("a.b.c", principal)
    assert verified_tokens.find("a.b.c", NOW) is principal
    assert verified_tokens.find("a.b.d", NOW) is None
    verified_tokens.forget("a.b.c")
    assert verified_tokens.find("a.b.c", NOW) is None


def test_a_token_is_held_no_longer_than_it_lives(principal):
    verified_tokens.remember("a.b.c", principal)
    assert verified_tokens.find("a.b.c", NOW + timedelta(minutes=4)) is principal
    assert verified_tokens.find("a.b.c", NOW + timedelta(minutes=5)) is None
    assert verified_tokens.find("a.b.c", NOW) is None, "it is gone, not hidden"


def test_the_least_recently_used_goes_first(principal, monkeypatch):
    monkeypatch.setattr(verified_tokens, "MAX_CACHED", 2)
    verified_tokens.remember("first", principal)
    verified_tokens.remember("second", principal)
    verified_tokens.find("first", NOW)
    verified_tokens.remember("third", principal)
    cached = [name for name in ("first", "second", "third") if verified_tokens.find(name, NOW)]
    assert cached == ["first", "third"]


def test_no_token_is_kept_itself(principal):
    verified_tokens.remember("a.b.c", principal)
    assert not any(b"a.b.c" in digest for digest in verified_tokens._tokens.current.verified)
