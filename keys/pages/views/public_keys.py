"""The page of a key's public key, and its download."""

import json

from django.http import HttpRequest, HttpResponse

from kernel.rules import Rule
from keys import actions, lifecycle
from keys.pages.views.detail import KeyView
from keys.transport import jose
from keys.transport.services import public_keys


class PublicKeyView(KeyView):
    rules = {"GET": Rule("keys.read", actions.PUBLIC_KEY_READ)}
    template = "keys/public_key.html"
    tab = "public"

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        key, chosen = self.find(name), request.GET.get("signing_algorithm")
        found = public_keys.get_public_key(
            principal=self.principal, key_id=key.id, choice=jose.AlgChoice(chosen)
        )
        modes = jose.algorithms_of(key.algorithm) if key.purpose == "sign" else {}
        return self.show(
            key,
            found=found,
            jwk=json.dumps(found.jwk, indent=2),
            chosen=chosen,
            modes=modes,
            possible=lifecycle.operations_of(key.algorithm, key.purpose),
        )


class PublicKeyFileView(KeyView):
    """The PEM as a file."""

    rules = {"GET": Rule("keys.read", actions.PUBLIC_KEY_READ)}

    def get(self, _request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        found = public_keys.get_public_key(principal=self.principal, key_id=key.id)
        file = f"{key.name}-v{found.key_version}.pem"
        return HttpResponse(
            found.pem,
            content_type="application/x-pem-file",
            headers={"Content-Disposition": f'attachment; filename="{file}"'},
        )
