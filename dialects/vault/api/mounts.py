"""Mounts: create, read, list, tune and delete."""

from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.principals import MIGRATION
from dialects import actions
from dialects.errors import Refusal
from dialects.vault import bodies
from dialects.vault.api.base import VaultView
from dialects.vault.bodies import text
from kernel.errors import Invalid, NotFound
from kernel.rules import AUTHENTICATED, Rule
from keys import actions as of_keys
from keys.models.transit import DEFAULT_MOUNT
from keys.transit import mounts
from keys.transit.administration import unmount

VERSION: Final = "2.7.2"
"""The version of OpenBao whose transit engine this dialect has. Clients compare it."""
_LEASE: Final = 2_764_800  # seconds, as OpenBao has it


class MountsView(VaultView):
    """The mounts: each at the top of the response, too."""

    rules = {"GET": Rule("keys.read", actions.MOUNTS_READ)}

    def get(self, _request: Request) -> HttpResponse:
        found = mounts.list_mounts(principal=self.principal)
        data = {f"{path}/": _mount(description) for path, description in found.items()}
        return self.answer(data, members=data)


class MountView(VaultView):
    """One mount."""

    rules = {
        "GET": Rule("keys.read", actions.MOUNTS_READ),
        "POST": Rule(MIGRATION, of_keys.MOUNT_CREATED),
        "DELETE": Rule(MIGRATION, of_keys.MOUNT_DELETED),
    }

    def get(self, _request: Request, mount: str) -> HttpResponse:
        found = mounts.list_mounts(principal=self.principal)
        if mount not in found:
            raise Refusal(f"No secret engine mount at {mount}/", HTTPStatus.BAD_REQUEST)
        data = _mount(found[mount])
        return self.answer(data, members=data)

    def post(self, _request: Request, mount: str) -> HttpResponse:
        body = self.received(bodies.Mount).body
        if not text(body.type):
            raise Invalid("backend type must be specified as a string")
        if text(body.type) != "transit":
            raise Invalid(f"plugin not found in the catalog: {text(body.type)[:40]}")
        mounts.create_mount(principal=self.principal, path=mount, description=text(body.description))
        return HttpResponse(status=HTTPStatus.NO_CONTENT)

    def delete(self, _request: Request, mount: str) -> HttpResponse:
        if mount == DEFAULT_MOUNT:
            raise Invalid(f"The mount {mount}/ always exists. Delete its keys instead.")
        with suppress(NotFound):  # as in OpenBao
            unmount(principal=self.principal, path=mount)
        return HttpResponse(status=HTTPStatus.NO_CONTENT)


class TuneView(VaultView):
    """The settings of a mount. Only its description can change."""

    rules = {
        "GET": Rule("keys.read", actions.MOUNTS_READ),
        "POST": Rule(MIGRATION, of_keys.MOUNT_CHANGED),
    }

    def get(self, _request: Request, mount: str) -> HttpResponse:
        found = mounts.list_mounts(principal=self.principal)
        if mount not in found:
            raise Refusal(f"No secret engine mount at {mount}/", HTTPStatus.BAD_REQUEST)
        data = {
            "default_lease_ttl": _LEASE,
            "description": found[mount],
            "force_no_cache": False,
            "max_lease_ttl": _LEASE,
        }
        return self.answer(data, members=data)

    def post(self, _request: Request, mount: str) -> HttpResponse:
        text_of_missing = f'tune of path "{mount}/" failed: no mount entry found'
        self.missing_key = (text_of_missing, HTTPStatus.BAD_REQUEST)  # type: ignore[misc]  # of this request
        description = text(self.received(bodies.Mount).body.description)
        mounts.describe_mount(principal=self.principal, path=mount, description=description)
        return HttpResponse(status=HTTPStatus.NO_CONTENT)


class MountOfPathView(VaultView):
    """The mount of a path, as clients look it up before they use it."""

    rules = {"GET": Rule(AUTHENTICATED, actions.MOUNTS_READ)}

    def get(self, _request: Request, path: str = "") -> HttpResponse:
        if not path:
            return self.answer({"auth": {}, "secret": {f"{DEFAULT_MOUNT}/": _mount("")}})
        found = mounts.mount_of(path.strip("/"))
        if found is None:
            raise Refusal(
                "preflight capability check returned 403, please ensure client's policies grant access to path "
                f'"{path.strip("/")}/"',
                HTTPStatus.FORBIDDEN,
            )
        return self.answer({**_mount(""), "path": f"{found}/"})


def installation_id() -> str:
    """The same for each process of the installation."""
    return str(uuid5(NAMESPACE_URL, settings.CC_PUBLIC_URL))


def _mount(description: str) -> Mapping[str, object]:
    return {
        "accessor": "transit_ciphercanary",
        "config": {"default_lease_ttl": 0, "force_no_cache": False, "max_lease_ttl": 0},
        "deprecation_status": "supported",
        "description": description,
        "external_entropy_access": False,
        "local": False,
        "options": {},
        "plugin_version": "",
        "running_plugin_version": f"v{VERSION}+builtin.bao",
        "running_sha256": "",
        "seal_wrap": False,
        "type": "transit",
        "uuid": installation_id(),
    }
