"""Pages that change a user: one for each of ``accounts.users.operations``."""

from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.sessions.services import own_sessions
from accounts.users.forms import UserForm, described_roles
from accounts.users.operations import USER_OPERATIONS, UserOperation
from accounts.users.services import editing
from accounts.users.services.invitations import IssuedInvitation
from accounts.users.services.listing import ListedUser
from accounts.users.views.users import SHOWN_ONCE, UserPageView, show_link
from kernel.clock import database_now
from kernel.errors import DomainError
from kernel.pages import once


class UserOperationView(UserPageView):
    """Confirm and perform one operation. The URL list sets ``operation`` and ``rules``."""

    operation: ClassVar[UserOperation] = USER_OPERATIONS["disable"]
    template = "accounts/user_operation.html"
    draft_fields = ("reason", "role", "email")

    def get(self, request: HttpRequest, user_id: UUID) -> HttpResponse:  # noqa: ARG002 - Django's signature
        listed = self._find_recently_known(user_id)
        return self._show_form(listed, self.show_draft(self.operation.form(user=listed.user)))

    def post(self, request: HttpRequest, user_id: UUID) -> HttpResponse:
        listed = self._find_recently_known(user_id)
        if once.was_accepted(request):
            return self.done(reverse("user", args=[user_id]), SHOWN_ONCE)
        form = self.operation.form(request.POST, user=listed.user)
        if form.is_valid():
            try:
                result = self.operation.service(principal=self.principal, user_id=user_id, **form.order())
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self._finish(listed, result)
        return self._show_form(listed, form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _find_recently_known(self, user_id: UUID) -> ListedUser:
        if self.operation.needs_recent_sign_in:
            self.principal.require_recent_sign_in(database_now())
        return self.find(user_id)

    def _finish(self, listed: ListedUser, result: object) -> HttpResponse:
        if isinstance(result, IssuedInvitation):
            return show_link(self, result)
        message = f"{listed.user.username} {self.operation.done}."
        return self.done(reverse("user", args=[listed.user.id]), message)

    def _show_form(self, listed: ListedUser, form: UserForm, status: int = HTTPStatus.OK) -> HttpResponse:
        is_last_admin = self.operation.removes_admin and editing.is_last_admin(listed.user)
        context: dict[str, Any] = {}
        if self.operation.ends_sessions:
            context["sessions"] = own_sessions.count_sessions(principal=self.principal, user=listed.user)
        return self.show(
            listed,
            status=status,
            form=form,
            roles=described_roles(form) if "role" in form.fields else [],
            operation=self.operation,
            question=self.operation.question_about(listed.user.username),
            impossible=self.operation.refusal(listed, is_last_admin=is_last_admin),
            **context,
        )
