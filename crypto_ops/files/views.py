"""Pages of file jobs: choose what to do, upload a file, and download the result."""

from collections.abc import Mapping
from functools import partial
from typing import Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import CSRFCheck

from accounts.principals import Principal
from crypto_ops import actions
from crypto_ops.files import services
from crypto_ops.files.downloads import download
from crypto_ops.files.forms import FileKeyForm
from crypto_ops.files.multipart import FORM, FilePart
from crypto_ops.files.uploads import FileRequest, Upload
from crypto_ops.models import FileOperation
from crypto_ops.streaming.api import require_media_type, stream_response
from crypto_ops.trying.services import require_console_decrypt
from kernel.errors import Invalid
from kernel.http.context import in_context
from kernel.pages.problem_views import form_out_of_date, problem_response
from kernel.pages.views import PageView
from kernel.rules import Rule
from keys.reading import services as reading

_UNKNOWN: Final = "Choose one of: encrypt, decrypt."


class NewFileView(PageView[Principal]):
    """The form for the key of an encryption, and the forms for files."""

    rules = {"GET": Rule(FileOperation.ENCRYPT.permission, actions.FILE_REQUESTED)}
    section = "jobs"
    template = "crypto_ops/file_new.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        form = FileKeyForm(self.principal, request.GET if "key" in request.GET else None)
        name = form.cleaned_data["key"] if form.is_bound and form.is_valid() else ""
        return self.page(
            form=form,
            key_name=name,
            may_create=self.principal.has_permission("keys.create"),
            may_decrypt=settings.CC_CONSOLE_DECRYPT,
            max_bytes=min(settings.CC_MAX_STREAM_BYTES, settings.CC_FILE_QUOTA_BYTES),
            hours=settings.CC_FILE_HOURS,
        )


# Django does not see the body, so ``_require_token`` checks the token.
@method_decorator(csrf_exempt, name="dispatch")
class UploadView(PageView[Principal]):
    rules = {"POST": Rule(FileOperation.ENCRYPT.permission, actions.FILE_REQUESTED)}

    def post(self, request: HttpRequest) -> HttpResponse:
        require_media_type(in_context(request), FORM)
        part = FilePart(request.headers["Content-Type"], partial(_require_token, request))
        upload = Upload(self.principal, self._order(request), render=lambda _job: b"", part=part)
        done = self.done(reverse("file-job", args=[upload.job_id]))
        headers = dict(done.headers)
        return stream_response(
            in_context(request), upload, refusal=problem_response, status=done.status_code, headers=headers
        )

    def _order(self, request: HttpRequest) -> FileRequest:
        word = request.GET.get("operation", "")
        if word == FileOperation.DECRYPT:
            require_console_decrypt()
            return FileRequest(operation=FileOperation.DECRYPT)
        if word != FileOperation.ENCRYPT:
            raise Invalid.of_field("operation", _UNKNOWN)
        key = reading.find_key(principal=self.principal, name=request.GET.get("key", ""))
        return FileRequest(operation=FileOperation.ENCRYPT, key_id=key.id)


class FileContentView(PageView[Principal]):
    """POST only, because each download is recorded, and crawlers may follow links."""

    rules = {"POST": Rule(FileOperation.ENCRYPT.permission, actions.FILE_DOWNLOADED)}
    object_reference = (services.OBJECT_TYPE, "file_id")

    def post(self, request: HttpRequest, file_id: UUID) -> HttpResponseBase:  # noqa: ARG002 - Django's signature
        if services.find_file(principal=self.principal, job_id=file_id).operation == FileOperation.DECRYPT:
            require_console_decrypt()
        return download(principal=self.principal, job_id=file_id, is_head=False)


def _require_token(request: HttpRequest, fields: Mapping[str, str]) -> None:
    """Raises Denied unless the form has the CSRF token of the session."""
    request.META[settings.CSRF_HEADER_NAME] = fields.get("csrfmiddlewaretoken", "")
    check = CSRFCheck(_ignore)
    check.process_request(request)
    if check.process_view(request, _ignore, (), {}) is not None:
        raise form_out_of_date()


def _ignore(_request: HttpRequest) -> HttpResponse:
    """A view without an exemption, for the check."""
    return HttpResponse()
