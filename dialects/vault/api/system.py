"""The server itself: health, mounts, the caller's token and its capabilities."""

import time
from collections.abc import Mapping
from datetime import UTC
from http import HTTPStatus
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.roles import permission_of
from dialects import actions
from dialects.errors import Refusal
from dialects.vault import bodies, responses
from dialects.vault.api.base import VaultView
from dialects.vault.bodies import present
from kernel.errors import Denied, Invalid
from kernel.rules import AUTHENTICATED, PUBLIC, Rule

_VERSION: Final = "2.7.2"
"""The version of OpenBao whose transit engine this dialect has. Clients compare it."""
_MOUNT: Final = "transit"
_MAX_PATHS: Final = 100
# The permissions of the paths of a mount, by method.
_UPDATES: Final = {
    "encrypt": "crypto.encrypt",
    "decrypt": "crypto.decrypt",
    "rewrap": "crypto.reencrypt",
    "datakey": "crypto.data_key",
    "sign": "crypto.sign",
    "verify": "crypto.verify",
    "hmac": "crypto.mac",
    "random": "crypto.random",
    "hash": "crypto.random",
}
_OF_KEYS: Final = {"list": "keys.read", "read": "keys.read", "update": "keys.create", "create": "keys.create"}
_OF_ONE_KEY: Final = {"rotate": "keys.rotate", "config": "keys.update"}


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
                "version": _VERSION,
                "cluster_name": "ciphercanary",
                "cluster_id": _identity(),
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
                "version": _VERSION,
                "migration": False,
                "cluster_name": "ciphercanary",
                "cluster_id": _identity(),
                "storage_type": "database",
            }
        )


class LeaderView(_PublicView):
    rules = {"GET": Rule(PUBLIC, actions.LEADER_READ)}

    def get(self, _request: Request) -> HttpResponse:
        return responses.plain({"ha_enabled": False})


class MountsView(VaultView):
    """The mounts: each at the top of the response, too."""

    rules = {"GET": Rule("keys.read", actions.MOUNTS_READ)}

    def get(self, _request: Request, mount: str = "") -> HttpResponse:
        if mount and mount != _MOUNT:
            raise Refusal(f"No secret engine mount at {mount}/", HTTPStatus.BAD_REQUEST)
        data = _mount() if mount else {f"{_MOUNT}/": _mount()}
        return self.answer(data, members=data)


class MountOfPathView(VaultView):
    """The mount of a path, as clients look it up before they use it."""

    rules = {"GET": Rule(AUTHENTICATED, actions.MOUNTS_READ)}

    def get(self, _request: Request, path: str = "") -> HttpResponse:
        if not path:
            return self.answer({"auth": {}, "secret": {f"{_MOUNT}/": _mount()}})
        if path.partition("/")[0] != _MOUNT:
            raise Refusal(
                "preflight capability check returned 403, please ensure client's policies grant access to path "
                f'"{path.strip("/")}/"',
                HTTPStatus.FORBIDDEN,
            )
        return self.answer({**_mount(), "path": f"{_MOUNT}/"})


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
            self.principal.require(permission)
        except Denied:
            return False
        return True


class LookupSelfView(VaultView):
    """The caller's token."""

    rules = dict.fromkeys(["GET", "POST"], Rule(AUTHENTICATED, actions.TOKEN_READ))

    def get(self, _request: Request) -> HttpResponse:
        principal = self.principal
        ends = principal.not_after
        left = 0 if ends is None else max(0, int(ends.timestamp() - time.time()))
        data = {
            "accessor": str(principal.credential_id),
            "creation_time": 0,
            "creation_ttl": 0,
            "display_name": principal.actor.actor_name,
            "entity_id": str(principal.identity.id),
            "expire_time": None if ends is None else ends.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "explicit_max_ttl": 0,
            "id": "",
            "meta": None,
            "num_uses": 0,
            "orphan": True,
            "path": "auth/token/create",
            "policies": [principal.role],
            "renewable": False,
            "ttl": left,
            "type": "service",
        }
        return self.answer(data)

    post = get


class RenewSelfView(VaultView):
    """A token lasts as long as it was created for."""

    rules = {"POST": Rule(AUTHENTICATED, actions.TOKEN_RENEWED)}

    def post(self, _request: Request) -> HttpResponse:
        raise Invalid("lease is not renewable")


def _identity() -> str:
    """The same for each process of the installation."""
    return str(uuid5(NAMESPACE_URL, settings.CC_PUBLIC_URL))


def _mount() -> Mapping[str, object]:
    return {
        "accessor": "transit_ciphercanary",
        "config": {"default_lease_ttl": 0, "force_no_cache": False, "max_lease_ttl": 0},
        "deprecation_status": "supported",
        "description": "",
        "external_entropy_access": False,
        "local": False,
        "options": {},
        "plugin_version": "",
        "running_plugin_version": f"v{_VERSION}+builtin.bao",
        "running_sha256": "",
        "seal_wrap": False,
        "type": "transit",
        "uuid": _identity(),
    }


def _paths_of(sent: Any) -> list[str]:
    found = present(sent)
    return [found] if isinstance(found, str) and found else list(found or [])


def _permissions_of(path: str) -> Mapping[str, str]:
    """The permissions that the operations of a path need."""
    mount, _, rest = path.strip("/").partition("/")
    first, _, name = rest.partition("/")
    if mount != _MOUNT:
        return {}
    if first in _UPDATES:
        return {"update": permission_of(_UPDATES[first])}
    if first != "keys":
        return {}
    _, _, action = name.partition("/")
    if action:
        permission = _OF_ONE_KEY.get(action)
        return {} if permission is None else {"update": permission}
    return _OF_KEYS
