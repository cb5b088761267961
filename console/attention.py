"""Items that need attention, filtered by what the user may see and do. Ideally, the list is empty."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q
from django.urls import reverse

from accounts.principals import Principal
from audit.actions import EXPORT_FAILED
from audit.models import EXPORT_PERMISSION
from audit.usage.queries import DAY, HOUR, Keys, Used, keys_denied_since, used_since
from console.facts import Facts, read_facts
from console.system import BAD, check_disk
from keys.lifecycle import Status
from keys.models import Key
from keys.selection import EXPIRING_WITHIN, Finding, has_finding, has_status
from keys.services import ids_of_own_keys


@dataclass(frozen=True, slots=True)
class Item:
    """One item that needs attention, with a link."""

    text: str
    url: str
    link_text: str
    is_bad: bool = False

    @property
    def icon(self) -> str:
        return "shield-alert" if self.is_bad else "triangle-alert"


@dataclass(frozen=True, slots=True)
class KeyCounts:
    """The visible keys by finding: how many, and the name of one of them."""

    all: int
    active: int
    overdue: tuple[int, str]
    expiring: tuple[int, str]
    denied: tuple[int, str]


@dataclass(frozen=True, slots=True)
class HomeData:
    """The data of the home page as of ``at``."""

    at: datetime
    principal: Principal
    keys: KeyCounts
    used: Used
    facts: Facts


def items_of(now: HomeData, *, has_checklist: bool) -> Sequence[Item]:
    """The worst first. A visible checklist already covers the second factor."""
    own = () if has_checklist else _of_the_account(now)
    return [*_of_the_log(now), *_of_keys(now.keys), *_of_the_service(now), *own]


def read_home_data(principal: Principal, at: datetime) -> HomeData:
    """Raises Denied."""
    own = ids_of_own_keys(principal=principal)
    return HomeData(
        at=at,
        principal=principal,
        keys=_read_keys(principal, at),
        used=_last_day(at, own),
        facts=read_facts(principal, own, at),
    )


def _last_day(at: datetime, own: Keys) -> Used:
    return used_since(at - DAY + HOUR, own)  # 24 hours of the clock, including the current one


def _read_keys(principal: Principal, at: datetime) -> KeyCounts:
    active, visible = has_status(Status.ACTIVE, at), Key.objects.visible_to(principal)
    # Restrict this to known keys: otherwise frequent requests for made-up key ids could crowd them out.
    denied = keys_denied_since(at - HOUR, visible.filter(~active).ids_as_logged())
    wanted = {
        "overdue": has_finding(Finding.OVERDUE, at),
        "expiring": has_finding(Finding.EXPIRING, at),
        "denied": Q(pk__in=denied),
    }
    counts = {name: Count("pk", filter=condition) for name, condition in wanted.items()}
    names = {f"{name}_name": Min("name", filter=condition) for name, condition in wanted.items()}
    found = visible.aggregate(all=Count("pk"), active=Count("pk", filter=active), **counts, **names)
    return KeyCounts(
        all=found["all"],
        active=found["active"],
        **{name: (found[name], found[f"{name}_name"] or "") for name in wanted},
    )


def _of_the_log(now: HomeData) -> Iterator[Item]:
    log = now.facts.log
    if log.alarms:
        are = "1 audit alarm is" if log.alarms == 1 else f"{log.alarms} audit alarms are"
        newest = f"latest {log.alarmed_at:%Y-%m-%d %H:%MZ}"
        text = f"{are} open ({newest}). The audit log may have been altered."
        yield Item(text, reverse("alarms"), "See alarms", is_bad=True)
    elif now.facts.verification is not None and now.facts.verification.problem:
        yield Item(now.facts.verification.problem, reverse("system"), "Check the system")
    if log.delay.is_late and now.principal.has_permission("system.read"):
        refused = " The server rejects operations until it catches up." if log.delay.stops_operations else ""
        waiting = f"have been waiting {log.delay.seconds:.0f} seconds to be sequenced and signed"
        text = f"Audit log entries {waiting}.{refused}"
        yield Item(text, reverse("system"), "Check the system", is_bad=True)


def _of_keys(keys: KeyCounts) -> Iterator[Item]:
    count, name = keys.denied
    if count:
        verb = "is" if count == 1 else "are"
        text = f"{_named(count, name)} {verb} not active, and requests were denied in the last hour."
        url = reverse("key-activity", args=[name]) if count == 1 else reverse("usage")
        yield Item(text, url, "See who was denied", is_bad=True)
    count, name = keys.overdue
    if count:
        text = f"Rotation of {_named(count, name)} is overdue."
        yield Item(text, _keys_url(count, name, Finding.OVERDUE), "Rotate")
    count, name = keys.expiring
    if count:
        verb = "expires" if count == 1 else "expire"
        days = EXPIRING_WITHIN.days
        text = f"{_named(count, name)} {verb} within {days} days and can then no longer encrypt."
        yield Item(text, _keys_url(count, name, Finding.EXPIRING), "Check expiry")


def _of_the_service(now: HomeData) -> Iterator[Item]:
    if now.facts.has_failed_jobs:
        sees_jobs = now.principal.has_permission(EXPORT_PERMISSION)
        url = reverse("jobs") if sees_jobs else f"{reverse('audit')}?action={EXPORT_FAILED}"
        yield Item("A job failed in the last 24 hours.", url, "See details")
    if now.principal.has_permission("system.read"):
        disk = check_disk()
        if disk.state == BAD:
            yield Item(
                f"The data folder is nearly full: {disk.measured}.", reverse("system"), "Check the system"
            )


def _of_the_account(now: HomeData) -> Iterator[Item]:
    if not now.facts.has_second_factor:
        text = "Your account has no second factor. Anyone with your password can sign in as you."
        yield Item(text, reverse("mfa"), "Set up a second factor")


def _named(count: int, name: str) -> str:
    if count == 1:
        return name
    return f"{name} and {count - 1} other key{'' if count == 2 else 's'}"  # noqa: PLR2004 - one other


def _keys_url(count: int, name: str, finding: Finding) -> str:
    return reverse("key", args=[name]) if count == 1 else f"{reverse('keys')}?finding={finding}"
