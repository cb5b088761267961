"""REST interface for the caller's own account: second factor, recovery codes, sessions and passkeys."""

from http import HTTPStatus

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import actions
from accounts.principals import Principal
from accounts.rest import AuthView
from accounts.second_factors.serializers import (
    CodeSerializer,
    EnrolmentSerializer,
    PasskeySerializer,
    RecoveryCodesSerializer,
    SecondFactorSerializer,
)
from accounts.second_factors.services import passkeys, recovery_codes, totp
from kernel.rest.fields import StrictSerializer
from kernel.rest.paging import PageQuery, page_serializer
from kernel.rest.views import DeleteView
from kernel.rules import AUTHENTICATED, ENROLLING, Rule


class TotpEnrolView(AuthView):
    """Start enrolling an authenticator. Only this response contains the secret."""

    rules = {"POST": Rule(ENROLLING, actions.TOTP_ENROLLED)}

    @extend_schema(request=None, responses=EnrolmentSerializer)
    def post(self, _request: Request) -> Response:
        self.read(StrictSerializer)
        return Response(EnrolmentSerializer(totp.enrol_totp(principal=self.principal)).data)


class TotpConfirmView(AuthView):
    """Confirm the authenticator with its first code. Sign-in requires a code from then on. Returns recovery codes."""

    rules = {"POST": Rule(ENROLLING, actions.TOTP_CONFIRMED)}

    @extend_schema(request=CodeSerializer, responses=RecoveryCodesSerializer)
    def post(self, _request: Request) -> Response:
        codes = totp.confirm_totp(principal=self.principal, **self.read(CodeSerializer))
        return Response(RecoveryCodesSerializer({"recovery_codes": codes}).data)


class TotpView(AuthView):
    """The caller's authenticator. DELETE requires the body `{code}`: a current code or a recovery code."""

    rules = {
        "GET": Rule(ENROLLING, actions.TOTP_READ),
        "DELETE": Rule(AUTHENTICATED, actions.TOTP_REMOVED),
    }

    @extend_schema(responses=SecondFactorSerializer)
    def get(self, _request: Request) -> Response:
        factor = totp.get_second_factor(principal=self.principal)
        return Response(SecondFactorSerializer(factor).data)

    @extend_schema(request=CodeSerializer)
    def delete(self, _request: Request) -> Response:
        totp.remove_totp(principal=self.principal, **self.read(CodeSerializer))
        return Response(status=HTTPStatus.NO_CONTENT)


class RecoveryCodesView(AuthView):
    """Replace the recovery codes with ten new ones."""

    rules = {"POST": Rule(AUTHENTICATED, actions.RECOVERY_CODES_REPLACED)}

    @extend_schema(request=None, responses=RecoveryCodesSerializer)
    def post(self, _request: Request) -> Response:
        self.read(StrictSerializer)
        codes = recovery_codes.replace_recovery_codes(principal=self.principal)
        return Response(RecoveryCodesSerializer({"recovery_codes": codes}).data)


class PasskeysView(AuthView):
    """The caller's passkeys. New passkeys are created in a browser."""

    rules = {"GET": Rule(AUTHENTICATED, actions.PASSKEY_LISTED)}

    @extend_schema(
        operation_id="auth_passkeys_list",
        parameters=[PageQuery],
        responses=page_serializer(PasskeySerializer),
    )
    def get(self, _request: Request) -> Response:
        self.read_query(PageQuery)
        return self.page(passkeys.list_passkeys(principal=self.principal), PasskeySerializer)


class PasskeyView(DeleteView[Principal], AuthView):
    """Remove one of the caller's passkeys. Sessions that it opened continue. Requires a recent sign-in."""

    rules = {"DELETE": Rule(AUTHENTICATED, actions.PASSKEY_REMOVED)}
    object_reference = ("passkey", "passkey_id")
    remove = passkeys.remove_passkey
