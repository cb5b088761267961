"""State of the process is a ``ProcessState``, so that ``kernel.runtime.fresh`` and a fork replace all of it."""

import ast
import re

from tests.architecture.sources import name, product_files, tree

# Classes of the standard library whose instances change.
STATEFUL = re.compile(
    r"deque|OrderedDict|defaultdict|Weak\w+|(Simple)?Queue|local|R?Lock|Condition|Event"
    r"|(Bounded)?Semaphore|Barrier|Timer|Thread|(Thread|Process)PoolExecutor"
)
CONSTANT = {"ProcessState", "ContextVar", "Library"}
METRICS = {"Counter", "Gauge", "Histogram"}

# Objects that the program builds once, at its start.
PROGRAM = {
    "kernel/runtime.py _of_parents": "what a fork leaves to its parent",
    "kernel/runtime.py _states": "every declared ProcessState",
    "kernel/runtime.py _caches": "every declared process_cache",
    "kernel/runtime.py _of_settings": "every declared settings_cache",
    "kernel/jobs/registry.py _tasks": "apps register in AppConfig.ready",
    "kernel/jobs/registry.py _periodic": "likewise",
    "audit/log/action_labels.py _LABELS": "likewise",
    "audit/log/object_names.py _TYPES": "likewise",
    "kernel/outbox/topics.py _TOPICS": "likewise",
    "kernel/jobs/notifier.py app": "Celery's application",
    "kernel/rest/schema.py _generating": "guards the cache of a constant",
    "ciphercanary/asgi.py heads": "a part of the ASGI application",
    "ciphercanary/asgi.py bodies": "likewise",
    "ciphercanary/asgi.py bridge": "likewise",
    "ciphercanary/asgi.py others": "likewise",
    "ciphercanary/asgi.py application": "the ASGI application",
    "ciphercanary/celery.py _stopping": "shared with forked processes",
    "ciphercanary/server/gunicorn.py secure_scheme_headers": "a setting of gunicorn",
    "ciphercanary/settings.py env": "reads the settings",
    "accounts/oidc/configuration.py env": "likewise",
    "notifications/configuration.py env": "likewise",
}


def assignments(body):
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            yield ast.unparse(target), node.value


def class_of(value):
    """The name that a call calls, without its module; otherwise ""."""
    return ast.unparse(value.func).rpartition(".")[2] if isinstance(value, ast.Call) else ""


def is_empty(value):
    return ast.unparse(value) in {"{}", "[]", "dict()", "list()", "set()", "Counter()"}


def is_instance(target, value):
    """Whether a lower-case name gets an instance of a class that is not known as constant."""
    by_name = isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
    kind = class_of(value).lstrip("_")
    return target.islower() and by_name and kind[:1].isupper() and kind not in CONSTANT | METRICS


def state_in(path):
    module = tree(path)
    for target, value in assignments(module.body):
        if STATEFUL.fullmatch(class_of(value)) or is_empty(value) or is_instance(target, value):
            yield f"{name(path)} {target}"
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            held = (target for target, value in assignments(node.body) if STATEFUL.fullmatch(class_of(value)))
            yield from (f"{name(path)} {node.name}.{target}" for target in held)


def test_modules_have_no_state_of_their_own():
    assert {found for path in product_files() for found in state_in(path)} == set(PROGRAM)


def test_no_function_rebinds_a_name_of_its_module():
    rebinding = [
        f"{name(path)}:{node.lineno}"
        for path in product_files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Global)
    ]
    assert rebinding == []
