"""Rows protected against changes outside the application by a MAC over their values.

HMAC-SHA-256 (FIPS 198-1) under the installation's ``row-mac`` key covers the label of the table, the version of its
field list, the row's sequence number and the fields, each with its type and length. The column contains
``<field-list version>.<kid>.<base64url>``. An attacker who can write to the database but lacks the key-encryption
key can restore a *whole* old row, and nothing else. The state of the tables reveals that (``kernel.trust.row_state``).
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Self
from uuid import UUID

from django.db import models, transaction

from kernel.crypto.errors import MacMismatch
from kernel.errors import Unavailable, VersionConflict
from kernel.trust import system_keys
from kernel.trust.row_state import StatefulRow

_STALE = "Another request changed this object at the same time. Repeat the request."

type _MacScalar = bool | int | str | bytes | UUID | datetime | None
type MacField = _MacScalar | list[str]
type _Report = Callable[[type["MacProtectedRow"]], object]


class IntegrityFailed(Unavailable):
    """The MAC of a row does not match: the row was changed outside the application."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"


class MacProtectedRow(StatefulRow):
    """A row with a MAC.

    Write it only with ``save_with_mac``, one at a time and under lock: a bulk update breaks the MAC. Delete it only with
    ``delete_rows``. A table whose field list grew increases ``MAC_VERSION`` and keeps accepting the rows of
    ``OLDER_MAC_VERSIONS``.
    """

    MAC_VERSION: ClassVar[int] = 1
    OLDER_MAC_VERSIONS: ClassVar[frozenset[int]] = frozenset()
    _former_mac: str | None = None  # while ``save_with_mac`` updates the row

    row_seq = models.PositiveBigIntegerField(default=0, editable=False)
    row_mac = models.CharField(max_length=80, editable=False)

    class Meta:
        abstract = True

    def mac_fields(self) -> tuple[MacField, ...]:
        """The values covered by the MAC, in the order of ``MAC_VERSION``'s field list."""
        raise TypeError(f"{type(self).__name__} names no MAC fields")

    def older_mac_fields(self, version: int) -> tuple[MacField, ...]:
        """The values that the MAC of a row of an older version covers. Raises IntegrityFailed if others are set."""
        raise TypeError(f"{type(self).__name__} has no version {version}")

    @property
    def revision(self) -> int:
        """Changes whenever the row does, for conditional requests."""
        return self.row_seq

    @property
    def stored_mac_version(self) -> int:
        """The version of the field list that the row's MAC covers, if the MAC is valid."""
        found, _, _ = self.row_mac.partition(".")
        older = {str(version): version for version in self.OLDER_MAC_VERSIONS}
        return older.get(found, self.MAC_VERSION)

    def save_with_mac(
        self, update_fields: Iterable[str] | None = None, *, sets_all_fields: bool = False
    ) -> None:
        """Increment the row's sequence number, compute its MAC, save, and note the change of the state.

        A row with an older MAC keeps its version, because the fields that this MAC does not cover may have been
        altered. ``sets_all_fields``: the caller has just set them, so the MAC may cover them. Raises VersionConflict if the
        stored row is not the one that was read.
        """
        version = self.MAC_VERSION if sets_all_fields else self.stored_mac_version
        is_new = self._state.adding
        former = None if is_new else self.row_mac
        self.row_seq += 1
        self.row_mac = system_keys.make_mac(system_keys.ROW_MAC, version, self._mac_message(version))
        fields = None if update_fields is None else [*update_fields, "row_seq", "row_mac"]
        with transaction.atomic(savepoint=False):
            self._former_mac = former
            try:
                self.save(force_insert=is_new, force_update=not is_new, update_fields=fields)  # noqa: CC3 - save_with_mac itself
            except self.NotUpdated as error:
                raise VersionConflict(_STALE) from error
            finally:
                self._former_mac = None
            self.note_saved(fields, is_new=is_new)

    def insert_with_mac(self) -> None:
        """Insert the row, even if a former attempt did and was rolled back."""
        self._state.adding = True
        self.save_with_mac()

    def _do_update(self, base_qs: models.QuerySet[Any], *arguments: Any) -> Any:
        """Compare and set: the row still has the MAC that was read. A table of a base class has none."""
        if self._former_mac is not None and any(
            field.name == "row_mac" for field in base_qs.model._meta.local_fields
        ):
            base_qs = base_qs.filter(row_mac=self._former_mac)
        return super()._do_update(base_qs, *arguments)

    def check_mac(self) -> Self:
        """The row itself. Raises IntegrityFailed if the MAC does not match."""
        try:
            version = self.stored_mac_version
            system_keys.check_mac(system_keys.ROW_MAC, version, self._mac_message(version), self.row_mac)
        except MacMismatch:
            raise self._altered() from None
        return self

    @classmethod
    def not_current(cls) -> IntegrityFailed:
        """Report the table, because a row is an older one, and return the error."""
        for report in _reports:
            report(cls)
        return cls._altered()

    @classmethod
    def _altered(cls) -> IntegrityFailed:
        return IntegrityFailed(
            f"A row of {cls._meta.db_table} was changed outside the application. "
            "Restore it from a backup and find out who changed the database."
        )

    @property
    def is_authentic(self) -> bool:
        """Whether the row is unchanged since the application wrote it. Raises KekUnavailable and UnwrapFailed."""
        try:
            self.check_mac()
        except IntegrityFailed:
            return False
        return True

    def _mac_message(self, version: int) -> bytes:
        fields = self.mac_fields() if version == self.MAC_VERSION else self.older_mac_fields(version)
        return encode_fields((self.MAC_LABEL, version, self.row_seq, *fields))


def report_older_rows_to(report: _Report) -> None:
    """``report`` gets the table of each older row that a request meets. It must neither raise nor wait."""
    _reports[:] = [report]


_reports: list[_Report] = []  # noqa: CC6 - the audit app registers in AppConfig.ready


def encode_fields(fields: Iterable[MacField]) -> bytes:
    """An injective encoding: each field as one type byte, its length (u32be) and its bytes."""
    return b"".join(_encode_field(field) for field in fields)


def _encode_field(field: MacField) -> bytes:
    if isinstance(field, list):
        kind, content = b"l", encode_fields(field)
    else:
        kind, content = _encode_scalar(field)
    return kind + struct.pack(">I", len(content)) + content


def _encode_scalar(field: _MacScalar) -> tuple[bytes, bytes]:
    if field is None:
        return b"n", b""
    # bool before int, because True is also an int.
    for kind, (mark, encode) in _SCALARS.items():
        if isinstance(field, kind):
            return mark, encode(field)
    raise TypeError(f"{type(field).__name__} is no MAC field")


_SCALARS: Mapping[type, tuple[bytes, Callable[[Any], bytes]]] = {
    bool: (b"b", lambda value: bytes([value])),
    int: (b"i", lambda value: str(value).encode()),
    str: (b"s", str.encode),
    bytes: (b"y", bytes),
    UUID: (b"u", lambda value: value.bytes),
    datetime: (b"t", lambda value: value.astimezone(UTC).isoformat(timespec="microseconds").encode()),
}
