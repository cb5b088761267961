"""The form that ends sessions."""

from uuid import UUID

from django import forms

from kernel.pages.forms import PageForm


class EndSessionForm(PageForm):
    """Ends one session by its ID, or all ``others``."""

    session = forms.CharField(max_length=36, widget=forms.HiddenInput)

    def clean_session(self) -> UUID | None:
        """None means all other sessions."""
        asked = self.cleaned_data["session"]
        if asked == "others":
            return None
        try:
            return UUID(asked)
        except ValueError:
            raise forms.ValidationError("Choose a session from the list.") from None
