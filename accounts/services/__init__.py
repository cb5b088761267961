"""The use cases of accounts: each is one transaction with its own record in the audit log."""

from accounts.services.login import (
    check_password,
    confirm_identity,
    known_username,
    log_in,
    log_in_to_browser,
    log_out_of_browser,
)
from accounts.services.own_sessions import OwnSession, end_other_sessions, end_session, list_sessions
from accounts.services.recovery_codes import count_recovery_codes, replace_recovery_codes
from accounts.services.sessions import TokenPair, log_out, refresh
from accounts.services.setup import check_setup_link, create_first_admin, is_set_up, issue_setup_link
from accounts.services.signing_keys import establish_signing_keys, rotate_signing_key
from accounts.services.totp import (
    Enrolment,
    SecondFactor,
    confirm_totp,
    enrol_totp,
    find_enrolment,
    get_second_factor,
    remove_totp,
    reset_totp,
)
from accounts.services.users import (
    change_password,
    create_user,
    disable_user,
    enable_user,
    find_user,
    get_own_user,
    set_password,
    set_role,
    sign_out_everywhere,
    unlock_user,
)

__all__ = [
    "Enrolment",
    "OwnSession",
    "SecondFactor",
    "TokenPair",
    "change_password",
    "check_password",
    "check_setup_link",
    "confirm_identity",
    "confirm_totp",
    "count_recovery_codes",
    "create_first_admin",
    "create_user",
    "disable_user",
    "enable_user",
    "end_other_sessions",
    "end_session",
    "enrol_totp",
    "establish_signing_keys",
    "find_enrolment",
    "find_user",
    "get_own_user",
    "get_second_factor",
    "is_set_up",
    "issue_setup_link",
    "known_username",
    "list_sessions",
    "log_in",
    "log_in_to_browser",
    "log_out",
    "log_out_of_browser",
    "refresh",
    "remove_totp",
    "replace_recovery_codes",
    "reset_totp",
    "rotate_signing_key",
    "set_password",
    "set_role",
    "sign_out_everywhere",
    "unlock_user",
]
