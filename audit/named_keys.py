"""Name the keys of a refused request in its event, for any fault of the request.

A view sets the object of a request once it has read the body. Many refusals come earlier: a missing permission, an ended
token, a body that is not valid. The text of such a request still names keys: a ciphertext in its header, and
``key_id``. The search needs no valid JSON, takes linear time, and depends on the text only, not on what exists.
"""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

from msgspec.structs import replace

from audit.log.events import Event
from kernel.actions import REQUEST_REFUSED
from kernel.crypto.sealing import envelope
from kernel.labels import NAME

MAX_KEYS: Final = 20  # in ``meta``, because anyone can send thousands
_MEMBER: Final = "refused_keys"
# Only these actions take ciphertexts or ``key_id``. The bodies of others may have passwords.
_ACTIONS: Final = ("crypto.", "keys.", "console.first_key.", REQUEST_REFUSED)
# In JSON or in a query. The forms of ``keys.references``, as far as an object has room for them.
_REFERENCE: Final = re.compile(
    r'(target_)?key_id(?:"\s*:\s*"|=)((?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|name:'
    + NAME.pattern
    + r'|vault:[A-Za-z0-9_./-]{3,94})(?=["&\\\s]|$))'
)


def text_of(body: bytes) -> str:
    """The text of a body without the escapes of its ASCII characters, which JSON allows anywhere."""
    try:
        return body.decode("raw_unicode_escape")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def may_name_keys(action: str) -> bool:
    """Whether refused requests of this action are searched for keys."""
    return action.startswith(_ACTIONS)


def with_named_keys(event: Event, text: str) -> Event:
    """The event of a refused request with the keys that ``text`` names.

    The first becomes the object, unless the event has one. The others are in ``meta``.
    """
    ids = [str(key_id) for key_id in islice(envelope.key_ids_in(text), MAX_KEYS)]
    # The object of the view is the key of ``key_id`` already. Its name is no other key.
    has_object = event.object_id and not ids
    references = (found[2] for found in _REFERENCE.finditer(text) if found[1] or not has_object)
    named = dict.fromkeys([*ids, *islice(references, MAX_KEYS)])
    event = with_key(event, next(iter(named), None))
    return replace(event, meta={**event.meta, **refused_keys(named, event.object_id)})


def with_key(event: Event, key_id: object) -> Event:
    """The event with this key as its object, unless it has one, or the key is None."""
    if event.object_id or key_id is None:
        return event
    return replace(event, object_type="key", object_id=str(key_id))


def refused_keys(named: Iterable[str], object_id: str) -> dict[str, list[str]]:
    """The member of ``meta`` with the keys other than the object; empty if there are none."""
    others = [each for each in dict.fromkeys(named) if each != object_id][:MAX_KEYS]
    return {_MEMBER: others} if others else {}
