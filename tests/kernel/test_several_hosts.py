"""Several hosts in the URL of a service."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from kernel.environment.redis_urls import Sentinels
from kernel.environment.variables import Environment

WRITABLE = {"target_session_attrs": "read-write", "connect_timeout": 2}


@pytest.mark.parametrize(
    ("url", "host", "port", "options"),
    [
        ("postgres://u:p@h1:5432,h2:5433/db", "h1,h2", "5432,5433", WRITABLE),
        ("postgres://u:p@h1,h2:5433/db", "h1,h2", ",5433", WRITABLE),
        ("postgres://u:p@[::1]:5432,[fe80::2]/db", "::1,fe80::2", "5432,", WRITABLE),
        ("postgres://u:p@h1,[::2]:5433/db", "h1,::2", ",5433", WRITABLE),
        (
            "postgres://u:p@h1,h2/db?target_session_attrs=primary&connect_timeout=4",
            "h1,h2",
            ",",
            {"target_session_attrs": "primary", "connect_timeout": 4},
        ),
        (
            "postgres://u:p@/db?host=h1,h2&port=5432,5433",
            "",
            "",
            WRITABLE | {"host": "h1,h2", "port": "5432,5433"},
        ),
        ("postgres://u:p@h1:5432/db", "h1", 5432, {}),
    ],
)
def test_libpq_gets_every_host_with_its_own_port(url, host, port, options, monkeypatch):
    monkeypatch.setenv("DATABASE", url)
    described = Environment().db_url("DATABASE", "")
    assert (described["HOST"], described["PORT"]) == (host, port)
    assert described.get("OPTIONS", {}) == options
    assert (described["USER"], described["PASSWORD"], described["NAME"]) == ("u", "p", "db")


@pytest.mark.parametrize(
    "hosts", ["h1,", ",h2", "h1,h2:x", "h1:99999,h2", "h1,[::2", "h1,h2?sslmode=verify-full"]
)
def test_a_list_with_an_unusable_host_is_refused(hosts, monkeypatch):
    monkeypatch.setenv("DATABASE", f"postgres://u:not-to-be-seen@{hosts}/db")
    with pytest.raises(ImproperlyConfigured) as refusal:
        Environment().db_url("DATABASE", "")
    assert "DATABASE must be a URL" in str(refusal.value)
    assert "not-to-be-seen" not in str(refusal.value)


def test_sentinels_and_their_master_are_read_from_one_url():
    read = Sentinels.read("redis+sentinel://user:p%40ss@s1:26380,[::2]/keys/3")
    assert read == Sentinels([("s1", 26380), ("::2", 26379)], "keys", 3, "user", "p@ss")
    assert read.broker == (
        "sentinel://user:p%40ss@s1:26380/3;sentinel://user:p%40ss@[::2]:26379/3",
        {"master_name": "keys"},
    )
    assert Sentinels.read("redis://s1:6379/0") is None


@pytest.mark.parametrize("rest", ["s1:26379", "s1,/keys", "s1:x/keys", "s1/keys/x", "/keys", "s1/a b"])
def test_an_unusable_list_of_sentinels_is_refused(rest, monkeypatch):
    monkeypatch.setenv("CACHE", f"redis+sentinel://:not-to-be-seen@{rest}")
    with pytest.raises(ImproperlyConfigured) as refusal:
        Environment().redis_url("CACHE")
    assert "CACHE must be a URL" in str(refusal.value)
    assert "not-to-be-seen" not in str(refusal.value)
