"""E-mails through a real SMTP server, and what happens without one."""

import socket
import time

import pytest

from accounts.models import User
from accounts.users.services import editing
from accounts.users.services.password_resets import issue_password_reset
from kernel.clock import database_now
from kernel.errors import Conflict
from kernel.outbox.models import Notification
from notifications.models import Delivery
from notifications.services import testing
from notifications.services.delivery import deliver_due
from notifications.services.distribution import distribute
from tests.factories import SYSTEM, UserFactory
from tests.notifications.conftest import only_delivery, publish
from tests.notifications.servers import MailServer, serving

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_email_has_the_sentence_and_nothing_else_of_the_facts(mail_server):
    publish(secret="of-the-facts")
    deliver_due()
    ((recipient, message),) = mail_server.messages
    assert recipient == message["To"] == "ops@example.org"
    assert message["From"] == "keys@example.org"
    assert message["Subject"] == "[CipherCanary] A job of the kind export failed (internal)."
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    assert "of-the-facts" not in message.as_string()
    assert only_delivery().status == "succeeded"


def test_many_notifications_are_one_email(mail_server):
    for number in range(12):
        publish(number)
    deliver_due()
    ((_, message),) = mail_server.messages
    assert message["Subject"] == "[CipherCanary] 12 notifications"
    assert message.get_content().count("A job of the kind export failed") == 12
    assert Delivery.objects.filter(status="succeeded").count() == 12


def test_a_line_break_in_a_stored_text_begins_no_header(mail_server):
    publish(error_code="x)\r\nBcc: other@example.org\r\n(")
    deliver_due()
    ((_, message),) = mail_server.messages
    assert message["Bcc"] is None


def test_a_password_reset_goes_to_the_user_and_all_administrators(
    mail_server, configure, admin, developer, operator
):
    """And to the addresses of the settings, which no administrator can change, whichever topics they choose."""
    configure(topics=("job.failed",))
    for persona in (admin, developer, operator):
        address = f"{persona.user.username}@example.org"
        editing.set_email(principal=admin.principal, user_id=persona.user.id, email=address)
    UserFactory(username="gone", role="admin", is_active=False, email="gone@example.org")
    issue_password_reset(principal=admin.principal, user_id=developer.user.id)
    publish()
    deliver_due()
    messages = {recipient: message.get_content() for recipient, message in mail_server.messages}
    assert set(messages) == {"ops@example.org", "ada@example.org", "dora@example.org"}
    assert "ada created a link that resets the password of dora" in messages["dora@example.org"]
    assert "ada created a link that resets the password of dora" in messages["ops@example.org"]
    assert "/password-reset/" not in "".join(messages.values())


def test_an_invented_delivery_chooses_no_address(mail_server, developer):
    """Nor does an address that was put into the row of the user, outside the application."""
    issue_password_reset(principal=SYSTEM, user_id=developer.user.id)
    distribute()
    User.objects.update(email="thief@example.net")
    now, notification = database_now(), Notification.objects.get()
    for address in ("thief@example.net", "other@example.net"):
        Delivery.objects.create(notification=notification, email=address, created_at=now, next_attempt_at=now)
    deliver_due()
    assert [recipient for recipient, _ in mail_server.messages] == ["ops@example.org"]


def test_each_address_gets_its_topics_only(mail_server, configure):
    configure(emails=("ops@example.org", "team@example.org"), topics=("audit.alarm",))
    publish()
    publish(topic="audit.alarm", label="Entry altered")
    deliver_due()
    assert sorted(recipient for recipient, _ in mail_server.messages) == [
        "ops@example.org",
        "team@example.org",
    ]
    assert set(Delivery.objects.values_list("notification__topic", flat=True)) == {"audit.alarm"}


def test_a_dead_mail_server_loses_nothing(mail_server, configure):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        configure(smtp_port=unused.getsockname()[1])
        publish()
        deliver_due()
    delivery = only_delivery()
    assert (delivery.status, delivery.attempts, delivery.error) == ("pending", 1, "connection_failed")
    configure(smtp_port=mail_server.port)
    Delivery.objects.update(next_attempt_at=delivery.created_at)
    deliver_due()
    assert only_delivery().status == "succeeded"


def test_a_mail_server_that_hangs_is_given_up(mail_server, monkeypatch):
    monkeypatch.setattr("notifications.channels.TOTAL_SECONDS", 0.2)
    mail_server.hangs = True
    publish()
    deliver_due()
    assert only_delivery().error == "timeout"


@pytest.mark.parametrize("security", ["none", "tls"])
def test_a_mail_server_that_sends_slowly_is_given_up(mail_server, tls, configure, monkeypatch, security):
    for name in ("TOTAL_SECONDS", "_MAIL_SECONDS"):
        monkeypatch.setattr(f"notifications.channels.{name}", 0.5)
    mail_server.context, mail_server.is_tls, mail_server.drips = tls[0], security == "tls", True
    configure(smtp_host="localhost", smtp_security=security, ca_file=tls[1])
    publish()
    began = time.monotonic()
    deliver_due()
    assert time.monotonic() - began < 3
    assert (only_delivery().status, only_delivery().error) == ("pending", "timeout")


def test_a_message_is_sent_over_tls_from_the_beginning(mail_server, tls, configure):
    mail_server.context, mail_server.is_tls = tls[0], True
    configure(smtp_host="localhost", smtp_security="tls", ca_file=tls[1])
    publish()
    deliver_due()
    assert only_delivery().status == "succeeded"
    assert "STARTTLS" not in mail_server.commands


def test_a_refused_recipient_is_an_error_with_its_code(mail_server):
    mail_server.refuses = "550 no such user"
    publish()
    deliver_due()
    assert (only_delivery().error, only_delivery().response_status) == ("mail_refused", 550)


def test_the_password_is_sent_after_starttls_only_and_the_certificate_is_verified(tls, configure):
    with serving(MailServer(tls[0])) as server:
        configure(
            smtp_host="localhost",
            smtp_port=server.port,
            smtp_user="keys",
            smtp_password="of the mail server",
            sender="keys@example.org",
            emails=("ops@example.org",),
        )
        publish()
        deliver_due()
        assert only_delivery().error == "tls_failed"
        assert "AUTH" not in server.commands
        configure(ca_file=tls[1])
        Delivery.objects.update(next_attempt_at=only_delivery().created_at)
        deliver_due()
        assert server.commands.index("STARTTLS") < server.commands.index("AUTH")
    assert only_delivery().status == "succeeded"


def test_an_address_that_left_the_settings_gets_nothing_more(mail_server, configure):
    publish()
    deliver_due()
    Delivery.objects.update(status="pending", next_attempt_at=only_delivery().created_at)
    configure(emails=("team@example.org",))
    deliver_due()
    assert (only_delivery().status, only_delivery().error) == ("failed", "not_configured")
    assert len(mail_server.messages) == 1


def test_a_test_email_goes_to_each_address_and_to_no_webhook(mail_server, configure, admin, new_webhook):
    configure(emails=("ops@example.org", "team@example.org"))
    new_webhook("https://hooks.example.org/")
    assert testing.send_test_email(principal=admin.principal) == 2
    deliver_due()
    assert len(mail_server.messages) == 2
    assert Notification.objects.get().topic == "notification.test"


def test_without_a_mail_server_a_test_is_refused(admin):
    with pytest.raises(Conflict):
        testing.send_test_email(principal=admin.principal)
