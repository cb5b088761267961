"""The link by which the first administrator is made."""

from django.db import models

from kernel.trust.row_mac import MacField, MacProtectedRow


class SetupLink(MacProtectedRow):
    """The one link that counts, by the SHA-256 of its code; a new one takes the place of the old.

    Under a MAC: whoever writes the database could delete every user and put in a code of his own choosing.
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
