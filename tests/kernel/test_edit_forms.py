"""Forms: the name of a new object, and edits by two users.

Changes of different fields merge, and no value that a user has not seen is replaced.
"""

from datetime import UTC, datetime, timedelta

import pytest
from django import forms
from django.http import QueryDict
from django.test import RequestFactory

from kernel.errors import VersionConflict
from kernel.pages.edit_forms import EditForm
from kernel.pages.forms import LongSelect, NewNameField, PageForm, UtcDateTimeField

AT = datetime(2026, 12, 1, 10, 30, 59, tzinfo=UTC)
SHOWN = {"note": "old", "days": 30, "until": AT, "place": "here"}
SENT = {
    "initial-note": "old",
    "note": "old",
    "initial-days": "30",
    "days": "30",
    "initial-until": "2026-12-01 10:30:59",
    "until": "2026-12-01T10:30",
    "initial-place": "here",
    "place": "here",
}


class ThingForm(EditForm):
    note = forms.CharField(required=False)
    days = forms.IntegerField(required=False)
    until = UtcDateTimeField(required=False)
    place = forms.CharField(widget=forms.HiddenInput)


def sent(**changes):
    data = QueryDict(mutable=True)
    data.update(SENT | changes)
    form = ThingForm(data)
    assert form.is_valid()
    return form


def test_the_page_sends_what_it_showed():
    page = str(ThingForm(initial=SHOWN))
    assert all(f'name="{name}" value="{value}"' in page for name, value in SENT.items())


def test_an_untouched_field_is_no_change_after_a_change_elsewhere():
    form = sent(note="new")
    assert form.changes() == {"note": "new"}
    form.require_current({"note": "old", "days": 7, "until": None})


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ({"note": "mine"}, {"note": "theirs"}),
        ({"days": ""}, {"days": 7}),
        ({"days": "7"}, {"days": None}),
        ({"until": ""}, {"until": AT + timedelta(minutes=1)}),
        ({"note": "mine", "initial-note": ""}, {}),
        ({"days": "7", "initial-days": "no number"}, {}),
    ],
)
def test_a_field_that_both_changed_is_a_conflict(typed, stored):
    with pytest.raises(VersionConflict):
        sent(**typed).require_current(SHOWN | stored)


def test_the_same_change_twice_is_no_conflict():
    sent(note="new", until="").require_current(SHOWN | {"note": "new", "until": None})


def test_both_values_are_shown_and_the_next_submission_replaces_the_saved_one():
    form, stored = sent(note="mine", days="7"), SHOWN | {"note": "theirs"}
    with pytest.raises(VersionConflict) as conflict:
        form.require_current(stored)
    form.refused(RequestFactory().post("/"), conflict.value)
    assert [(each.name, each.saved, each.typed) for each in form.conflicts] == [("note", "theirs", "mine")]
    assert set(form.errors) == {"__all__", "note"}
    page = str(form)
    assert 'name="note" value="mine"' in page
    again = ThingForm(form.data)
    assert again.is_valid()
    again.require_current(stored)
    assert again.changes() == {"note": "mine", "days": 7}


class NamedForm(PageForm):
    name = NewNameField()


def test_the_name_of_a_new_object_has_the_focus_until_its_form_is_submitted():
    assert "autofocus" in str(NamedForm()["name"])
    assert "autofocus" not in str(NamedForm({"name": ""})["name"])


def test_a_long_select_escapes_its_choices_and_marks_the_chosen_one():
    select = LongSelect(choices=[("a", "<b>"), ('"', "&")])
    assert select.render("of", "a") == (
        '<select name="of">\n<option value="a" selected>&lt;b&gt;</option>\n<option value="&quot;">&amp;</option>\n</select>'
    )
