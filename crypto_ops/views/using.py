"""How a program uses a key: steps that run without changes."""

from django.http import HttpRequest, HttpResponse

from crypto_ops import actions
from crypto_ops.operation_choices import operation_choices
from crypto_ops.snippets import LANGUAGES, steps_of
from kernel.crypto.algorithms import find_key_algorithm
from kernel.pages import Rule
from keys import capabilities
from keys.lifecycle import operations_of
from keys.pages.views.detail import KeyView


class UseView(KeyView):
    rules = {"GET": Rule("crypto.inspect", actions.SNIPPETS_READ)}
    template = "crypto_ops/use.html"
    tab = "use"

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        asked = request.GET.get("lang", "")
        language = asked if asked in LANGUAGES else next(iter(LANGUAGES))
        choices = operation_choices(self.principal, key)
        steps = steps_of(
            language,
            kind=find_key_algorithm(key.algorithm, key.purpose),
            key_id=str(key.id),
            mode=key.default_mode,
        )
        return self.show(
            key,
            languages=LANGUAGES,
            language=language,
            # An imported key may lack an operation that the other steps need.
            steps=steps[:1] if capabilities.excluded_operations(key) else steps,
            closed=[choice for choice in choices if choice.reason],
            may_call=len(choices) == len(operations_of(key.algorithm, key.purpose)),
        )
