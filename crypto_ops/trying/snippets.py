"""Ready-to-run programs that use one key. Pages show exactly the text that the tests run.

The first step of each program gets a token.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from crypto_ops.trying.client_programs import CLIENT_PROGRAMS, ENVIRONMENT
from crypto_ops.trying.programs import PROGRAMS, TOKEN, Program
from crypto_ops.trying.transit_programs import (
    ENVIRONMENT as TRANSIT_ENVIRONMENT,
)
from crypto_ops.trying.transit_programs import (
    operations_shown,
    placeholders_of,
    programs_of,
)
from kernel.crypto.algorithms import KeyAlgorithm
from kernel.crypto.transit_types import TransitType, type_of


@dataclass(frozen=True, slots=True)
class _Step:
    title: str
    text: str
    code: str


_LANGUAGES: Final[Mapping[str, str]] = {
    "client": "Python client",
    "curl": "curl",
    "command": "Command",
    "python": "Python without the client",
}
_PROGRAMS: Final = PROGRAMS | CLIENT_PROGRAMS
# Of the programs for transit keys: the label, and what they need.
_TRANSIT_LANGUAGES: Final[Mapping[str, tuple[str, str]]] = {
    "hvac": ("Python (hvac)", "Install it once: pip install hvac."),
    "bao": ("bao", "Run this in bash, with the command of OpenBao. The command vault works in the same way."),
    "sops": ("SOPS", "Run this in bash, with the command of SOPS. It writes the file canary.yaml."),
    "curl": ("curl", "Run this in bash."),
}

_SIGN_IN_TEXT: Final = (
    "Sign in once. Set CIPHERCANARY_USERNAME, CIPHERCANARY_PASSWORD and, if you use one-time codes, CIPHERCANARY_CODE, "
    "or enter the values at the prompts. The token is valid for {minutes} minutes. With a service "
    "token, set CIPHERCANARY_TOKEN to it instead, and go to the next step."
)

_ENVIRONMENT_TEXT: Final = (
    "Run this in a shell, paste a service token, and press Enter. The shell does not show it."
)

_TITLES: Final = {
    "encrypt": ("Encrypt", "Decrypt"),
    "sign": ("Sign", "Verify"),
    "mac": ("Compute a MAC", "Verify"),
    "encapsulate": ("Encapsulate a secret", "Decapsulate it"),
    "agree": ("Make a key for the other party", "Agree on a secret"),
}
# The calls and members of the programs that verify, besides the key and the message.
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "encrypt": {},
    "encapsulate": {},
    "agree": {},
    "sign": {"protect": "sign", "verify": "verify", "member": "signature", "variable": "SIGNATURE"},
    "mac": {"protect": "mac", "verify": "mac/verify", "member": "mac", "variable": "MAC"},
}
# The options of openssl genpkey for the key of another party.
_GENPKEY: Final[Mapping[str, str]] = {
    "x25519": "-algorithm X25519",
    "ec-p256": "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
    "ec-p384": "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
    "ec-p521": "-algorithm EC -pkeyopt ec_paramgen_curve:P-521",
    "ec-secp256k1": "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
}


# The operations of the programs after the token, by purpose. Making a key for another party needs no permission.
_OPERATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "encrypt": ("encrypt", "decrypt"),
    "sign": ("sign", "verify"),
    "mac": ("mac", "verify"),
    "encapsulate": ("encapsulate", "decapsulate"),
    "agree": ("agree", "agree"),
}
_EXAMPLES: Final = (
    (
        "client",
        "Python client",
        "Install it once: pip install ./clients/python, in a clone of the repository.",
    ),
    ("curl", "curl", "Run this in bash."),
    ("command", "Command", "The Python client installs this command."),
)


def main_operations(kind: KeyAlgorithm) -> list[str]:
    """The operations of the programs for keys of this kind."""
    transit = type_of(kind.name)
    purposes = operations_shown(transit) if transit else [kind.purpose]
    return list(dict.fromkeys(word for purpose in purposes for word in _OPERATIONS[purpose]))


def examples_of(*, kind: KeyAlgorithm, key_id: str, mode: str, operations: Collection[str]) -> list[_Step]:
    """A program for one key in each language that has one, for a token with these operations.

    A program needs the first operation of the key's purpose, and goes on with the second if the token allows it.
    ``key_id``: also ``name:NAME``; of a transit key its mount and name.
    """
    if transit := type_of(kind.name):
        return _transit_examples(transit, key_id, operations)
    first, second = _OPERATIONS[kind.purpose]
    if first not in operations:
        return []
    count, sent = 1 + (second in operations), _placeholders(kind, key_id, mode)
    return [
        _Step(
            title,
            text,
            "\n".join(each.substitute(sent) for each in _PROGRAMS[language, kind.purpose][:count]),
        )
        for language, title, text in _EXAMPLES
        if (language, kind.purpose) in _PROGRAMS
    ]


def _transit_examples(kind: TransitType, name: str, operations: Collection[str]) -> list[_Step]:
    steps = []
    for language, (label, text) in _TRANSIT_LANGUAGES.items():
        programs = [
            program.substitute(placeholders_of(kind, name, shown))
            for shown in operations_shown(kind)
            for program in _allowed(programs_of(language, kind, shown), shown, operations)
        ]
        if programs:
            steps.append(_Step(label, text, "\n".join(programs)))
    return steps


def _allowed(programs: Sequence[Program], purpose: str, operations: Collection[str]) -> Sequence[Program]:
    """The programs that a token with these operations can run."""
    first, second = _OPERATIONS[purpose]
    return programs[: 1 + (second in operations)] if first in operations else []


def environment_commands(kind: KeyAlgorithm | None = None) -> str:
    """The commands that set the server and the token for the client and its command, or for clients of Vault."""
    program = TRANSIT_ENVIRONMENT if kind and type_of(kind.name) else ENVIRONMENT
    return program.substitute(server=settings.CC_PUBLIC_URL)


def languages_of(kind: KeyAlgorithm) -> dict[str, str]:
    """The languages that have programs for keys of this kind, by their word, in the order of the page."""
    if transit := type_of(kind.name):
        shown = operations_shown(transit)
        return {
            word: label
            for word, (label, _) in _TRANSIT_LANGUAGES.items()
            if any(programs_of(word, transit, operation) for operation in shown)
        }
    return {word: label for word, label in _LANGUAGES.items() if (word, kind.purpose) in _PROGRAMS}


def steps_of(language: str, *, kind: KeyAlgorithm, key_id: str, mode: str) -> list[_Step]:
    """The steps in one of ``languages_of`` for one key. ``key_id``: as of ``examples_of``."""
    if transit := type_of(kind.name):
        return _transit_steps(language, transit, key_id)
    purpose = kind.purpose
    sent = _placeholders(kind, key_id, mode)
    sign_in_text = _SIGN_IN_TEXT.format(minutes=settings.CC_ACCESS_TOKEN_MINUTES)
    first, title = TOKEN.get(language, ENVIRONMENT), "Get a token"
    texts: tuple[str, ...]
    if (language, purpose) in CLIENT_PROGRAMS:
        title = "Set the server and the token"
        install = next(text for word, _, text in _EXAMPLES if word == language)
        again = "Add this to the same program." if language == "client" else "Run this in the same shell."
        texts = (_ENVIRONMENT_TEXT, install, again)
    elif language == "python":
        texts = (
            f'{sign_in_text} Save the code as sign_in.py, then run in a shell: eval "$(python3 sign_in.py)"',
            "Needs Python 3 only, no other packages.",
            "Add this to the same program.",
        )
    else:
        texts = (
            f"Run this in bash. {sign_in_text}",
            "Needs CIPHERCANARY_TOKEN from step 1.",
            "Run this in the same shell.",
        )
    programs = (first, *_PROGRAMS[language, purpose])
    titles = (title, *_TITLES[purpose])
    return [
        _Step(title, text, program.substitute(sent))
        for title, text, program in zip(titles, texts, programs, strict=True)
    ]


def _transit_steps(language: str, kind: TransitType, name: str) -> list[_Step]:
    steps = [
        _Step(
            "Set the server and the token",
            _ENVIRONMENT_TEXT,
            TRANSIT_ENVIRONMENT.substitute(server=settings.CC_PUBLIC_URL),
        )
    ]
    again = "Add this to the same program." if language == "hvac" else "Run this in the same shell."
    texts = (_TRANSIT_LANGUAGES[language][1], again)
    for shown in operations_shown(kind):
        if programs := programs_of(language, kind, shown):
            sent = placeholders_of(kind, name, shown)
            steps += [
                _Step(title, text, program.substitute(sent))
                for title, text, program in zip(_TITLES[shown], texts, programs, strict=True)
            ]
    return steps


def _placeholders(kind: KeyAlgorithm, key_id: str, mode: str) -> dict[str, str]:
    fields = f'"signing_algorithm": "{mode}", ' if kind.purpose == "sign" else ""
    sent = {"server": settings.CC_PUBLIC_URL, "key_id": key_id, "mode": mode, "fields": fields}
    return sent | {**_WORDS[kind.purpose], "genpkey": _GENPKEY.get(kind.name, "")}
