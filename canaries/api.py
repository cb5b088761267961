"""REST interface of officers. ``HiddenRoutes`` admits them; the public OpenAPI document has none of it."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from canaries.documents import ChannelKind, Exemption, Kind, Level, Status
from canaries.hidden.views import OFFICER, OfficerApiView
from canaries.serializers import (
    AddedChannelSerializer,
    CanaryChangesSerializer,
    CanarySerializer,
    ChannelSerializer,
    DecisionSerializer,
    IncidentSerializer,
    JournalQuery,
    JournalSerializer,
    NewCanarySerializer,
    NewChannelSerializer,
    NewOfficeSerializer,
    OfficeSerializer,
)
from canaries.services import channels, deciding, editing, offices, planting, reading
from canaries.services.exporting import export_journal
from canaries.services.finding import find_object
from kernel.rest.paging import PageQuery, page_serializer
from kernel.rest.schema import document_of
from kernel.rest.views import link_header


class CanaryListView(OfficerApiView):
    rules = {"GET": OFFICER, "POST": OFFICER}

    @extend_schema(
        operation_id="canaries_list", parameters=[PageQuery], responses=page_serializer(CanarySerializer)
    )
    def get(self, _request: Request) -> Response:
        """The canaries with the time of their last touch, newest first."""
        return self.page(reading.list_canaries(), CanarySerializer)

    @extend_schema(request=NewCanarySerializer, responses={201: CanarySerializer})
    def post(self, _request: Request) -> Response:
        """Plant a canary: adopt an object that exists already. Requires a recent sign-in."""
        body = self.read(NewCanarySerializer)
        kind = Kind(body["kind"])
        planted = planting.plant_canary(
            by=self.officer_id,
            kind=kind,
            object_id=find_object(kind, body["object"]),
            note=body["note"],
            level=Level(body["level"]),
            exemptions=_exemptions(body.get("exemptions", [])),
        )
        location = reverse("api-canary", args=[planted.id])
        return Response(
            _shown(reading.get_canary(planted.id)), status=HTTPStatus.CREATED, headers={"Location": location}
        )


class CanaryView(OfficerApiView):
    rules = {"GET": OFFICER, "PATCH": OFFICER, "DELETE": OFFICER}

    @extend_schema(responses=CanarySerializer)
    def get(self, _request: Request, canary_id: UUID) -> Response:
        """One canary."""
        return Response(_shown(reading.get_canary(canary_id)))

    @extend_schema(request=CanaryChangesSerializer, responses=CanarySerializer)
    def patch(self, _request: Request, canary_id: UUID) -> Response:
        """Change the note, the level or the exemptions. Requires a recent sign-in."""
        body = self.read(CanaryChangesSerializer)
        if "level" in body:
            body["level"] = Level(body["level"])
        if "exemptions" in body:
            body["exemptions"] = _exemptions(body["exemptions"])
        editing.change_canary(by=self.officer_id, canary_id=canary_id, **body)
        return Response(_shown(reading.get_canary(canary_id)))

    @extend_schema(responses={204: None})
    def delete(self, _request: Request, canary_id: UUID) -> Response:
        """Remove a canary. Its object stays as it is. Requires a recent sign-in."""
        planting.remove_canary(by=self.officer_id, canary_id=canary_id)
        return Response(status=HTTPStatus.NO_CONTENT)


class IncidentListView(OfficerApiView):
    rules = {"GET": OFFICER}

    @extend_schema(
        operation_id="incidents_list", parameters=[PageQuery], responses=page_serializer(IncidentSerializer)
    )
    def get(self, _request: Request) -> Response:
        """The incidents: open ones first, then by their last touch."""
        return self.page(reading.list_incidents(), IncidentSerializer)


class IncidentView(OfficerApiView):
    rules = {"GET": OFFICER}

    @extend_schema(responses=IncidentSerializer)
    def get(self, _request: Request, incident_id: UUID) -> Response:
        """One incident."""
        return Response(IncidentSerializer(reading.get_incident(incident_id)).data)


class DecisionView(OfficerApiView):
    rules = {"POST": OFFICER}

    @extend_schema(request=DecisionSerializer, responses=IncidentSerializer)
    def post(self, _request: Request, incident_id: UUID) -> Response:
        """Acknowledge an incident, confirm it, call it a false alarm, or close it. Requires a recent sign-in."""
        body = self.read(DecisionSerializer)
        incident = deciding.decide(
            by=self.officer_id,
            incident_id=incident_id,
            status=Status(body["status"]),
            reason=body.get("reason", ""),
        )
        return Response(IncidentSerializer(incident).data)


class OfficeListView(OfficerApiView):
    rules = {"GET": OFFICER, "POST": OFFICER}

    @extend_schema(
        operation_id="offices_list", parameters=[PageQuery], responses=page_serializer(OfficeSerializer)
    )
    def get(self, _request: Request) -> Response:
        """The offices by name of their user."""
        return self.page(offices.list_offices(), OfficeSerializer)

    @extend_schema(request=NewOfficeSerializer, responses={201: OfficeSerializer})
    def post(self, _request: Request) -> Response:
        """Appoint an officer, from tomorrow on unless another officer confirms it. Requires a recent sign-in."""
        user_id = find_object(Kind.USER, self.read(NewOfficeSerializer)["user"])
        office = offices.appoint_officer(by=self.officer_id, user_id=user_id)
        return Response(OfficeSerializer(office).data, status=HTTPStatus.CREATED)


class OfficeView(OfficerApiView):
    rules = {"DELETE": OFFICER}

    @extend_schema(responses={204: None})
    def delete(self, _request: Request, user_id: UUID) -> Response:
        """Remove an office, but not that of the last active officer. Requires a recent sign-in."""
        offices.remove_officer(by=self.officer_id, user_id=user_id)
        return Response(status=HTTPStatus.NO_CONTENT)


class ConfirmOfficeView(OfficerApiView):
    rules = {"POST": OFFICER}

    @extend_schema(request=None, responses=OfficeSerializer)
    def post(self, _request: Request, user_id: UUID) -> Response:
        """Make a new or suspended office of another user effective. Requires a recent sign-in."""
        office = offices.confirm_office(by=self.officer_id, user_id=user_id)
        return Response(OfficeSerializer(office).data)


class ChannelListView(OfficerApiView):
    rules = {"GET": OFFICER, "POST": OFFICER}

    @extend_schema(
        operation_id="channels_list", parameters=[PageQuery], responses=page_serializer(ChannelSerializer)
    )
    def get(self, _request: Request) -> Response:
        """The channels that get notices, in the order in which they were added."""
        return self.page(channels.list_channels(), ChannelSerializer)

    @extend_schema(request=NewChannelSerializer, responses={201: AddedChannelSerializer})
    def post(self, _request: Request) -> Response:
        """Add a channel. The others get a notice. Requires a recent sign-in."""
        body = self.read(NewChannelSerializer)
        added = channels.add_channel(
            by=self.officer_id, kind=ChannelKind(body["kind"]), target=body["target"]
        )
        return Response(AddedChannelSerializer(added).data, status=HTTPStatus.CREATED)


class ChannelView(OfficerApiView):
    rules = {"DELETE": OFFICER}

    @extend_schema(responses={204: None})
    def delete(self, _request: Request, channel_id: UUID) -> Response:
        """Remove a channel. The others get a notice. Requires a recent sign-in."""
        channels.remove_channel(by=self.officer_id, channel_id=channel_id)
        return Response(status=HTTPStatus.NO_CONTENT)


class ChannelTestView(OfficerApiView):
    rules = {"POST": OFFICER}

    @extend_schema(request=None, responses={202: None})
    def post(self, _request: Request, channel_id: UUID) -> Response:
        """Send a test to a channel within seconds. Requires a recent sign-in."""
        channels.send_test(by=self.officer_id, channel_id=channel_id)
        return Response(status=HTTPStatus.ACCEPTED)


class JournalView(OfficerApiView):
    rules = {"GET": OFFICER}

    @extend_schema(operation_id="journal_list", parameters=[JournalQuery], responses=JournalSerializer)
    def get(self, request: Request) -> Response:
        """Records of the journal, newest first: at least ``limit``, up to the end of a page of the journal."""
        query = self.read_query(JournalQuery)
        found = reading.read_journal(before=query.get("before"), limit=query["limit"])
        last = found[-1].page if found else 1
        more = {"before": last, "limit": query["limit"]}
        following = f"{request.path}?{urlencode(more)}" if last > 1 else None
        body = JournalSerializer({"results": found, "next": following}).data
        return Response(body, headers=link_header({"next": following}))


class JournalExportView(OfficerApiView):
    rules = {"POST": OFFICER}

    @extend_schema(request=None, responses={(200, "application/jsonl"): OpenApiTypes.BINARY})
    def post(self, _request: Request) -> HttpResponse:
        """The whole journal as JSON lines, for ``ccverify verify-journal``. Requires a recent sign-in."""
        lines = b"".join(export_journal(by=self.officer_id))
        return HttpResponse(lines, content_type="application/jsonl")


class SchemaView(OfficerApiView):
    rules = {"GET": OFFICER}
    patterns: ClassVar[Sequence[URLPattern | URLResolver]] = ()

    @extend_schema(exclude=True)
    def get(self, _request: Request) -> Response:
        """The OpenAPI document of these endpoints."""
        return Response(document_of(self.patterns))


def _shown(canary: reading.ListedCanary) -> Any:
    return CanarySerializer(canary).data


def _exemptions(sent: Sequence[Mapping[str, Any]]) -> tuple[Exemption, ...]:
    texts = [{name: str(value) for name, value in each.items() if name != "per_hour"} for each in sent]
    return tuple(Exemption(per_hour=each["per_hour"], **text) for each, text in zip(sent, texts, strict=True))
