"""Export, back up, restore, delete and trim: with a migration token only."""

import re
from http import HTTPStatus
from typing import Final

from django.http import HttpResponse
from rest_framework.request import Request

from accounts.principals import MIGRATION
from dialects.errors import Refusal, wrapped
from dialects.vault import bodies
from dialects.vault.api.base import VaultView
from dialects.vault.api.keys import members_of
from dialects.vault.bodies import flag, present, text
from kernel.errors import Conflict, Invalid
from kernel.http.private_connections import is_private
from kernel.rules import Rule
from keys import actions
from keys.errors import NotExportable
from keys.transit import administration

_VERSION: Final = re.compile(r"-?[0-9]{1,9}", re.ASCII)


class ExportView(VaultView):
    """Secrets of an exportable key."""

    rules = {"GET": Rule(MIGRATION, actions.KEY_EXPORTED)}
    missing_key = ("", HTTPStatus.NOT_FOUND)

    def get(
        self, request: Request, mount: str, form: str, name: str, version: str | None = None
    ) -> HttpResponse:
        found = administration.export_transit_key(
            principal=self.principal,
            key_id=self.key_id(mount, name),
            form=form,
            version=_version_of(version),
            is_private_connection=is_private(request),
        )
        keys = {str(number): secret for number, secret in found.secrets.items()}
        return self.answer({"keys": keys, "name": name, "type": found.kind.name})


class BackupView(VaultView):
    """A plaintext backup. Clients compare the status 500 of a refusal."""

    rules = {"GET": Rule(MIGRATION, actions.KEY_EXPORTED)}

    def get(self, request: Request, mount: str, name: str) -> HttpResponse:
        self.missing_key = (wrapped(f'key "{name}" not found'), HTTPStatus.INTERNAL_SERVER_ERROR)  # type: ignore[misc]  # of this request
        try:
            backup = administration.back_up_transit_key(
                principal=self.principal,
                key_id=self.key_id(mount, name),
                is_private_connection=is_private(request),
            )
        except NotExportable as refusal:
            cause = "plaintext backup" if "backup" in refusal.detail else "exporting"
            raise Refusal(
                wrapped(f"{cause} is disallowed on the policy"), HTTPStatus.INTERNAL_SERVER_ERROR
            ) from None
        return self.answer({"backup": backup})


class RestoreView(VaultView):
    """A key from a backup. Clients compare the status 500 for a name in use."""

    rules = {"POST": Rule(MIGRATION, actions.KEY_IMPORTED)}

    def post(self, request: Request, mount: str, name: str = "") -> HttpResponse:
        body = self.received(bodies.Restore).body
        if not text(body.backup):
            raise Invalid("'backup' must be supplied")
        try:
            administration.restore_transit_key(
                principal=self.principal,
                text=text(body.backup),
                mount=mount,
                name=name,
                is_private_connection=is_private(request),
                replaces=flag(body.force),
            )
        except Conflict as conflict:
            raise Refusal(wrapped(conflict.detail), HTTPStatus.INTERNAL_SERVER_ERROR) from None
        return HttpResponse(status=HTTPStatus.NO_CONTENT)


class TrimView(VaultView):
    """End the earliest versions."""

    rules = {"POST": Rule(MIGRATION, actions.VERSION_DESTRUCTION_SCHEDULED)}
    missing_key = ("invalid key name", HTTPStatus.BAD_REQUEST)

    def post(self, _request: Request, mount: str, name: str) -> HttpResponse:
        minimum = present(self.received(bodies.Trim).body.min_available_version)
        if minimum is None:
            raise Invalid("missing min_available_version")
        key_id = self.key_id(mount, name)
        found = administration.trim_transit_key(principal=self.principal, key_id=key_id, minimum=minimum)
        return self.answer(members_of(found))


def _version_of(version: str | None) -> int | None:
    """The number of a version in a path; 0 for the newest. Raises Invalid, in OpenBao's words."""
    if version is None:
        return None
    if version == "latest":
        return 0
    if not _VERSION.fullmatch(version):
        raise Invalid("invalid key version")
    if int(version) < 1:
        raise Invalid("version for export is below minimum decryption version")
    return int(version)
