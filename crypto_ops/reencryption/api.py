"""The REST interface to re-encryption: one message, and jobs."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principals import Principal
from crypto_ops import actions
from crypto_ops.deciding.api import EngineView
from crypto_ops.items.api import charge_the_rest
from crypto_ops.items.wire import results_of
from crypto_ops.models import READ_PERMISSION, Reencryption
from crypto_ops.reencryption.serializers import (
    BeginReencryptionSerializer,
    ReencryptedPageSerializer,
    ReencryptedSerializer,
    ReencryptionDetailSerializer,
    ReencryptionPageSerializer,
    ReencryptionReportSerializer,
    ReencryptionSerializer,
    ReencryptSerializer,
)
from crypto_ops.reencryption.services import jobs as reencryptions
from crypto_ops.reencryption.services.one_message import ReencryptRequest, reencrypt
from crypto_ops.reencryption.services.pages import PageItem, reencrypt_page
from crypto_ops.reencryption.services.reports import read_report
from crypto_ops.reencryption.services.sources import Source
from crypto_ops.reencryption.wire import decoded, source_of
from kernel.crypto.sealing import envelope
from kernel.errors import DomainError
from kernel.http.context import set_audit_object
from kernel.rest.fields import represent
from kernel.rest.idempotency import idempotent
from kernel.rest.paging import PageQuery, page_serializer
from kernel.rest.schema import LOCATION
from kernel.rest.views import ApiView
from kernel.rules import Rule
from keys.reading.rest_references import KeyReferenceView
from keys.reading.services import id_of_key


class ReencryptView(EngineView):
    """Re-encrypt a message with the primary version of its key, or with another key. The plaintext is not returned."""

    rules = {"POST": Rule("crypto.reencrypt", actions.MESSAGE_REENCRYPTED)}

    @extend_schema(
        request=ReencryptSerializer,
        responses=ReencryptedSerializer,
    )
    def post(self, _request: Request) -> Response:
        attrs = self.read(ReencryptSerializer)
        source = source_of(attrs)
        set_audit_object(self.request, "key", str(source.key_id))
        wanted = _reencrypt_request(source, attrs, self.principal)
        return Response(represent(ReencryptedSerializer, reencrypt(wanted, self.principal)))


class _ReencryptionView(ApiView[Principal]):
    """Base of every view whose URL names a job."""

    object_reference = (reencryptions.KIND, "reencryption_id")


class ReencryptionListView(KeyReferenceView):
    rules = {
        "GET": Rule(READ_PERMISSION, actions.REENCRYPTION_LISTED),
        "POST": Rule(reencryptions.PERMISSION, actions.REENCRYPTION_BEGUN),
    }

    @extend_schema(
        operation_id="reencryptions_list",
        parameters=[PageQuery],
        responses=page_serializer(ReencryptionSerializer, "ReencryptionList"),
    )
    def get(self, _request: Request) -> Response:
        """List the re-encryption jobs that the caller may see, newest first."""
        self.read_query(PageQuery)
        found = reencryptions.find_reencryptions(principal=self.principal)
        return self.page(found, ReencryptionSerializer)

    @idempotent()
    @extend_schema(
        request=BeginReencryptionSerializer,
        parameters=[LOCATION],
        responses={201: ReencryptionDetailSerializer},
    )
    def post(self, _request: Request) -> Response:
        """Begin a re-encryption job. The client then sends its ciphertexts in pages."""
        wanted = self.read(BeginReencryptionSerializer)
        target = wanted.pop("target_key_id", None)
        job = reencryptions.begin_reencryption(
            principal=self.principal,
            key_id=self.key_id_of(wanted.pop("key_id")),
            target_key_id=target and id_of_key(principal=self.principal, reference=target),
            **wanted,
        )
        location = reverse("reencryption", kwargs={"reencryption_id": job.pk})
        return Response(_detail(job), status=HTTPStatus.CREATED, headers={"Location": location})


class ReencryptionDetailView(_ReencryptionView):
    rules = {"GET": Rule(READ_PERMISSION, actions.REENCRYPTION_READ)}

    @extend_schema(responses=ReencryptionDetailSerializer)
    def get(self, _request: Request, reencryption_id: UUID) -> Response:
        """The progress of a re-encryption job, and the old versions that are still in use."""
        job = reencryptions.find_reencryption(principal=self.principal, job_id=reencryption_id)
        return Response(_detail(job))


class ReencryptionPageView(_ReencryptionView):
    """Re-encrypt up to 1,000 ciphertexts. Each result is a ciphertext or a separate problem."""

    rules = {"POST": Rule(reencryptions.PERMISSION, actions.MESSAGE_REENCRYPTED)}

    @extend_schema(request=ReencryptionPageSerializer, responses=ReencryptedPageSerializer)
    def post(self, _request: Request, reencryption_id: UUID) -> Response:
        sent = self.read(ReencryptionPageSerializer)["items"]
        charge_the_rest(self.principal, len(sent))
        job = reencryptions.find_running(principal=self.principal, job_id=reencryption_id)
        items = [_page_item_of(item, job.key_id) for item in sent]
        page = reencrypt_page(principal=self.principal, job=job, items=items)
        results = results_of(page.results, [item.get("reference") for item in sent], "ciphertext")
        counts = {"reencrypted": page.reencrypted, "current": page.current, "refused": page.refused}
        return Response({**counts, "results": results})


class CompleteReencryptionView(_ReencryptionView):
    rules = {"POST": Rule(reencryptions.PERMISSION, actions.REENCRYPTION_COMPLETED)}

    @extend_schema(request=None, responses=ReencryptionDetailSerializer)
    def post(self, _request: Request, reencryption_id: UUID) -> Response:
        """End a re-encryption job after its last page."""
        job = reencryptions.complete_reencryption(principal=self.principal, job_id=reencryption_id)
        return Response(_detail(job))


class CancelReencryptionView(_ReencryptionView):
    rules = {"POST": Rule(reencryptions.PERMISSION, actions.REENCRYPTION_CANCELLED)}

    @extend_schema(request=None, responses=ReencryptionDetailSerializer)
    def post(self, _request: Request, reencryption_id: UUID) -> Response:
        """End a re-encryption job early. All ciphertexts, old and new, stay as they are."""
        job = reencryptions.cancel_reencryption(principal=self.principal, job_id=reencryption_id)
        return Response(_detail(job))


def _detail(job: Reencryption) -> dict[str, Any]:
    report = represent(ReencryptionReportSerializer, read_report(job))
    return {**represent(ReencryptionSerializer, job), "report": report}


def _reencrypt_request(source: Source, attrs: dict[str, Any], principal: Principal) -> ReencryptRequest:
    target = attrs.get("key_id")
    return ReencryptRequest(
        source=source,
        target_key_id=target and id_of_key(principal=principal, reference=target),
        target_aad=attrs.get("target_aad"),
        reason=attrs.get("reason", ""),
    )


def _page_item_of(item: Mapping[str, Any], key_id: UUID) -> PageItem | DomainError:
    """The item of a page of a re-encryption job with this source key, or its refusal."""
    try:
        members = decoded(item)
        return PageItem(source_of(members, key_id), members.get("target_aad"))
    except DomainError as error:
        error.named_key = next(envelope.key_ids_in(item.get("ciphertext", "")), None)
        return error
