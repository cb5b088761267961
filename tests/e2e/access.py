"""Objects that the demo lacks: a signing key, a service account, tokens, a grant, a webhook, and a log target."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from tests.product import Product

GRANTED = "card-pan-vault"
ACCOUNT = "billing-worker"
SIGNING = "releases"


def add_token(product: Product, username: str) -> None:
    """Create a token of the user."""
    _create(product, username, "/api/v1/tokens", _token())


def add_signing_key(product: Product, username: str) -> None:
    """Create the key ``SIGNING`` of the user unless it exists."""
    body = {"name": SIGNING, "algorithm": "ec-p256"}
    made = product.send("POST", "/api/v1/keys", body, token=product.token(username))
    assert made.status == HTTPStatus.CREATED or made.code == "name_taken", made.content


def add_account(product: Product, username: str) -> None:
    """Create, as an administrator, a service account with a token and a grant on the key ``GRANTED`` unless it exists."""
    known = product.send("GET", "/api/v1/service-accounts", token=product.token(username)).json["results"]
    if any(each["name"] == ACCOUNT for each in known):
        return
    body = {"name": ACCOUNT, "role": "developer", "description": "Encrypts invoices."}
    account = _create(product, username, "/api/v1/service-accounts", body)["id"]
    _create(product, username, "/api/v1/tokens", _token() | {"service_account_id": account})
    grantee = {"principal_type": "service_account", "principal_id": account, "operations": ["encrypt"]}
    _create(product, username, f"/api/v1/keys/name:{GRANTED}/grants", grantee)


def add_webhook(product: Product, username: str) -> None:
    """Create a webhook with the delivery of a test. No server responds to it."""
    body = {
        "name": "team-chat",
        "url": "https://hooks.invalid/keys",
        "topics": ["audit.alarm", "key.expiring"],
    }
    webhook = _create(product, username, "/api/v1/webhooks", body)["id"]
    token = product.token(username)
    assert product.send("POST", f"/api/v1/webhooks/{webhook}/test", {}, token=token).status == 202


def add_log_target(product: Product, username: str) -> None:
    """Create a log target unless one exists. No server responds to it."""
    token = product.token(username)
    if product.send("GET", "/api/v1/audit/log-targets", token=token).json["results"]:
        return
    body = {
        "name": "SIEM",
        "url": "https://siem.invalid/services/collector/event",
        "format": "ocsf",
        "style": "splunk",
        "credential": "Splunk not-a-secret",
        "actions": ["accounts.", "keys."],
        "outcomes": ["denied"],
    }
    _create(product, username, "/api/v1/audit/log-targets", body)


def _token() -> dict[str, object]:
    expires_at = f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%dT%H:%M:%SZ}"
    return {"name": "app-3", "scopes": ["keys.read"], "expires_at": expires_at, "networks": ["192.0.2.0/24"]}


def _create(product: Product, username: str, path: str, body: dict[str, object]) -> dict[str, object]:
    reply = product.send("POST", path, body, token=product.token(username))
    assert reply.status == 201, reply.content
    return reply.json
