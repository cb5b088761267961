"""The keys under which a caller wraps material for an import."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.principals import Principal
from accounts.tokens.access_tokens import confirm_rights
from audit.log.events import Event
from audit.services.recording import record
from kernel.clock import database_now
from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transport import key_transport
from kernel.databases.rows import is_of
from kernel.errors import Invalid
from kernel.freshness.epoch import lock_epoch
from kernel.rsa import process as rsa_process
from kernel.trust import kek
from kernel.trust.row_heads import current_rows, find_current
from kernel.trust.row_state import delete_rows
from keys import actions
from keys.models import ImportParameters

_LIFETIME: Final = timedelta(hours=24)
_LEAST_REST: Final = timedelta(hours=1)  # so that the caller has time for the import


@dataclass(frozen=True, slots=True)
class ImportKeys:
    """The public keys of import parameters, each a SubjectPublicKeyInfo in DER: for ``wrapped`` and for ``hpke``."""

    id: UUID
    expires_at: datetime
    rsa: bytes
    hpke: bytes

    @property
    def rsa_pem(self) -> str:
        return key_pairs.encode_pem(self.rsa)


def get_import_parameters(*, principal: Principal) -> ImportKeys:
    """The caller's newest parameters, or new ones if these expire soon. New ones take seconds.

    Raises Denied, Overloaded, Throttled.
    """
    principal.require("keys.import")
    soon = database_now() + _LEAST_REST
    row = find_current(_of(principal).filter(expires_at__gt=soon).order_by("-expires_at"))
    if row is None:
        of_rsa, _ = rsa_process.generate(key_transport.RSA_ALGORITHM, principal.identity)
        row = _create(principal, key_transport.recipient_with(of_rsa))
    rsa, hpke = key_transport.public_keys(kek.unwrap_row(row))
    return ImportKeys(row.id, row.expires_at, rsa, hpke)


def recipient_of(principal: Principal, parameters_id: UUID | None) -> KeyMaterial:
    """The private keys of the caller's parameters. Raises Invalid, IntegrityFailed."""
    if parameters_id is None:
        raise Invalid.of_field("import_parameters_id", "This field is required for wrapped material.")
    found = find_current(_of(principal).filter(pk=parameters_id, expires_at__gt=database_now()))
    if found is None:
        raise Invalid.of_field(
            "import_parameters_id", "You have no import parameters with this ID, or they have expired."
        )
    return kek.unwrap_row(found)


def recipients_of(principal: Principal) -> list[KeyMaterial]:
    """The private keys of all of the caller's parameters, the newest first. Raises IntegrityFailed."""
    rows = current_rows(_of(principal).filter(expires_at__gt=database_now()).order_by("-expires_at"))
    return [kek.unwrap_row(row) for row in rows]


def delete_expired_parameters() -> None:
    """Delete expired rows with their private keys."""
    delete_rows(ImportParameters.objects.filter(expires_at__lte=database_now()))


def _of(principal: Principal) -> QuerySet[ImportParameters]:
    return ImportParameters.objects.filter(
        is_of(principal.identity, user="created_by_id", other="service_account_id")
    )


@transaction.atomic
def _create(principal: Principal, recipient: KeyMaterial) -> ImportParameters:
    now = database_now()
    row = ImportParameters(
        created_by_id=principal.user_id,
        service_account_id=principal.identity.service_account_id,
        created_at=now,
        expires_at=now + _LIFETIME,
    )
    kek.wrap_into(row, recipient)
    row.save_with_mac()
    event = Event(
        action=actions.IMPORT_PARAMETERS_CREATED,
        object_type="import_parameters",
        object_id=str(row.id),
        meta={"expires_at": row.expires_at},
    )
    record(event, principal.actor)
    lock_epoch()
    confirm_rights(principal)  # the rights may have ended while the keys were generated
    return row
