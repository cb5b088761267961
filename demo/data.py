"""Data of ``load_demo``: the people and keys of a fictional payment company, and what happens to them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from canaries.documents import Kind, Level

type _Fate = Literal["", "pending", "expires", "disabled", "revoked", "compromised", "scheduled"]
type Rhythm = Literal["shop", "office", "night"]

DOMAIN: Final = "demo.invalid"  # RFC 2606: reserved, so no such address exists
ADMIN: Final = "mira"
OPERATOR: Final = "jonas"
AUDITOR: Final = "ines"
OFFICER: Final = "noor"
STRANGER: Final = "stranger"
PEOPLE: Final = (
    (ADMIN, "admin"),
    (OPERATOR, "operator"),
    (AUDITOR, "auditor"),
    (OFFICER, "auditor"),
    ("emergency", "operator"),
    ("card-vault", "developer"),
    ("payments-api", "developer"),
    ("report-job", "developer"),
)
PROGRAMS: Final = tuple(name for name, role in PEOPLE if role == "developer")

_FIREFOX: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_CHROME: Final = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36"
INCIDENT: Final = "partner-acme-sftp"
ROTATED_AFTER_INCIDENT: Final = ("ledger-exports", "settlement-files", "payout-iban")
PRECAUTION: Final = "precaution after the incident SEC-412"
GUESSED: Final = ("admin", "root", "administrator", ADMIN)  # names that the stranger tries

# Addresses of private networks and of RFC 5737, which have no owner.
ORIGINS: Final = {
    ADMIN: ("192.0.2.24", _FIREFOX),
    OPERATOR: ("192.0.2.37", _CHROME),
    AUDITOR: ("192.0.2.51", _CHROME),
    OFFICER: ("192.0.2.66", _FIREFOX),
    "card-vault": ("10.20.1.11", "card-vault/3.4"),
    "payments-api": ("10.20.1.20", "payments-api/7.12"),
    "report-job": ("10.20.2.5", "report-job/1.9"),
    "support-desk": ("10.20.3.8", "support-desk/2.1"),
    "fraud-model": ("10.20.4.2", "fraud-model/0.9"),
    STRANGER: ("203.0.113.77", "python-requests/2.32.5"),
}


class Use(Struct, frozen=True, forbid_unknown_fields=True):
    """``calls``: requests on a working day at the end of the history. ``batch``: the most messages in one request.

    ``reads``: the share of requests that decrypt.
    """

    calls: int = 0
    batch: int = 1
    reads: float = 0.5
    rhythm: Rhythm = "shop"


class DemoKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A key, its owner, its life and its final state. Times are shares of the history: 0.0 is its first day, 1.0 now.

    ``rotations`` are those by the operator, beside those of the period ``rotates``; their times are shares of the
    key's life. ``fate`` is the final state from the time ``fated`` on, and ``why`` its recorded reason. At that time
    ``retired`` versions are disabled, and ``doomed`` ones are scheduled for destruction.
    """

    name: str
    owner: str
    description: str
    tags: tuple[str, ...]
    algorithm: str = "aes-256"
    born: float = 0.0
    rotates: int | None = None
    rotations: tuple[tuple[float, str], ...] = ()
    use: Use = Use()
    policy: str = ""
    retired: tuple[int, ...] = ()
    doomed: tuple[int, ...] = ()
    fate: _Fate = ""
    fated: float = 1.0
    why: str = ""
    is_protected: bool = False


@dataclass(frozen=True, slots=True)
class DemoApplication:
    """A program with a service account, a token, and a grant on ``key``, or on ``tag``, which ``key`` has."""

    name: str
    description: str
    key: str
    operations: tuple[str, ...]
    tag: str = ""


APPLICATIONS: Final = (
    DemoApplication(
        "support-desk", "Shows the notes of a refund to the support team.", "refund-notes", ("decrypt",)
    ),
    DemoApplication(
        "fraud-model",
        "Trains the fraud model on all data with the tag ml.",
        "fraud-features",
        ("encrypt", "decrypt"),
        tag="ml",
    ),
)
WEBHOOK: Final = ("security-desk", f"https://alerts.{DOMAIN}/ciphercanary")
WEBHOOK_TOPICS: Final = ("audit.alarm", "key.deletion_denied_use", "key.destruction_overdue")


MOUNT, TRANSIT_KEY, MOVED_BY = "shop", "orders", "payments-api"
RAW_KEY, RAW_KEY_USE = "old-shop-rows", "Decrypts rows that the shop encrypted with its own key."


@dataclass(frozen=True, slots=True)
class _DemoPolicy:
    """A policy that the administrator creates at the beginning."""

    name: str
    algorithm: str
    rotation: dict[str, int | bool]
    lifetime_days: int | None = None
    deletion_days: int = 7
    is_active: bool = True


POLICIES: Final = (
    _DemoPolicy("customer-data", "chacha20", {"every_days": 28}, lifetime_days=730),
    _DemoPolicy(
        "finance-files",
        "aes-256",
        {"every_days": 30, "grace_days": 365, "reencrypt": True},
        deletion_days=14,
    ),
    _DemoPolicy("legacy-aes-128", "aes-128", {"every_days": 365}, is_active=False),
    _DemoPolicy("pci-card-data", "aes-256", {"every_days": 28}, lifetime_days=1095, deletion_days=30),
)


@dataclass(frozen=True, slots=True)
class _Decoy:
    """An object without a legitimate use, which becomes a canary."""

    kind: Kind
    name: str
    note: str
    level: Level = Level.ALERT


PLANTED_CIPHERTEXT: Final = "backup-2024"  # its key
PLANTED_TOKEN: Final = "website-deploy"  # noqa: S105 - a name
TOKEN_HOLDER: Final = "website-ci"  # noqa: S105 - a name
PLANTED: Final = (
    _Decoy(Kind.KEY, "cardholder-export", "Nowhere: for people who list the keys"),
    _Decoy(Kind.CIPHERTEXT, PLANTED_CIPHERTEXT, "s3://backups/2024.cc"),
    _Decoy(Kind.TOKEN, PLANTED_TOKEN, "CI variable CIPHERCANARY_TOKEN of the website"),
    _Decoy(Kind.USER, "emergency", "Wiki page Emergency access, with the password", Level.QUARANTINE),
)

KEYS: Final = msgspec.json.decode(
    (Path(__file__).parent / "keys.json").read_bytes(), type=tuple[DemoKey, ...]
)
