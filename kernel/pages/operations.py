"""Operations with a page of their own: the page shows the effect, and its form performs the operation.

An ``Operation`` is one row of a table. A ``Subject`` is the object that they change. ``operation_paths``
makes their pages, which are all one view and one template.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property

from kernel.clock import database_now
from kernel.http.context import set_audit_object
from kernel.pages.form_views import FormView
from kernel.pages.forms import PageForm, ReasonForm
from kernel.pages.views import PageView, shown_url
from kernel.rules import Rule


def confirm(data: QueryDict | None, *_: Any) -> PageForm:
    """The form of an operation without input."""
    return PageForm(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation[S]:
    """One operation. ``{}`` in ``question`` and ``done`` is the name of the subject.

    ``permission`` and ``action`` are those of its page. ``perform`` is the service; it gets the ``principal``, the
    arguments of the subject, and the input as ``PageForm.order`` returns it. ``form`` gets the input or None, the
    subject, and the facts of the page. ``effect`` describes the result. ``cancel`` is the label of the link back.
    ``done_at`` is the URL name of the page that follows, if it is not that of the subject. ``respond`` replaces the
    redirect; it gets the view, the subject and the result.

    ``needs_recent_sign_in``: the page requires one before the user fills in the form. ``shown_once``: only the response
    contains a secret; this is the message if the same form comes again. ``draft_fields`` as in ``PageView``.
    """

    slug: str
    label: str
    question: str
    permission: str
    action: str
    perform: Callable[..., Any]
    effect: str = ""
    done: str = ""
    done_at: str = ""
    respond: Callable[[PageView[Any], S, Any], HttpResponse] | None = None
    form: Callable[[QueryDict | None, S, Mapping[str, Any]], PageForm] = lambda data, *_: ReasonForm(data)
    draft_fields: tuple[str, ...] = ("reason",)
    cancel: str = "Cancel"
    icon: str = "settings"
    is_danger: bool = False
    needs_recent_sign_in: bool = False
    shown_once: str = ""

    def refusal(self, found: S) -> str:  # noqa: ARG002 - for subclasses
        """Why the operation is not available for the subject; "" if it is available."""
        return ""

    @property
    def button(self) -> str:
        """The classes of the button."""
        return "primary danger" if self.is_danger else "primary"


class OperationView(FormView[Any, PageForm]):
    """Show and perform one operation. ``operation_paths`` sets the attributes."""

    operation: Any = None
    subject: Any = None
    template = "operation.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.subject.catch_up()
        return super().get(request, *args, **kwargs)

    def object_of(self, **ids: Any) -> tuple[str, str]:
        named: tuple[str, str] = self.subject.object_of(self.principal, ids)
        return named

    @cached_property
    def found(self) -> Any:
        if self.operation.needs_recent_sign_in:
            self.principal.require_recent_sign_in(database_now())
        found = self.subject.find(principal=self.principal, **self.kwargs)
        if not self.subject.object_part:
            set_audit_object(self.request, self.subject.object_type, str(self.subject.object_id(found)))
        return found

    @cached_property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = self.subject.facts(self, self.found)
        return facts

    @property
    def return_url(self) -> str:
        """The page of the subject, or the page from which the dialog was opened, with its filters."""
        url: str = self.subject.page(self.principal, self.found)
        shown = shown_url(self.request)
        if shown.path in {url, *self.subject.offered_at(self.found)}:
            return f"{shown.path}?{shown.query}" if shown.query else shown.path
        return url

    def form(self, data: QueryDict | None = None) -> PageForm:
        form: PageForm = self.operation.form(data, self.found, self.facts)
        return form

    def perform(self, form: PageForm) -> Any:
        return self.operation.perform(
            principal=self.principal, **self.subject.arguments(self.found), **form.order()
        )

    def respond(self, result: Any) -> HttpResponse:
        operation = self.operation
        if operation.respond:
            response: HttpResponse = operation.respond(self, self.found, result)
            return response
        url = reverse(operation.done_at) if operation.done_at else self.return_url
        return self.done(url, operation.done.format(self.subject.name(self.found), result=result))

    def show_form(self, form: PageForm, **context: Any) -> HttpResponse:
        operation, subject, name = self.operation, self.subject, self.subject.name(self.found)
        context |= {
            "operation": operation,
            "form": form,
            "question": operation.question.format(name),
            "impossible": operation.refusal(self.found),
            "page_url": self.return_url,
            "back": subject.back.format(name),
            "button": operation.button,
        }
        return self.page(template=subject.details if self.is_part else "", **context | self.facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject[S]:
    """An object that operations change. ``url_name`` is the format of the URL names, with the slug of the operation.

    ``find`` gets the ``principal`` and the parts of the URL; it raises NotFound, IntegrityFailed. ``name`` is used in
    the texts, ``arguments`` are those of the services, and ``page`` is the URL of its page for a principal.
    ``facts`` is the context of ``details``, the template that shows the effect; ``at``, ``meaning`` and ``button`` in it also
    change the rest of the page.

    The audit object has the type ``object_type`` and the id in the part ``object_part`` of the URL. If the URL has a
    name instead, ``find_named`` finds the object or None, without checks, and ``object_id`` is the id of a subject.

    ``title`` ends the title of the page, and ``back`` is the link back from an operation that is not available.
    ``offered_at`` returns the URLs of other pages that offer the operations. ``parts`` are partials of ``details``; ``section`` as
    in ``PageView``. If the facts come from the audit log, ``catch_up`` waits for what was done just before.
    """

    url_name: str
    section: str
    title: str
    find: Callable[..., S]
    name: Callable[[S], str]
    arguments: Callable[[S], Mapping[str, Any]]
    page: Callable[[Any, S], str]
    object_type: str = ""
    object_part: str = ""
    find_named: Callable[..., Any] = lambda **_: None
    object_id: Callable[[S], Any] = lambda _: ""
    facts: Callable[[OperationView, S], dict[str, Any]] = lambda *_: {}
    details: str = ""
    parts: frozenset[str] = frozenset()
    back: str = "Back to {}"
    offered_at: Callable[[S], Collection[str]] = lambda _: ()
    catch_up: Callable[[], object] = lambda: None

    def object_of(self, principal: Any, ids: Mapping[str, Any]) -> tuple[str, str]:
        """Type and id of the audit object; no id for an object that is not visible."""
        if self.object_part:
            return self.object_type, str(ids[self.object_part])
        found = self.find_named(principal=principal, name=ids.get("name", ""))
        return self.object_type, "" if found is None else str(found.id)


def operation_paths[S](
    prefix: str, subject: Subject[S], operations: Iterable[Operation[S]]
) -> list[URLPattern]:
    """The page of each operation: its URL is the prefix and its slug."""
    return [
        path(
            prefix + operation.slug,
            OperationView.as_view(
                operation=operation,
                subject=subject,
                rules=dict.fromkeys(("GET", "POST"), Rule(operation.permission, operation.action)),
                section=subject.section,
                object_reference=(subject.object_type, subject.object_part)
                if subject.object_part
                else ("", ""),
                parts=subject.parts,
                draft_fields=operation.draft_fields,
                shown_once=operation.shown_once,
            ),
            name=subject.url_name.format(operation.slug),
        )
        for operation in operations
    ]
