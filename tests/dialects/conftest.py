from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from keys.models import Key, TransitKey
from tests.personas import ApiClient, Persona, Response, b64

TEXT = b"the canary sings at four"


@dataclass(frozen=True)
class Vault:
    """A client of the transit engine. ``token``: of its requests, "" for none."""

    token: str
    api: ApiClient = field(default_factory=ApiClient)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        sent = {"X_Vault_Token": self.token} if self.token else {}
        return self.api.send(method, f"/v1/{path}", body, **sent | headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Response:
        return self.send("POST", f"transit/{path}", {} if body is None else body, **headers)

    def data(self, path: str, body: Any = None) -> dict[str, Any]:
        """The data of a success."""
        response = self.post(path, body)
        assert response.status == 200, response.json
        return dict(response.json["data"])

    def error(self, path: str, body: Any = None) -> str:
        """The only text of a refusal with status 400."""
        response = self.post(path, body)
        assert (response.status, len(response.json["errors"])) == (400, 1), response.json
        return str(response.json["errors"][0])

    def encrypt(self, name: str, text: bytes = TEXT, **members: Any) -> str:
        return str(self.data(f"encrypt/{name}", {"plaintext": b64(text), **members})["ciphertext"])


def vault_of(persona: Persona) -> Vault:
    return Vault(persona.api.token)


def native_key(name: str) -> Key:
    """The key with this name in the mount."""
    return TransitKey.objects.select_related("key").get(mount="transit", name=name).key


@pytest.fixture
def vault(admin: Persona, transactional_db: None) -> Vault:
    """The client of an administrator. Transactional, because an operation reserves its invocations in a separate commit."""
    return vault_of(admin)


@pytest.fixture
def rotated(vault: Vault) -> Callable[..., str]:
    """Creates a key with some versions."""

    def create(name: str = "orders", versions: int = 3, **members: Any) -> str:
        vault.data(f"keys/{name}", members)
        for _ in range(versions - 1):
            vault.data(f"keys/{name}/rotate")
        return name

    return create
