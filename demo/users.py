"""The users of the demo: their accounts, sessions and failed sign-ins."""

import secrets
from dataclasses import dataclass, field

from accounts import actions
from accounts.models import User
from accounts.origin import Origin
from accounts.passwords import require_acceptable
from accounts.principals import SIGNING_KEYS, Principal, user_entity
from accounts.sessions.services.sessions import refresh, sign_out, sign_out_of_browser
from accounts.sign_in.services import check_password, known_username, sign_in, sign_in_to_browser
from accounts.users.services.creation import create_user
from accounts.users.services.editing import find_user, set_password
from audit.log.events import Event, Outcome, Source
from audit.services.recording import record_alone
from demo.data import ADMIN, DOMAIN, ORIGINS, PEOPLE
from kernel.clock import process_now
from kernel.errors import Unauthenticated
from kernel.freshness.epoch import read_stamp
from kernel.identities import Identity

_PASSWORD_BYTES = 12


@dataclass(slots=True)
class DemoUsers:
    """``passwords`` and ``principals`` are by username. A principal is that of the user's last sign-in."""

    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    principals: dict[str, Principal] = field(default_factory=dict)
    _refresh_tokens: dict[str, str] = field(default_factory=dict, repr=False)

    def choose_passwords(self, password: str) -> None:
        """``password`` for every user or, if it is empty, a random one for each. Raises Invalid."""
        for username, role in PEOPLE:
            self.passwords[username] = password or secrets.token_urlsafe(_PASSWORD_BYTES)
            require_acceptable(
                self.passwords[username], User(username=username, email=_email(username), role=role)
            )

    def create(self, principal: Principal) -> None:
        """Create all users as ``principal``."""
        for username, role in PEOPLE:
            create_user(
                principal=principal,
                username=username,
                password=self.passwords[username],
                role=role,
                email=_email(username),
            )

    def sign_in(self, name: str) -> None:
        """Sign a person in to the console."""
        origin = origin_of(name)
        user = check_password(username=name, password=self.passwords[name])
        sign_in_to_browser(user_id=user.id, subject_version=user.subject_version, origin=origin)
        self.principals[name] = _principal(name, origin)

    def sign_out(self, name: str) -> None:
        sign_out_of_browser(user=find_user(name), origin=origin_of(name))

    def open_session(self, name: str) -> None:
        """Sign a program in to the API, after it has ended its last session."""
        origin = origin_of(name)
        if name in self._refresh_tokens:
            sign_out(refresh_token=self._refresh_tokens.pop(name), origin=origin)
        pair = sign_in(username=name, password=self.passwords[name], origin=origin)
        self._refresh_tokens[name] = pair.refresh_token
        self.principals[name] = _principal(name, origin)

    def refresh(self, name: str) -> None:
        pair = refresh(refresh_token=self._refresh_tokens[name], origin=origin_of(name))
        self._refresh_tokens[name] = pair.refresh_token

    def replace_password(self, name: str) -> None:
        """As the administrator. It ends the sessions of the program, which then opens another one."""
        set_password(
            principal=self.principals[ADMIN], user_id=find_user(name).id, password=self.passwords[name]
        )
        del self._refresh_tokens[name]
        self.open_session(name)

    def fail_to_sign_in(self, name: str, place: str) -> None:
        """With a wrong password, from a place in ``ORIGINS``. Records the refusal, as every interface does."""
        try:
            check_password(username=name, password=secrets.token_urlsafe(_PASSWORD_BYTES))
        except Unauthenticated as refusal:
            event = Event(action=actions.SESSION_OPENED, outcome=Outcome.DENIED, code=refusal.code)
            record_alone(event, origin_of(place).anonymous(known_username(name)))

    def close(self) -> None:
        """End the sessions of the programs."""
        while self._refresh_tokens:
            name, refresh_token = self._refresh_tokens.popitem()
            sign_out(refresh_token=refresh_token, origin=origin_of(name))


def origin_of(name: str) -> Origin:
    """Where this user, or the stranger, calls from."""
    client_ip, user_agent = ORIGINS[name]
    source = Source.CONSOLE if "Mozilla" in user_agent else Source.API
    return Origin(client_ip=client_ip, user_agent=user_agent, request_id=secrets.token_hex(16), source=source)


def _principal(username: str, origin: Origin) -> Principal:
    """A user who has just signed in. Not from an access token: those expire by the actual time."""
    stamp = read_stamp(user_entity(find_user(username).id), SIGNING_KEYS)
    user = find_user(username).check_mac()
    return Principal(
        actor=origin.user(user.id, user.username, auth_method="password"),
        identity=Identity.user(user.id),
        rights=user.rights,
        permissions=user.permissions,
        subject_version=user.subject_version,
        auth_time=process_now(),
        stamp=stamp,
    )


def _email(username: str) -> str:
    return f"{username}@{DOMAIN}"
