from keys.access import urls as access
from keys.creation import urls as creation
from keys.deletion import urls as deletion
from keys.editing import urls as editing
from keys.pages.urls import pages as pages_of_keys
from keys.policies import urls as policies
from keys.reading import urls as reading
from keys.rotation import urls as rotation
from keys.states import urls as states
from keys.transport import urls as transport
from keys.usage import urls as usage

api = [
    *reading.api,
    *policies.api,
    *creation.api,
    *editing.api,
    *states.api,
    *transport.api,
    *deletion.api,
    *rotation.api,
    *access.api,
    *usage.api,
]

pages = [*pages_of_keys, *policies.pages]
