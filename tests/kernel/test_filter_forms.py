"""The filters of a list, from the query string to the chips."""

from urllib.parse import parse_qsl

from django import forms

from kernel.pages.filter_forms import FilterForm
from kernel.pages.forms import UtcDateTimeField


class Filters(FilterForm):
    since = UtcDateTimeField(required=False)
    state = forms.ChoiceField(required=False, choices=[("", "Any"), ("on", "Switched on")])
    tag = forms.CharField(required=False)


def test_chips_have_the_label_of_a_choice_and_the_text_of_other_values():
    form = Filters.read({"since": "2026-11-25T14:05", "state": "on", "tag": "on"})
    assert [words for _, words, _ in form.chips()] == ["2026-11-25 14:05:00", "Switched on", "on"]


def test_the_address_of_a_list_has_its_filters():
    form = Filters.read({"since": "2026-11-25T14:05", "state": "on", "tag": ""}, ordering="name")
    sent = dict(parse_qsl(form.query()))
    assert sent.pop("ordering") == "name"
    assert Filters.read(sent).given == form.given
    assert form.query(without="since") == "state=on&ordering=name"


def test_a_chip_removes_its_own_filter_only():
    form = Filters.read({"state": "on", "tag": "blue"})
    assert [rest for _, _, rest in form.chips()] == ["tag=blue", "state=on"]


def test_the_address_of_a_list_without_filters_has_no_query():
    assert Filters.read({}).address("/keys/") == "/keys/"
    assert Filters.read({"tag": "blue"}).address("/keys/") == "/keys/?tag=blue"


def test_a_filter_with_an_unknown_value_is_ignored_and_named():
    form = Filters.read({"state": "unknown", "tag": "blue"})
    assert (form.ignored, form.given) == (["State"], {"tag": "blue"})
