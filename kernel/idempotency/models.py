"""Completed requests and their responses."""

from django.db import models

from kernel.trust.row_mac import MacField, MacProtectedRow


class CompletedRequest(MacProtectedRow):
    """A request that made its change, with the response for its retries.

    ``key_hash`` is the SHA-256 of the principal and the idempotency key. ``request_mac`` identifies the request without
    storing it. ``response`` is a JSON object of ``status``, ``headers`` and ``body``. If the response contains a
    secret, it is not stored, and ``object_id`` is set.

    The MAC prevents an attacker with write access to the database from sending a client to another object, such as a
    key that they can use.
    """

    MAC_LABEL = "completed_requests"
    STATE = ()  # each row expires within a day, and an older one only repeats its response

    key_hash = models.CharField(max_length=64, unique=True)
    request_mac = models.CharField(max_length=80)
    response = models.TextField(blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "completed_requests"

    def __str__(self) -> str:
        return f"until {self.expires_at:%Y-%m-%d %H:%MZ}"

    @property
    def is_complete(self) -> bool:
        return self.pk is not None

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.key_hash, self.request_mac, self.response, self.object_id, self.expires_at
