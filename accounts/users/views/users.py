"""The list of users, one user, and inviting a user."""

from collections.abc import Mapping
from typing import cast
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django_htmx.http import push_url

from accounts import actions
from accounts.principals import Principal
from accounts.roles import DESCRIPTIONS
from accounts.tokens.services import listing as token_listing
from accounts.users.forms import InviteForm, UserFilterForm
from accounts.users.operations import SHOWN_ONCE, USER_OPERATIONS, UserOperation, show_link
from accounts.users.services import creation, invitations, listing
from accounts.users.services.invitations import IssuedInvitation
from accounts.users.services.listing import ListedUser, UserFilter
from audit.sequencing.catching_up import ShowsLog
from kernel.pages.form_views import FormView
from kernel.pages.views import PageView
from kernel.rules import Rule

LIMIT = 50
FILTERS = ("search", "role", "state")


class UserListView(ShowsLog, PageView[Principal]):
    rules = {"GET": Rule("users.read", actions.USER_LISTED)}
    section = "users"
    template = "accounts/users.html"
    parts = frozenset({"user-results", "more-users"})

    def get(self, request: HttpRequest) -> HttpResponse:
        form = UserFilterForm(request.GET)
        form.is_valid()
        only = {name: value for name, value in form.cleaned_data.items() if value}
        ignored = [str(form[name].label) for name in form.errors]
        form = UserFilterForm(initial=form.cleaned_data)  # ignored filters are not shown as if they applied
        after = request.GET.get("after", "")
        if not creation.USERNAME.fullmatch(after):
            after = ""
        window = listing.list_users_after(
            principal=self.principal, only=cast("UserFilter", only), after=after, limit=LIMIT
        )
        response = self.page(
            form=form,
            rows=window.users,
            next_after=window.next_after,
            is_first=not after,
            ignored=ignored,
            chips=[
                (str(form[name].label), _words(name, only[name]), urlencode(_without(only, name)))
                for name in FILTERS
                if name in only
            ],
            list_url=reverse("users"),
            may_manage=self.principal.has_permission("users.manage"),
        )
        if self.target == "user-results":
            query = urlencode(only)
            push_url(response, f"{reverse('users')}?{query}" if query else reverse("users"))
        return response


class InviteUserView(FormView[Principal, InviteForm]):
    """Create a user. The response to the form shows the link, which no other page shows."""

    rules = {method: Rule("users.manage", actions.USER_CREATED) for method in ("GET", "POST")}
    section = "users"
    template = "accounts/user_new.html"
    draft_fields = tuple(InviteForm.base_fields)
    needs_recent_sign_in = True
    shown_once = SHOWN_ONCE
    list_name = "users"

    def form(self, data: QueryDict | None = None) -> InviteForm:
        return InviteForm(data, initial={"role": self.request.GET.get("role")})

    def perform(self, form: InviteForm) -> IssuedInvitation:
        return invitations.invite_user(principal=self.principal, **form.cleaned_data)

    def respond(self, result: IssuedInvitation) -> HttpResponse:
        return show_link(self, None, result)


class UserView(ShowsLog, PageView[Principal]):
    rules = {"GET": Rule("users.read", actions.USER_READ)}
    section = "users"
    object_reference = ("user", "user_id")
    template = "accounts/user.html"

    def get(self, request: HttpRequest, user_id: UUID) -> HttpResponse:  # noqa: ARG002 - Django's signature
        listed = listing.get_user(principal=self.principal, user_id=user_id)
        operations = self._operations(listed)
        return self.page(
            listed=listed,
            account=listed.user,
            is_self=listed.user.id == self.principal.user_id,
            description=DESCRIPTIONS[listed.user.role],
            operations=[each for each, refusal in operations if not refusal and not each.is_danger],
            dangers=[each for each, refusal in operations if not refusal and each.is_danger],
            last_admin=next((why for each, why in operations if each.removes_admin and why), ""),
            tokens=self._tokens(listed),
            limit=token_listing.LIMIT,
        )

    def _tokens(self, listed: ListedUser) -> list[token_listing.ListedToken]:
        if not self.principal.has_permission("users.manage"):
            return []
        return token_listing.list_recent_tokens(principal=self.principal, owner=listed.user.identity)

    def _operations(self, listed: ListedUser) -> list[tuple[UserOperation, str]]:
        """The operations that the role of the caller allows, each with the reason why it is unavailable."""
        if not self.principal.has_permission("users.manage"):
            return []
        return [(each, each.refusal(listed)) for each in USER_OPERATIONS.values()]


def _words(name: str, value: str) -> str:
    return value if name == "search" else value.capitalize()


def _without(chosen: Mapping[str, str], name: str) -> dict[str, str]:
    return {each: value for each, value in chosen.items() if each != name}
