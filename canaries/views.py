"""The pages of officers."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.functional import cached_property

from accounts.principals import Principal
from audit.log.action_labels import label_of
from audit.services.showing import with_names
from canaries.documents import HOST, ChannelKind, Incident, Kind, Level
from canaries.forms import AppointForm, CanaryForm, ChannelForm, DecisionForm, PlantForm
from canaries.hidden.views import OFFICER, OfficerPageView
from canaries.next_steps import next_steps
from canaries.services import channels, deciding, editing, offices, planting, reading
from canaries.services.acts import last_acts, reach_of
from canaries.services.finding import find_object
from canaries.services.reading import ListedCanary
from canaries.wording import KINDS, LEVELS, PLANTINGS, STATUSES, credential_words
from kernel.clock import database_now
from kernel.errors import DomainError, NotFound, RecentAuthRequired
from kernel.pages.form_views import FormView
from kernel.pages.forms import PageForm

_LIMIT = 200  # rows of a page; the API has all
_PLANTED = [(kind, KINDS[kind]) for kind in PLANTINGS]


class _OfficerFormView[F: PageForm](OfficerPageView, FormView[Principal, F]):
    rules = {"GET": OFFICER, "POST": OFFICER}

    def page(self, **context: Any) -> HttpResponse:
        return super().page(is_recent=self._is_recent(), **context)

    def _is_recent(self) -> bool:
        try:
            self.principal.require_recent_sign_in(database_now())
        except RecentAuthRequired:
            return False
        return True


class CanariesView(OfficerPageView):
    template = "canaries/list.html"

    def get(self, _request: HttpRequest) -> HttpResponse:
        found = reading.list_canaries()
        rows = [(each, KINDS[each.canary.kind]) for each in found[:_LIMIT]]
        return self.page(rows=rows, has_more=len(found) > _LIMIT, limit=_LIMIT, kinds=_PLANTED)


class PlantView(_OfficerFormView[PlantForm]):
    """Suggestions for one kind, and the form that adopts an object of it."""

    template = "canaries/plant.html"
    form_class = PlantForm

    @cached_property
    def kind(self) -> Kind:
        kind = next((kind for kind, _ in _PLANTED if kind == self.kwargs["kind"]), None)
        if kind is None:
            raise NotFound
        return kind

    def form(self, data: QueryDict | None = None) -> PlantForm:
        return PlantForm(data, self.kind)

    def show_form(self, form: PlantForm, **context: Any) -> HttpResponse:
        planting_of_kind = PLANTINGS[self.kind]
        return self.page(
            form=form,
            kind=self.kind,
            label=KINDS[self.kind],
            planting=planting_of_kind,
            create_url=reverse(planting_of_kind.create),
            names=planting.suggest_names(self.kind),
            **context,
        )

    def perform(self, form: PlantForm) -> HttpResponse:
        sent = form.cleaned_data
        planted = planting.plant_canary(
            by=self.officer_id,
            kind=self.kind,
            object_id=find_object(self.kind, sent["object"]),
            note=sent["note"],
            level=Level(sent["level"]),
        )
        return self.done(reverse("canary", args=[planted.id]))


class CanaryView(_OfficerFormView[CanaryForm]):
    template = "canaries/canary.html"

    @cached_property
    def listed(self) -> ListedCanary:
        return reading.get_canary(self.kwargs["canary_id"])

    def form(self, data: QueryDict | None = None) -> CanaryForm:
        canary = self.listed.canary
        return CanaryForm(data, initial={"note": canary.note, "level": canary.level.value})

    def show_form(self, form: CanaryForm, **context: Any) -> HttpResponse:
        canary = self.listed.canary
        incidents = [each for each in reading.list_incidents() if canary.id in each.canary_ids]
        return self.page(
            form=form,
            listed=self.listed,
            kind=KINDS[canary.kind],
            level=LEVELS[canary.level],
            planted_by=_name_of(canary.planted_by),
            incidents=[(each, STATUSES[each.status]) for each in incidents[:_LIMIT]],
            **context,
        )

    def perform(self, form: CanaryForm) -> HttpResponse:
        note, level = form.cleaned_data["note"], Level(form.cleaned_data["level"])
        editing.change_canary(by=self.officer_id, canary_id=self.kwargs["canary_id"], note=note, level=level)
        return self.done(reverse("canary", args=[self.kwargs["canary_id"]]))


class RemoveCanaryView(_OfficerFormView[PageForm]):
    template = "canaries/remove.html"
    form_class = PageForm

    def show_form(self, form: PageForm, **context: Any) -> HttpResponse:
        return self.page(form=form, canary=reading.get_canary(self.kwargs["canary_id"]).canary, **context)

    def perform(self, form: PageForm) -> HttpResponse:  # noqa: ARG002 - the base class's signature
        planting.remove_canary(by=self.officer_id, canary_id=self.kwargs["canary_id"])
        return self.done(reverse("canaries"))


class IncidentsView(OfficerPageView):
    template = "canaries/incidents.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        found = reading.list_incidents()
        rows = [(each, STATUSES[each.status], reading.canaries_of(each)) for each in found[:_LIMIT]]
        return self.page(rows=rows, has_more=len(found) > _LIMIT, limit=_LIMIT)


class IncidentView(_OfficerFormView[DecisionForm]):
    template = "canaries/incident.html"

    @cached_property
    def incident(self) -> Incident:
        return reading.get_incident(self.kwargs["incident_id"])

    def form(self, data: QueryDict | None = None) -> DecisionForm:
        return DecisionForm(data, self.incident)

    def show_form(self, form: DecisionForm, **context: Any) -> HttpResponse:
        incident = self.incident
        canaries = reading.canaries_of(incident)
        label, credential_id = credential_words(incident)
        return self.page(
            form=form,
            incident=incident,
            status_label=STATUSES[incident.status],
            first_label=label_of(incident.first.action),
            first_code=incident.first.code.replace("_", " "),
            credential_label=label,
            credential_id=credential_id,
            decided_by=_name_of(incident.decided_by),
            may_decide=bool(deciding.NEXT[incident.status]),
            touched=[(canary, KINDS[canary.kind]) for canary in canaries],
            steps=list(next_steps(incident, canaries)),
            reach=reach_of(incident),
            entries=with_names(self.principal, last_acts(incident)),
            **context,
        )

    def perform(self, form: DecisionForm) -> HttpResponse:
        deciding.decide(by=self.officer_id, incident_id=self.incident.id, **form.cleaned_data)
        return self.done(reverse("incident", args=[self.incident.id]))


class OfficesView(_OfficerFormView[AppointForm]):
    template = "canaries/offices.html"
    form_class = AppointForm

    def show_form(self, form: AppointForm, **context: Any) -> HttpResponse:
        now = database_now()
        found = offices.list_offices()
        names = {str(office.user_id): office.name for office in found}
        changed = offices.changed_accounts(found)
        rows = [
            (
                office,
                names.get(office.appointed_by, office.appointed_by),
                office.is_active(now),
                office.user_id in changed,
            )
            for office in found
        ]
        return self.page(form=form, rows=rows, own_id=self.principal.user_id, **context)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        changes: Mapping[str, Any] = {"confirm": offices.confirm_office, "remove": offices.remove_officer}
        for name, change in changes.items():
            if name in request.POST:
                return self._change(change, request.POST[name])
        return super().post(request, *args, **kwargs)

    def _change(self, change: Any, user_id: str) -> HttpResponse:
        try:
            change(by=self.officer_id, user_id=find_object(Kind.USER, user_id))
        except DomainError as refusal:
            form = AppointForm({})
            form.errors.clear()  # nothing was typed into it
            return self.again(form, refusal)
        return self.done(reverse("offices"))

    def perform(self, form: AppointForm) -> HttpResponse:
        user_id = find_object(Kind.USER, form.cleaned_data["user"])
        offices.appoint_officer(by=self.officer_id, user_id=user_id)
        return self.done(reverse("offices"))


class ChannelsView(_OfficerFormView[ChannelForm]):
    template = "canaries/channels.html"
    form_class = ChannelForm

    def show_form(self, form: ChannelForm, **context: Any) -> HttpResponse:
        return self.page(form=form, rows=channels.list_channels(), **context)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        changes: Mapping[str, Any] = {"test": channels.send_test, "remove": channels.remove_channel}
        for name, change in changes.items():
            if name in request.POST:
                change(by=self.officer_id, channel_id=_id_in(request.POST[name]))
                return self.done(reverse("channels"))
        return super().post(request, *args, **kwargs)

    def perform(self, form: ChannelForm) -> HttpResponse:
        sent = form.cleaned_data
        added = channels.add_channel(
            by=self.officer_id, kind=ChannelKind(sent["kind"]), target=sent["target"]
        )
        # In the response itself: a secret belongs into no session, and no later page shows it.
        return self.show_form(ChannelForm(), added=added) if added.secret else self.done(reverse("channels"))


def _id_in(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound from None


def _name_of(officer_id: str) -> str:
    """The name of an officer, or the id of a former one."""
    if officer_id in ("", HOST):
        return officer_id
    names = {str(office.user_id): office.name for office in offices.list_offices()}
    return names.get(officer_id, officer_id)
