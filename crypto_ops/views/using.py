"""How a program uses a key: steps that run without changes."""

from django.http import HttpRequest, HttpResponse

from crypto_ops import actions
from crypto_ops.offers import LABELS, offers_of
from crypto_ops.snippets import LANGUAGES, steps_of
from kernel.pages import Rule
from keys.views.detail import KeyView


class UseView(KeyView):
    rules = {"GET": Rule("crypto.inspect", actions.SNIPPETS_READ)}
    template = "crypto_ops/use.html"
    tab = "use"

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        asked = request.GET.get("lang", "")
        language = asked if asked in LANGUAGES else next(iter(LANGUAGES))
        offers = offers_of(self.principal, key)
        return self.show(
            key,
            languages=LANGUAGES,
            language=language,
            steps=steps_of(language, key_id=str(key.id), mode=key.modes[0]),
            closed=[offer for offer in offers if offer.reason],
            may_call=len(offers) == len(LABELS),
        )
