"""The link that creates the first administrator."""

from django.db import models

from kernel.trust.row_mac import MacField, MacProtectedRow


class SetupLink(MacProtectedRow):
    """The only valid link, stored as the SHA-256 of its code. A new link replaces it.

    The MAC protects against an attacker with write access to the database, who could delete every user and insert
    their own code.
    """

    MAC_LABEL = "setup_links"

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    code_hash = models.CharField(max_length=64)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "setup_links"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="setup_link_is_single")]

    def __str__(self) -> str:
        return f"until {self.expires_at:%Y-%m-%d %H:%MZ}"

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.code_hash, self.expires_at
