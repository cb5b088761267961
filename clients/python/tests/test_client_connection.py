"""Where the client connects: its URL, its token, and redirects."""

import httpx
import pytest
from client_responses import KEY, TOKEN, URL

from ciphercanary_client import ApiError, Client


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "missing"),
        ("keys.example.org", "begins with"),
        ("ftp://keys.example.org", "begins with"),
        ("https://", "begins with"),
        ("http://keys.example.org", "Plain HTTP"),
        ("http://127.0.0.1.example.org", "Plain HTTP"),
        ("http://10.0.0.1", "Plain HTTP"),
        ("https://user:secret@keys.example.org", "no user"),
        ("https://keys.example.org/?a=b", "no user"),
        ("https://keys.example.org:port", "a port"),
        ("https://keys.example.org/api/v1/", "before /api/v1"),
    ],
)
def test_a_url_that_cannot_be_meant_is_rejected(monkeypatch, url, reason):
    monkeypatch.delenv("CIPHERCANARY_URL", raising=False)
    with pytest.raises(ValueError, match=reason) as raised:
        Client(url, TOKEN)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:80", URL, f"{URL}/kms/"]
)
def test_other_urls_are_accepted(url):
    Client(url, TOKEN).close()


def test_plain_http_elsewhere_can_be_allowed():
    Client("http://keys.internal", TOKEN, allow_http=True).close()


@pytest.mark.parametrize("token", ["", "two words", "line\n", "ünicode"])
def test_a_token_that_is_none_is_rejected_without_being_shown(monkeypatch, token):
    monkeypatch.delenv("CIPHERCANARY_TOKEN", raising=False)
    with pytest.raises(ValueError, match="token") as raised:
        Client(URL, token)
    assert not token or token not in str(raised.value)


def test_url_and_token_come_from_the_environment(monkeypatch, server):
    monkeypatch.setenv("CIPHERCANARY_URL", f"{URL}/kms")
    monkeypatch.setenv("CIPHERCANARY_TOKEN", TOKEN)
    server.will_respond((200, KEY))
    with Client(transport=httpx.MockTransport(server)) as client:
        assert client.key("name:orders").id == KEY["id"]
        assert TOKEN not in repr(client)
    [request] = server.requests
    assert str(request.url) == f"{URL}/kms/api/v1/keys/name:orders"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


def test_a_redirect_is_an_error(client, server):
    server.will_respond(httpx.Response(307, headers={"Location": "https://elsewhere.example/"}))
    with pytest.raises(ApiError, match="307"):
        client.decrypt("cc1.AAAA")
    assert len(server.requests) == 1
