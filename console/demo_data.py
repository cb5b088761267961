"""Data of ``load_demo``: the people and keys of a fictional payment company."""

from dataclasses import dataclass
from typing import Final, Literal

type Fate = Literal["", "pending", "expires", "disabled", "revoked", "compromised"]

DOMAIN: Final = "demo.invalid"  # RFC 2606: reserved, so no such address exists
ADMIN: Final = "mira"
OPERATOR: Final = "jonas"
AUDITOR: Final = "ines"
PEOPLE: Final = (
    (ADMIN, "admin"),
    (OPERATOR, "operator"),
    (AUDITOR, "auditor"),
    ("card-vault", "developer"),
    ("payments-api", "developer"),
    ("report-job", "developer"),
)


@dataclass(frozen=True, slots=True)
class DemoKey:
    """A key, its owner, its use and its final state.

    It is used ``encrypts`` times before each of its rotations and after the last; every message is decrypted
    ``reads`` times. ``retired`` versions are disabled at the end. ``fate`` is the final state, and ``why`` its
    recorded reason.
    """

    name: str
    owner: str
    description: str
    tags: tuple[str, ...]
    algorithm: str = "aes-256"
    rotates: int | None = None
    rotations: tuple[str, ...] = ()
    encrypts: int = 0
    reads: int = 0
    retired: tuple[int, ...] = ()
    fate: Fate = ""
    why: str = ""


YEARLY: Final = "yearly rotation"
QUARTERLY: Final = "quarterly rotation"

KEYS: Final = (
    DemoKey(
        "card-pan-vault",
        "card-vault",
        "Card numbers at rest. PCI DSS 3.5, 3.6.",
        ("pci", "prod"),
        rotates=90,
        rotations=(QUARTERLY, "requested by the PCI assessor", QUARTERLY),
        encrypts=30,
        reads=3,
        retired=(1,),
        why="all data re-encrypted",
    ),
    DemoKey(
        "card-token-index",
        "card-vault",
        "Finds cards by number. Equal numbers give equal ciphertexts.",
        ("pci", "prod", "lookup"),
        algorithm="aes-256-siv",
        encrypts=40,
    ),
    DemoKey(
        "card-expiry-dates",
        "card-vault",
        "Card expiry dates.",
        ("pci", "prod"),
        rotates=90,
        rotations=(QUARTERLY,),
        encrypts=20,
        reads=1,
    ),
    DemoKey(
        "payments-db",
        "payments-api",
        "Columns of the payments database.",
        ("prod", "postgres"),
        rotates=90,
        rotations=(QUARTERLY, QUARTERLY, "after the failover of the eu-1 database", QUARTERLY),
        encrypts=24,
        reads=4,
    ),
    DemoKey(
        "payout-iban",
        "payments-api",
        "Bank accounts for payouts.",
        ("prod", "pii"),
        rotates=180,
        rotations=("half-yearly rotation",),
        encrypts=25,
        reads=2,
    ),
    DemoKey(
        "merchant-kyc-documents",
        "payments-api",
        "Passports and company registers uploaded by merchants.",
        ("prod", "pii", "kyc"),
        rotates=365,
        encrypts=12,
        reads=1,
    ),
    DemoKey(
        "merchant-bank-details",
        "payments-api",
        "Bank accounts entered by merchants.",
        ("prod", "pii"),
        rotates=180,
        rotations=("half-yearly rotation",),
        encrypts=15,
        reads=2,
    ),
    DemoKey(
        "customer-email",
        "payments-api",
        "Email addresses for receipts.",
        ("prod", "pii"),
        algorithm="chacha20",
        rotates=365,
        rotations=(YEARLY,),
        encrypts=40,
        reads=1,
    ),
    DemoKey(
        "customer-phone-index",
        "payments-api",
        "Finds customers by telephone number.",
        ("prod", "pii", "lookup"),
        algorithm="aes-256-siv",
        encrypts=30,
    ),
    DemoKey(
        "webhook-secrets",
        "payments-api",
        "Secrets that sign notifications to merchants.",
        ("prod",),
        rotates=30,
        rotations=("monthly rotation", "monthly rotation"),
        encrypts=10,
        reads=5,
    ),
    DemoKey(
        "refund-notes",
        "payments-api",
        "Messages of the support desk.",
        ("prod", "support"),
        algorithm="aes-128",
        rotates=365,
        encrypts=18,
        reads=1,
    ),
    DemoKey(
        "chargeback-evidence",
        "payments-api",
        "Letters and pictures for disputes.",
        ("prod", "legal"),
        rotates=365,
        encrypts=8,
        reads=2,
    ),
    DemoKey(
        "ledger-exports",
        "report-job",
        "Nightly files for accounting.",
        ("prod", "finance"),
        rotates=1,
        rotations=("nightly rotation", "nightly rotation", "nightly rotation"),
        encrypts=6,
        reads=1,
    ),
    DemoKey(
        "settlement-files",
        "report-job",
        "Files to and from the acquiring bank.",
        ("prod", "finance", "bank"),
        rotates=30,
        rotations=("monthly rotation",),
        encrypts=14,
        reads=2,
    ),
    DemoKey(
        "fraud-features",
        "report-job",
        "Training data of the fraud model.",
        ("prod", "ml"),
        algorithm="chacha20",
        rotates=180,
        encrypts=50,
        reads=1,
    ),
    DemoKey(
        "device-fingerprints",
        "report-job",
        "Browser fingerprints per card.",
        ("prod", "ml", "pii"),
        algorithm="chacha20",
        rotates=365,
        encrypts=26,
    ),
    DemoKey(
        "staging-payments-db",
        "payments-api",
        "Test copy of payments-db with sample payments.",
        ("staging", "postgres"),
        encrypts=9,
        reads=2,
    ),
    DemoKey(
        "sandbox-merchants",
        "payments-api",
        "Sandbox for merchants who test the API.",
        ("sandbox",),
        encrypts=5,
    ),
    DemoKey(
        "terminal-config",
        "card-vault",
        "Settings of payment terminals in shops.",
        ("prod", "pos"),
        algorithm="aes-128",
        rotates=365,
        rotations=(YEARLY,),
        encrypts=7,
        reads=3,
    ),
    DemoKey(
        "payouts-2027",
        "payments-api",
        "Replaces payout-iban at the end of the year.",
        ("prod", "pii"),
        rotates=180,
        fate="pending",
    ),
    DemoKey(
        "black-friday-vouchers",
        "payments-api",
        "Promotion codes of last week.",
        ("prod", "marketing"),
        encrypts=12,
        reads=1,
        fate="expires",
    ),
    DemoKey(
        "legacy-csv",
        "report-job",
        "Files of the old reporting system, no longer in use.",
        ("legacy",),
        encrypts=4,
        reads=1,
        fate="disabled",
        why="replaced by ledger-exports; checking for failures",
    ),
    DemoKey(
        "old-gateway",
        "payments-api",
        "Payment gateway that was shut down in spring.",
        ("legacy",),
        encrypts=6,
        fate="revoked",
        why="gateway shut down, archive is read-only",
    ),
    DemoKey(
        "partner-acme-sftp",
        "report-job",
        "Files for Acme.",
        ("partner", "legacy"),
        encrypts=5,
        fate="compromised",
        why="Acme reported a stolen laptop, ticket SEC-412",
    ),
    DemoKey(
        "archive-invoices-and-credit-notes-of-the-former-subsidiary-nl",
        "report-job",
        "Kept for 10 years after the company merger.",
        ("legal", "finance", "archive"),
        encrypts=3,
        reads=1,
    ),
)
