"""REST interface for encryption policies."""

from http import HTTPStatus
from typing import cast
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principals import Principal
from kernel.rest.idempotency import idempotent
from kernel.rest.paging import PageQuery, page_serializer
from kernel.rest.preconditions import ETAG, IF_MATCH, etag_of, if_match
from kernel.rest.schema import LOCATION
from kernel.rest.views import ApiView
from kernel.rules import Rule
from keys import actions
from keys.models import EncryptionPolicy
from keys.policies.serializers import (
    CreatePolicySerializer,
    PolicySerializer,
    PreviewSerializer,
    UpdatePolicySerializer,
)
from keys.policies.services import changing, reading

_READ, _MANAGE = "policies.read", "policies.manage"


class PolicyListView(ApiView[Principal]):
    rules = {"GET": Rule(_READ, actions.POLICY_LISTED), "POST": Rule(_MANAGE, actions.POLICY_CREATED)}

    @extend_schema(
        operation_id="policies_list", parameters=[PageQuery], responses=page_serializer(PolicySerializer)
    )
    def get(self, _request: Request) -> Response:
        """All encryption policies, by name."""
        self.read_query(PageQuery)
        return self.page(reading.list_policies(principal=self.principal), PolicySerializer)

    @idempotent()
    @extend_schema(request=CreatePolicySerializer, parameters=[LOCATION], responses={201: PolicySerializer})
    def post(self, _request: Request) -> Response:
        """Create an encryption policy for keys of one algorithm."""
        policy = changing.create_policy(principal=self.principal, **self.read(CreatePolicySerializer))
        location = reverse("policy", kwargs={"policy_id": policy.id})
        return Response(
            PolicySerializer(policy).data, status=HTTPStatus.CREATED, headers={"Location": location}
        )


class PolicyView(ApiView[Principal]):
    rules = {
        "GET": Rule(_READ, actions.POLICY_READ),
        "PATCH": Rule(_MANAGE, actions.POLICY_UPDATED),
        "DELETE": Rule(_MANAGE, actions.POLICY_DELETED),
    }
    object_reference = ("policy", "policy_id")

    @extend_schema(parameters=[ETAG], responses=PolicySerializer)
    def get(self, _request: Request, policy_id: UUID) -> Response:
        """One encryption policy."""
        return _with_etag(reading.get_policy(principal=self.principal, policy_id=policy_id))

    @extend_schema(request=UpdatePolicySerializer, parameters=[IF_MATCH, ETAG], responses=PolicySerializer)
    def patch(self, request: Request, policy_id: UUID) -> Response:
        """Change a policy. Its keys obey the new rules at once."""
        policy = changing.update_policy(
            principal=self.principal,
            policy_id=policy_id,
            check=if_match(request),
            changes=cast("changing.PolicyUpdate", self.read(UpdatePolicySerializer)),
        )
        return _with_etag(policy)

    @extend_schema(responses={204: None})
    def delete(self, _request: Request, policy_id: UUID) -> Response:
        """Delete a policy that no key has."""
        changing.delete_policy(principal=self.principal, policy_id=policy_id)
        return Response(status=HTTPStatus.NO_CONTENT)


class PreviewPolicyView(ApiView[Principal]):
    """The effect of a changed policy on the keys under it. Nothing is changed."""

    rules = {"POST": Rule(_MANAGE, actions.POLICY_PREVIEWED)}
    object_reference = ("policy", "policy_id")

    @extend_schema(request=UpdatePolicySerializer, responses=PreviewSerializer)
    def post(self, _request: Request, policy_id: UUID) -> Response:
        preview = changing.preview_policy(
            principal=self.principal,
            policy_id=policy_id,
            changes=cast("changing.PolicyUpdate", self.read(UpdatePolicySerializer)),
        )
        affected = [
            {"key_id": key.id, "name": key.name, "effect": effect.code}
            for effect in preview.effects
            for key in effect.keys
        ]
        counts = {effect.code: effect.count for effect in preview.effects}
        response = {"keys_count": preview.keys_count, "effects": counts, "affected": affected}
        return Response(PreviewSerializer(response).data)


def _with_etag(policy: EncryptionPolicy) -> Response:
    return Response(PolicySerializer(policy).data, headers={"ETag": etag_of(policy.row_seq)})
