import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django_otp.oath import totp

from accounts import actions
from accounts.errors import AlreadyEnrolled
from accounts.models import RecoveryCode, TotpDevice, User
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.second_factors.one_time_codes import recovery_code_hash
from accounts.second_factors.services import totp as second_factors
from accounts.second_factors.services.totp import require_second_factor
from accounts.users.services import editing
from audit.models import AuditTrail
from kernel.clock import database_now
from kernel.crypto.errors import UnwrapFailed
from kernel.errors import Denied, RecentAuthRequired, Throttled, Unauthenticated
from kernel.freshness.epoch import read_epoch
from kernel.trust.row_mac import IntegrityFailed
from tests.log_entries import log_rows
from tests.personas import PASSWORD, ApiClient, make_persona

ORIGIN = Origin(client_ip="127.0.0.1", user_agent="tests", request_id="test")
OWN_CODE = "ABCD-EFGH-2345-WXYZ"


class Authenticator:
    """An authenticator app: it has the seed and the time."""

    def __init__(self, secret):
        self.secret = secret

    def code(self, steps=0):
        return self.at(database_now().timestamp() + 30 * steps)

    def at(self, moment):
        seed = base64.b32decode(self.secret + "=" * (-len(self.secret) % 8))
        return f"{totp(seed, t0=0, drift=int(moment // 30) - int(time.time() // 30)):06d}"

    def wrong_code(self):
        near = {self.code(steps) for steps in range(-2, 3)}
        return next(code for code in (f"{number:06d}" for number in range(10)) if code not in near)


def enrol(persona):
    """Enrol and confirm. Returns the authenticator and the recovery codes."""
    authenticator = Authenticator(persona.api.post("/auth/totp/enrol").json["secret"])
    response = persona.api.post("/auth/totp/confirm", {"code": authenticator.code()})
    assert response.status == 200, response.json
    persona.user.refresh_from_db()
    let_time_pass()
    return authenticator, response.json["recovery_codes"]


def let_time_pass():
    """Move the last use into the past, so that the codes of the present steps count as unused."""
    TotpDevice.objects.update(last_step=F("last_step") - 10)


def sign_in(persona, code=None):
    more = {} if code is None else {"totp_code": code}
    return ApiClient().post("/auth/login", {"username": persona.user.username, "password": PASSWORD, **more})


@pytest.fixture
def enrolled(developer):
    return *enrol(developer), developer


def test_an_enrolment_shows_a_seed_and_sign_in_still_requires_no_code(developer):
    response = developer.api.post("/auth/totp/enrol")
    assert response.status == 200
    assert set(response.json) == {"secret", "otpauth_uri"}
    assert response.json["secret"] in response.json["otpauth_uri"]
    assert response.headers["Cache-Control"] == "no-store"
    assert sign_in(developer).status == 200


def test_once_confirmed_a_sign_in_needs_the_code(enrolled):
    authenticator, _, persona = enrolled
    assert (sign_in(persona).status, sign_in(persona).code) == (401, "otp_required")
    assert (sign_in(persona, "").code, sign_in(persona, None).code) == ("otp_required", "otp_required")
    response = sign_in(persona, authenticator.code())
    assert response.status == 200
    assert ApiClient(response.json["access_token"]).get("/auth/me").json["auth_method"] == "password+totp"


def test_a_code_of_the_step_before_is_accepted_and_of_other_steps_not(enrolled):
    authenticator, _, persona = enrolled
    assert sign_in(persona, authenticator.code(-3)).code == "authentication_failed"
    assert sign_in(persona, authenticator.code(+2)).code == "authentication_failed"
    wait_for_the_middle_of_a_step()
    assert sign_in(persona, authenticator.code(-1)).status == 200


def wait_for_the_middle_of_a_step():
    """Avoid the end of a step: a code computed just before it could be two steps old on arrival."""
    left = 30 - database_now().timestamp() % 30
    if left < 3:
        time.sleep(left)


