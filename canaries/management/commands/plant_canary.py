from argparse import ArgumentParser, ArgumentTypeError
from ipaddress import ip_address
from typing import Any

from canaries.documents import HOST, Exemption, Kind, Level
from canaries.serializers import LONGEST_NOTE
from canaries.services.finding import find_object
from canaries.services.planting import TABLES, plant_canary
from kernel.commands import ServiceCommand
from kernel.labels import label_fault

_NEXT = {
    Kind.KEY: "Any use of this key is a touch from now on.",
    Kind.CIPHERTEXT: "Encrypt a text with this key, put the ciphertext into the place of the note, and use the key for "
    "nothing else. Choose no place that a batch job reads.",
    Kind.TOKEN: "Put the token into the place of the note, as a line such as CIPHERCANARY_TOKEN=cct_….",
    Kind.CLIENT: "Put its ID and secret into the place of the note, such as the variables of a pipeline.",
    Kind.USER: "Put the name and the password into the place of the note, such as a password manager.",
}


class Command(ServiceCommand):
    help = (
        "Make an existing object a canary: each use of it is announced to the officers. Create the object as usual "
        "first. Several canaries look more natural if you create them on different days."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=[kind.value for kind in TABLES])
        parser.add_argument(
            "reference", metavar="name", help="the name or the ID of the key, token, service account or user"
        )
        parser.add_argument(
            "--note", required=True, type=_note, help="where it is placed; only officers see this"
        )
        parser.add_argument("--level", default=Level.ALERT.value, choices=[level.value for level in Level])
        parser.add_argument(
            "--expect",
            action="append",
            default=[],
            type=_exemption,
            metavar="TOKEN_ID,ACTION,PER_HOUR[,ADDRESS]",
            help="use of a decoy client that is no touch, up to this many times an hour; repeatable",
        )

    def handle(
        self,
        *_args: Any,
        kind: str,
        reference: str,
        note: str,
        level: str,
        expect: list[Exemption],
        **_options: Any,
    ) -> None:
        canary = plant_canary(
            by=HOST,
            kind=Kind(kind),
            object_id=find_object(Kind(kind), reference),
            note=note,
            level=Level(level),
            exemptions=tuple(expect),
        )
        expected = " The expected use is no touch." if expect else ""
        self.stdout.write(f"{canary.name} is a canary, ID {canary.id}. {_NEXT[canary.kind]}{expected}")


def _note(text: str) -> str:
    if fault := label_fault(text, LONGEST_NOTE):
        raise ArgumentTypeError(fault)
    return text


def _exemption(text: str) -> Exemption:
    try:
        token_id, operation, per_hour, *address = text.split(",", 3)
        return Exemption(
            token_id=token_id.lower(),
            operation=operation,
            per_hour=_positive(per_hour),
            client_ip="".join(str(ip_address(each)) for each in address),
        )
    except ValueError:
        raise ArgumentTypeError(
            f"{text}: enter the ID of a service token, an action, a number of uses and, if you want, one address"
        ) from None


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)
