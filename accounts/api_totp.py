"""The authentication door's second factor: one's own authenticator app."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import actions, services
from accounts.api import AuthView
from accounts.serializers import CodeRequest, EnrolmentAnswer, RecoveryCodesAnswer
from ciphercanary.rest import AUTHENTICATED, Rule, StrictSerializer


class TotpView(AuthView):
    rules = {"DELETE": Rule(AUTHENTICATED, actions.TOTP_REMOVED)}

    @extend_schema(
        description="Remove one's own authenticator. The body is `{code}`: a present code, or a recovery code.",
        responses={204: None},
    )
    def delete(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        services.remove_totp(principal=self.principal, **self.read(CodeRequest))
        return Response(status=204)


class TotpEnrolView(AuthView):
    rules = {"POST": Rule(AUTHENTICATED, actions.TOTP_ENROLLED)}

    @extend_schema(request=None, responses=EnrolmentAnswer)
    def post(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        self.read(StrictSerializer)
        return Response(EnrolmentAnswer(services.enrol_totp(principal=self.principal)).data)


class TotpConfirmView(AuthView):
    rules = {"POST": Rule(AUTHENTICATED, actions.TOTP_CONFIRMED)}

    @extend_schema(request=CodeRequest, responses=RecoveryCodesAnswer)
    def post(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        codes = services.confirm_totp(principal=self.principal, **self.read(CodeRequest))
        return Response(RecoveryCodesAnswer({"recovery_codes": codes}).data)