def test_a_code_works_once(enrolled):
    authenticator, _, persona = enrolled
    code = authenticator.code()
    assert sign_in(persona, code).status == 200
    response = sign_in(persona, code)
    assert (response.status, response.code) == (401, "authentication_failed")


def test_the_code_that_confirmed_does_not_sign_in(developer):
    authenticator = Authenticator(developer.api.post("/auth/totp/enrol").json["secret"])
    code = authenticator.code()
    assert developer.api.post("/auth/totp/confirm", {"code": code}).status == 200
    assert sign_in(developer, code).code == "authentication_failed"


def test_a_clock_that_jumps_back_opens_no_code_a_second_time(enrolled):
    authenticator, _, persona = enrolled
    TotpDevice.objects.update(last_step=int(database_now().timestamp() // 30) + 100)  # used before the jump
    assert sign_in(persona, authenticator.code()).code == "authentication_failed"


def test_a_wrong_code_and_a_replayed_one_get_the_same_response(enrolled):
    authenticator, recovery_codes, persona = enrolled
    used = authenticator.code()
    sign_in(persona, used)
    sign_in(persona, recovery_codes[0])
    codes = [used, authenticator.wrong_code(), recovery_codes[0], "ABCD-EFGH-2345-WXYZ"]
    responses = [sign_in(persona, code).json for code in codes]
    assert {(response["code"], response["detail"]) for response in responses} == {
        ("authentication_failed", responses[0]["detail"])
    }


def test_a_recovery_code_logs_in_once_and_is_on_record(enrolled):
    _, recovery_codes, persona = enrolled
    typed = recovery_codes[3].lower().replace("-", " ")
    response = sign_in(persona, typed)
    assert response.status == 200
    assert sign_in(persona, recovery_codes[3]).code == "authentication_failed"
    assert sign_in(persona, recovery_codes[4]).status == 200
    entry = log_rows().filter(action=actions.RECOVERY_CODE_USED).latest("id")
    assert (entry.user_id, entry.object_id) == (persona.user.id, str(persona.user.id))


def test_another_persons_codes_are_worth_nothing(enrolled, stranger):
    authenticator, recovery_codes, _ = enrolled
    enrol(stranger)
    assert sign_in(stranger, authenticator.code()).code == "authentication_failed"
    assert sign_in(stranger, recovery_codes[0]).code == "authentication_failed"


def test_five_wrong_codes_close_the_second_factor_even_to_the_right_one(enrolled):
    authenticator, recovery_codes, persona = enrolled
    for _ in range(5):
        assert guess(persona.user, authenticator.wrong_code()) is Unauthenticated
    assert guess(persona.user, authenticator.code()) is Throttled
    assert guess(persona.user, recovery_codes[0]) is Throttled
    response = sign_in(persona, authenticator.code())
    assert (response.status, response.code) == (429, "throttled")
    assert 0 < int(response.headers["Retry-After"]) <= 900


def test_a_right_code_forgives_the_wrong_ones_before_it(enrolled):
    authenticator, _, persona = enrolled
    for _ in range(2):
        for _ in range(4):
            assert guess(persona.user, authenticator.wrong_code()) is Unauthenticated
        assert guess(persona.user, authenticator.code()) is None
        let_time_pass()


def test_an_operator_can_forgive_them_too(enrolled):
    authenticator, _, persona = enrolled
    for _ in range(5):
        guess(persona.user, authenticator.wrong_code())
    call_command("unlock_user", persona.user.username)
    assert guess(persona.user, authenticator.code()) is None


def guess(user, code):
    """The type of the refusal, or None."""
    try:
        require_second_factor(user, code, ORIGIN)
    except (Unauthenticated, Throttled) as refusal:
        return type(refusal)
    return None


def test_a_second_enrolment_replaces_the_first_while_that_is_unconfirmed(developer):
    first, second = (Authenticator(developer.api.post("/auth/totp/enrol").json["secret"]) for _ in range(2))
    assert TotpDevice.objects.count() == 1
    assert developer.api.post("/auth/totp/confirm", {"code": first.code()}).status == 400
    assert developer.api.post("/auth/totp/confirm", {"code": second.code()}).status == 200


def test_a_confirmed_authenticator_is_not_replaced(enrolled):
    _, _, persona = enrolled
    before = TotpDevice.objects.values().get()
    for path, body in [("/auth/totp/enrol", None), ("/auth/totp/confirm", {"code": "000000"})]:
        response = persona.api.post(path, body)
        assert (response.status, response.code) == (409, "already_enrolled")
    assert TotpDevice.objects.values().get() == before


def test_a_wrong_code_confirms_nothing(developer):
    authenticator = Authenticator(developer.api.post("/auth/totp/enrol").json["secret"])
    response = developer.api.post("/auth/totp/confirm", {"code": authenticator.wrong_code()})
    assert (response.status, response.code, list(response.json["errors"])) == (
        400,
        "invalid_request",
        ["code"],
    )
    assert not TotpDevice.objects.get().confirmed
    assert not RecoveryCode.objects.exists()


def test_a_missing_enrolment_can_neither_be_confirmed_nor_removed(developer):
    assert developer.api.post("/auth/totp/confirm", {"code": "000000"}).status == 404
    responses = [developer.api.delete("/auth/totp", {"code": "000000"}).status for _ in range(6)]
    assert responses == [404] * 6


@pytest.mark.parametrize(
    "body", [{}, {"code": 123456}, {"code": "1" * 65}, {"code": "1", "x": 1}, {"code": None}]
)
def test_the_body_is_strict(developer, body):
    developer.api.post("/auth/totp/enrol")
    assert developer.api.post("/auth/totp/confirm", body).code == "invalid_request"
    assert developer.api.delete("/auth/totp", body).code == "invalid_request"


def test_enrolment_takes_no_fields(developer):
    assert developer.api.post("/auth/totp/enrol", {"secret": "MINE"}).code == "invalid_request"


def test_the_removal_requires_a_code_and_sign_in_then_requires_none(enrolled):
    authenticator, _, persona = enrolled
    response = persona.api.delete("/auth/totp", {"code": authenticator.wrong_code()})
    assert (response.status, list(response.json["errors"])) == (400, ["code"])
    assert sign_in(persona).code == "otp_required"
    assert persona.api.delete("/auth/totp", {"code": authenticator.code()}).status == 204
    assert not RecoveryCode.objects.exists()
    assert sign_in(persona).status == 200


def test_a_recovery_code_removes_a_lost_authenticator(enrolled):
    _, recovery_codes, persona = enrolled
    assert persona.api.delete("/auth/totp", {"code": recovery_codes[9]}).status == 204
    assert sign_in(persona).status == 200


def test_guessing_at_removal_counts_like_guessing_at_sign_in(enrolled):
    authenticator, _, persona = enrolled
    statuses = [
        persona.api.delete("/auth/totp", {"code": authenticator.wrong_code()}).status for _ in range(6)
    ]
    assert statuses == [400] * 5 + [429]
    assert sign_in(persona, authenticator.code()).status == 429


def test_a_stranger_sees_and_removes_their_own_authenticator_only(enrolled, stranger):
    authenticator, _, persona = enrolled
    assert stranger.api.get("/auth/totp").json["confirmed_at"] is None
    assert stranger.api.delete("/auth/totp", {"code": authenticator.code()}).status == 404
    assert TotpDevice.objects.filter(user=persona.user, confirmed=True).exists()


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/auth/totp/enrol"), ("POST", "/auth/totp/confirm"), ("DELETE", "/auth/totp")],
)
def test_anonymous_requests_are_refused(db, method, path):
    assert ApiClient().send(method, path, {"code": "000000"}).status == 401


def test_the_command_takes_an_authenticator_away(enrolled, capsys):
    _, _, persona = enrolled
    call_command("reset_totp", persona.user.username.upper())
    assert persona.user.username in capsys.readouterr().out
    assert sign_in(persona).status == 200
    entry = log_rows().get(action=actions.TOTP_RESET)
    assert (entry.source, entry.object_id) == ("command", str(persona.user.id))


def test_the_command_shows_when_there_is_nothing_to_take_away(developer):
    with pytest.raises(CommandError, match="No authenticator"):
        call_command("reset_totp", developer.user.username)
    with pytest.raises(CommandError, match="no user"):
        call_command("reset_totp", "nobody")


def test_only_an_administrator_who_signed_in_lately_resets_anothers(
    enrolled, stranger, operator, auditor, admin
):
    _, _, persona = enrolled
    for other in (stranger, operator, auditor):
        with pytest.raises(Denied):
            second_factors.reset_totp(principal=other.principal, user_id=persona.user.id)
    with pytest.raises(RecentAuthRequired):
        second_factors.reset_totp(principal=signed_in_long_ago(admin.principal), user_id=persona.user.id)
    assert TotpDevice.objects.exists()
    second_factors.reset_totp(principal=admin.principal, user_id=persona.user.id)
    assert not TotpDevice.objects.exists()


def signed_in_long_ago(principal):
    return replace(principal, auth_time=principal.auth_time - timedelta(minutes=11))


def test_the_application_itself_has_no_authenticator(db):
    with pytest.raises(Denied):
        second_factors.enrol_totp(principal=Principal.system("test", "command"))


def test_every_change_is_on_record_and_what_counts_raises_the_epoch(developer):
    epochs = [read_epoch()]
    authenticator = Authenticator(developer.api.post("/auth/totp/enrol").json["secret"])
    epochs.append(read_epoch())
    developer.api.post("/auth/totp/confirm", {"code": authenticator.code()})
    epochs.append(read_epoch())
    let_time_pass()
    developer.api.delete("/auth/totp", {"code": authenticator.code()})
    epochs.append(read_epoch())
    assert [after - before for before, after in pairwise(epochs)] == [0, 1, 1]
    words = [actions.TOTP_ENROLLED, actions.TOTP_CONFIRMED, actions.TOTP_REMOVED]
    entries = log_rows().filter(action__in=words).order_by("id")
    assert [(entry.action, entry.outcome, entry.user_id) for entry in entries] == [
        (word, "ok", developer.user.id) for word in words
    ]
    trail = AuditTrail.objects.filter(table_name="totp_devices").order_by("id")
    assert [row.action for row in trail] == ["insert", "update", "delete"]


def test_the_database_holds_neither_seeds_nor_recovery_codes_nor_does_the_log(enrolled):
    authenticator, recovery_codes, persona = enrolled
    sign_in(persona, recovery_codes[0])
    seed = base64.b32decode(authenticator.secret)
    rows = [
        *TotpDevice.objects.values(),
        *RecoveryCode.objects.values(),
        *log_rows().values(),
        *AuditTrail.objects.values(),
    ]
    stored = b"".join(
        bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for r in rows for v in r.values()
    )
    for secret in (authenticator.secret.encode(), seed, seed.hex().encode(), base64.b64encode(seed)):
        assert secret not in stored
    for code in recovery_codes:
        assert code.encode() not in stored
        assert code.replace("-", "").encode() not in stored


def test_an_enrolment_is_printed_without_its_secrets(developer):
    enrolment = second_factors.enrol_totp(principal=developer.principal)
    assert enrolment.secret not in repr(enrolment)


def test_a_seed_that_was_put_into_another_row_does_not_open(enrolled, stranger):
    _, _, persona = enrolled
    thief, _ = enrol(stranger)
    mine, theirs = TotpDevice.objects.get(user=stranger.user), TotpDevice.objects.get(user=persona.user)
    TotpDevice.objects.filter(pk=theirs.pk).update(wrapped=mine.wrapped)
    with pytest.raises(IntegrityFailed):
        require_second_factor(persona.user, thief.code(), ORIGIN)
    # Even after its MAC is recomputed, the seed does not open.
    TotpDevice.objects.get(user=persona.user).save_with_mac()
    with pytest.raises(UnwrapFailed):
        require_second_factor(persona.user, thief.code(), ORIGIN)
    assert sign_in(persona, thief.code()).code == "integrity_failed"


@pytest.mark.parametrize(
    "tamper",
    [
        lambda devices: devices.delete(),
        lambda devices: devices.update(confirmed=False),
        lambda devices: devices.update(confirmed_at=None),
        lambda _: User.objects.update(requires_second_factor=False),
    ],
    ids=["device deleted", "unconfirmed", "device altered", "user altered"],
)
def test_write_access_to_the_database_does_not_switch_the_second_factor_off(enrolled, tamper):
    authenticator, _, persona = enrolled
    tamper(TotpDevice.objects.all())
    assert sign_in(persona).status in {401, 503}
    assert sign_in(persona, authenticator.wrong_code()).status != 200


def test_a_recovery_code_put_in_by_hand_is_not_believed(enrolled):
    _, _, persona = enrolled
    device = TotpDevice.objects.get()
    RecoveryCode.objects.filter(pk=RecoveryCode.objects.first().pk).update(
        code_hash=recovery_code_hash(device.id, OWN_CODE)
    )
    assert sign_in(persona, OWN_CODE).code == "integrity_failed"


def test_a_reset_mends_an_authenticator_that_was_removed_by_hand(enrolled):
    _, _, persona = enrolled
    TotpDevice.objects.all().delete()
    assert sign_in(persona, "000000").code == "integrity_failed"
    call_command("reset_totp", persona.user.username)
    assert sign_in(persona).status == 200


def test_enrolling_needs_a_recent_sign_in(developer):
    with pytest.raises(RecentAuthRequired):
        second_factors.enrol_totp(principal=signed_in_long_ago(developer.principal))
    assert not TotpDevice.objects.exists()


def test_a_user_has_one_authenticator(enrolled):
    _, _, persona = enrolled
    with pytest.raises(IntegrityError), transaction.atomic():
        TotpDevice.objects.create(user=persona.user, kek_id="x", wrapped=b"x")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["totp", "recovery_code"])
