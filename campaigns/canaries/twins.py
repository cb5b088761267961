"""Objects that went through the same acts in the same order. The last ones of each kind are canaries."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from campaigns.canaries.dumps import Named
from campaigns.canaries.population import DATA, Member, Population
from tests.product import PASSWORD

ORDINARY, CANARIES = 6, 4
NUMBER = ORDINARY + CANARIES


class Twins:
    def __init__(self, population: Population) -> None:
        self.population = population
        [self.other] = population.create(1)

    def use_keys(self) -> list[Member]:
        members = self.population.create(NUMBER)
        self.population.chance.shuffle(members)
        self.population.plant(members[ORDINARY:])
        for act in self.population.acts:
            self.population.use_all(members, [act])
        return members

    def use_tokens(self) -> list[Named]:
        """Service tokens of the administrator."""
        from canaries.documents import Kind  # noqa: PLC0415 - needs Django

        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        new = {"scopes": ["encrypt", "keys.read"], "expires_at": tomorrow}
        made, secrets = [], {}
        for name in self._names():
            created = self.population.post(
                "/api/v1/tokens", {"name": name, **new}, self.population.admin
            ).json
            made.append(Named(created["id"], name))
            secrets[name] = created["token"]
        self._plant(Kind.TOKEN, made)
        body = {"key_id": self.other.named.id, **DATA}
        self._each(made, lambda token: self.population.post("/api/v1/encrypt", body, secrets[token.name]))
        self._each(
            made,
            lambda token: self.population.get(f"/api/v1/keys/{self.other.named.id}", secrets[token.name]),
        )
        self._each(made, lambda token: self.population.get("/api/v1/users", secrets[token.name]))
        return made

    def use_users(self) -> list[Named]:
        from accounts.principals import Principal  # noqa: PLC0415 - needs Django
        from accounts.users.services.creation import create_user  # noqa: PLC0415 - likewise
        from audit.log.events import Source  # noqa: PLC0415 - likewise
        from canaries.documents import Kind  # noqa: PLC0415 - likewise

        system = Principal.system("campaign", Source.COMMAND)
        made = []
        for name in self._names():
            user = create_user(principal=system, username=name, password=PASSWORD, role="developer")
            made.append(Named(str(user.id), name))
        self._plant(Kind.USER, made)
        self._each(made, lambda user: self._sign_in(user, "a wrong password"))
        tokens = {}
        self._each(made, lambda user: tokens.update({user.name: self._sign_in(user, PASSWORD)}))
        self._each(made, lambda user: self.population.get("/auth/me", tokens[user.name]))
        return made

    def _names(self) -> list[str]:
        return [f"twin-{self.population.chance.randrange(16**8):08x}" for _ in range(NUMBER)]

    def _plant(self, kind: str, made: list[Named]) -> None:
        from canaries.documents import HOST  # noqa: PLC0415 - needs Django
        from canaries.services.planting import plant_canary  # noqa: PLC0415 - likewise

        self.population.chance.shuffle(made)
        for each in made[ORDINARY:]:
            plant_canary(by=HOST, kind=kind, object_id=UUID(each.id), note="the wiki")

    def _each(self, made: Sequence[Named], act: Callable[[Named], object]) -> None:
        for each in self.population.chance.sample(made, len(made)):
            act(each)

    def _sign_in(self, user: Named, password: str) -> str:
        sent = {"username": user.name, "password": password}
        return str(self.population.post("/auth/login", sent, "").json.get("access_token", ""))
