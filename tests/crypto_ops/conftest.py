from dataclasses import dataclass
from typing import Any

import pytest

from kernel.crypto.modes import SEALING_MODES
from tests.crypto_ops.stream_client import StreamInterface
from tests.personas import Persona, b64

PLAINTEXT = b"the canary sings at four\x00\xff"


@dataclass(frozen=True)
class Workbench:
    """One persona, with a key for each key algorithm, created over the API."""

    persona: Persona

    def key(self, algorithm: str = "aes-256", **fields: Any) -> dict[str, Any]:
        name = fields.pop("name", f"bench-{algorithm}")
        response = self.persona.api.post("/api/v1/keys", {"name": name, "algorithm": algorithm, **fields})
        assert response.status == 201, response.json
        return dict(response.json)

    def encrypt(self, key_id: str, mode: str = "aes-256-gcm", data: bytes = PLAINTEXT, **fields: Any) -> Any:
        body = {"algorithm": mode, "data": b64(data), "key_id": key_id, **fields}
        return self.persona.api.post("/api/v1/encrypt", body)

    def decrypt(self, **fields: Any) -> Any:
        return self.persona.api.post("/api/v1/decrypt", fields)

    def change_key(self, key_id: str, verb: str, **fields: Any) -> Any:
        response = self.persona.api.post(f"/api/v1/keys/{key_id}/{verb}", {"reason": "test", **fields})
        assert response.status in {200, 201}, response.json
        return response.json


@pytest.fixture
def bench(admin: Persona, transactional_db: None) -> Workbench:
    """Transactional, because an operation reserves its invocations in a separate commit."""
    return Workbench(admin)


@pytest.fixture
def key(bench: Workbench) -> dict[str, Any]:
    return bench.key()


@pytest.fixture(params=["rest", "endpoint"])
def interface(request: pytest.FixtureRequest, bench: Workbench) -> StreamInterface:
    """The two interfaces of streams and uploads."""
    return StreamInterface(request.param, bench.persona.api)


@pytest.fixture
def rest(bench: Workbench) -> StreamInterface:
    return StreamInterface("rest", bench.persona.api)


@pytest.fixture
def principal(bench: Workbench) -> Any:
    return bench.persona.principal


@pytest.fixture(
    params=sorted(mode.name for mode in SEALING_MODES.values() if mode.suite and not mode.is_public_key)
)
def mode(request: pytest.FixtureRequest) -> Any:
    return SEALING_MODES[request.param]


def split_form(encrypted: dict[str, Any], *, version: bool = True) -> dict[str, Any]:
    names = ["encrypted_data", "iv", "tag", "key_id", "algorithm"] + (["key_version"] if version else [])
    return {name: encrypted[name] for name in names}
