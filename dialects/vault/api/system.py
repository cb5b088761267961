"""The server itself: health, and the capabilities of callers."""

import re
import time
from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpResponse
from rest_framework.request import Request

from accounts.principals import MIGRATION
from dialects import actions
from dialects.vault import bodies, paths, responses
from dialects.vault.api import mounts
from dialects.vault.api.base import VaultView
from dialects.vault.bodies import present
from kernel.errors import Denied, Invalid
from kernel.rules import AUTHENTICATED, PUBLIC, Rule

_MAX_PATHS: Final = 100
_PATH: Final = re.compile(rf"{paths.MOUNT}/([a-z_]+)(?:/(.*))?", re.ASCII)
# The permissions that the operations below a mount need, by method.
_OF_MOUNT: Final[Mapping[str, Mapping[str, str]]] = {
    "encrypt": {"update": "crypto.encrypt"},
    "decrypt": {"update": "crypto.decrypt"},
    "rewrap": {"update": "crypto.reencrypt"},
    "datakey": {"update": "crypto.data_key"},
    "sign": {"update": "crypto.sign"},
    "verify": {"update": "crypto.verify"},
    "hmac": {"update": "crypto.mac"},
    "random": {"update": "crypto.random"},
    "hash": {"update": "crypto.random"},
    "wrapping_key": {"read": "keys.import"},
    "export": {"read": MIGRATION},
    "backup": {"read": MIGRATION},
    "restore": {"update": MIGRATION},
}
_OF_KEY: Final[Mapping[str, Mapping[str, str]]] = {
    "": {
        "list": "keys.read",
        "read": "keys.read",
        "update": "keys.create",
        "create": "keys.create",
        "delete": MIGRATION,
    },
    "rotate": {"update": "keys.rotate"},
    "config": {"update": "keys.update"},
    "import": {"update": "keys.import"},
    "import_version": {"update": "keys.import"},
    "trim": {"update": MIGRATION},
}


class _PublicView(VaultView):
    """Open to all: a token, which may have ended, is not read."""

    authentication_classes = []


class HealthView(_PublicView):
    rules = {"GET": Rule(PUBLIC, actions.HEALTH_READ)}

    def get(self, _request: Request) -> HttpResponse:
        return responses.plain(
            {
                "initialized": True,
                "sealed": False,
                "standby": False,
                "replication_performance_mode": "disabled",
                "replication_dr_mode": "disabled",
                "server_time_utc": int(time.time()),
                "version": mounts.VERSION,
                "cluster_name": "ciphercanary",
                "cluster_id": mounts.installation_id(),
            }
        )


class SealStatusView(_PublicView):
    rules = {"GET": Rule(PUBLIC, actions.SEAL_READ)}

    def get(self, _request: Request) -> HttpResponse:
        return responses.plain(
            {
                "type": "shamir",
                "initialized": True,
                "sealed": False,
                "t": 1,
                "n": 1,
                "progress": 0,
                "nonce": "",
                "recovery_seal": False,
                "version": mounts.VERSION,
                "migration": False,
                "cluster_name": "ciphercanary",
                "cluster_id": mounts.installation_id(),
                "storage_type": "database",
            }
        )


class LeaderView(_PublicView):
    rules = {"GET": Rule(PUBLIC, actions.LEADER_READ)}

    def get(self, _request: Request) -> HttpResponse:
        return responses.plain({"ha_enabled": False})


class CapabilitiesView(VaultView):
    """The capabilities of the caller for paths, by permission and scope. A key may still refuse."""

    rules = {"POST": Rule(AUTHENTICATED, actions.CAPABILITIES_READ)}

    def post(self, _request: Request) -> HttpResponse:
        received = self.received(bodies.Capabilities)
        paths = [*_paths_of(received.body.paths), *_paths_of(received.body.path)]
        if not paths:
            raise Invalid("paths must be supplied")
        if len(paths) > _MAX_PATHS:
            raise Invalid(f"at most {_MAX_PATHS} paths can be supplied")
        data: dict[str, object] = {path: self._capabilities(path) for path in paths}
        if len(paths) == 1:
            data["capabilities"] = data[paths[0]]
        return self.answer(data, warnings=received.warnings, members=data)

    def _capabilities(self, path: str) -> list[str]:
        permissions = _permissions_of(path)
        return sorted(word for word in permissions if self._may(permissions[word])) or ["deny"]

    def _may(self, permission: str) -> bool:
        try:
            if permission == MIGRATION:
                self.principal.require_migration_token()
            self.principal.require(permission)
        except Denied:
            return False
        return True


def _paths_of(sent: Any) -> list[str]:
    found = present(sent)
    return [found] if isinstance(found, str) and found else list(found or [])


def _permissions_of(path: str) -> Mapping[str, str]:
    """The permissions that the operations of a path need."""
    found = _PATH.fullmatch(path.strip("/"))
    if found is None:
        return {}
    _, first, name = found.groups(default="")
    if first != "keys":
        return _OF_MOUNT.get(first, {})
    _, _, action = name.partition("/")
    return _OF_KEY.get(action, {})
