"""Forms of the console's own pages."""

from django import forms

from kernel.crypto.sealing.envelope import Envelope, decode
from kernel.pages.forms import NewNameField, PageForm

_MAX_MESSAGE = 1000  # characters
_MAX_CIPHERTEXT = 8000  # characters: such a message in four-byte characters, encrypted and in base64


class FirstKeyForm(PageForm):
    """A first key and a first message. The defaults are valid, so submitting is enough."""

    name = NewNameField(label="Key name", initial="demo", autofocus=False)
    message = forms.CharField(
        max_length=_MAX_MESSAGE,
        initial="hello canary",
        strip=False,
        help_text="The server encrypts the message and does not store it.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class DecryptBackForm(PageForm):
    ciphertext = forms.CharField(max_length=_MAX_CIPHERTEXT, widget=forms.HiddenInput)

    def envelope(self) -> Envelope:
        """Raises MalformedCiphertext, which is recorded like every other refusal. An error of the form would not be."""
        return decode(self.cleaned_data["ciphertext"], max_length=_MAX_CIPHERTEXT)