def test_exactly_one_of_32_simultaneous_uses_of_a_code_succeeds(kind):
    persona = make_persona("dora", "developer")
    authenticator, recovery_codes = enrol(persona)
    for turn in range(3):
        code = authenticator.code() if kind == "totp" else recovery_codes[turn]
        assert winners(32, persona.user, code) == 1
        editing.unlock_user(principal=Principal.system("test", "command"), user_id=persona.user.id)
        let_time_pass()


def winners(number, user, code):
    gate = threading.Barrier(number)

    def use(_):
        gate.wait()
        try:
            return guess(user, code) is None
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as pool:
        return sum(pool.map(use, range(number)))


@pytest.mark.django_db(transaction=True)
def test_simultaneous_enrolments_and_confirmations_leave_one_device():
    persona = make_persona("dora", "developer")
    secrets = []

    def work(number):
        try:
            enrolment = second_factors.enrol_totp(principal=persona.principal)
            secrets.append(enrolment.secret)
            second_factors.confirm_totp(
                principal=persona.principal, code=Authenticator(enrolment.secret).code()
            )
        except AlreadyEnrolled:
            return "refused"
        except Exception as error:  # noqa: BLE001 - returned by name
            return type(error).__name__
        finally:
            connection.close()
        return "confirmed"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(work, range(8)))
    assert outcomes.count("confirmed") == 1
    assert set(outcomes) <= {"confirmed", "refused", "Invalid"}
    assert TotpDevice.objects.filter(confirmed=True).count() == TotpDevice.objects.count() == 1
    assert RecoveryCode.objects.count() == 10
