"""The settings of notifications. Django's settings contain them as ``CC_NOTIFICATIONS``."""

from dataclasses import dataclass, field

from kernel.environment.variables import Environment

env = Environment()  # noqa: CC6 - reads the settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _NotificationSettings:
    """E-mail is off without ``smtp_host``. ``topics`` limits the e-mails; all topics if it is empty.

    ``allowed_networks`` (CIDR) are the networks besides the public ones that webhooks may reach. ``ca_file`` adds an
    authority to those of the system, for webhooks and the mail server. Notifications are kept ``keep_days``.
    """

    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: str = "starttls"
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    sender: str = ""
    emails: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    allowed_networks: tuple[str, ...] = ()
    ca_file: str = ""
    keep_days: int = 90

    @property
    def has_email(self) -> bool:
        return bool(self.smtp_host and self.sender and self.emails)

    def emails_about(self, topic: str) -> tuple[str, ...]:
        """The addresses that receive e-mails about the topic."""
        return self.emails if self.has_email and (not self.topics or topic in self.topics) else ()


CC_NOTIFICATIONS = _NotificationSettings(
    smtp_host=env.str("CC_SMTP_HOST", ""),
    smtp_port=env.number("CC_SMTP_PORT", 587, at_least=1, at_most=65535),
    smtp_security=env.choice("CC_SMTP_SECURITY", "starttls", {"starttls", "tls", "none"}),
    smtp_user=env.str("CC_SMTP_USER", ""),
    smtp_password=env.str("CC_SMTP_PASSWORD", ""),
    sender=env.str("CC_NOTIFY_FROM", ""),
    emails=tuple(env.list("CC_NOTIFY_EMAILS", default=[])),
    topics=tuple(env.list("CC_NOTIFY_TOPICS", default=[])),
    allowed_networks=tuple(env.list("CC_WEBHOOK_ALLOWED_NETWORKS", default=[])),
    ca_file=env.str("CC_WEBHOOK_CA_FILE", ""),
    keep_days=env.number("CC_NOTIFICATION_DAYS", 90, at_least=7, at_most=3650),
)
