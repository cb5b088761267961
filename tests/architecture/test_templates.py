"""Templates contain nothing that the Content-Security-Policy blocks, and every POST form has a CSRF token."""

import re
from html.parser import HTMLParser

import pytest

from kernel.crypto.algorithms import ALGORITHM_NAMES, KEY_ALGORITHMS
from keys.policies.forms import CHOICES
from tests.architecture.sources import PACKAGES, ROOT, product_files

FOLDERS = [ROOT / "templates", *(ROOT / package / "templates" for package in PACKAGES)]
TEMPLATES = [path for folder in FOLDERS for path in sorted(folder.rglob("*.html"))]
TAGS = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.DOTALL)


class Reader(HTMLParser):
    """Collect inline scripts and styles, and the forms that POST."""

    def __init__(self, text):
        super().__init__()
        self.inline, self.forms = [], 0
        # A template tag inside an attribute would confuse the parser, and its output is not checked here.
        self.feed(TAGS.sub("", text))

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        if tag == "style" or (tag == "script" and "src" not in names):
            self.inline.append(f"<{tag}>")
        self.inline += [name for name in names if name == "style" or name.startswith("on")]
        self.inline += [name for name, value in attributes if (value or "").strip().startswith("javascript:")]
        self.forms += tag == "form" and names.get("method", "get").lower() == "post"


def test_no_template_holds_inline_script_or_style():
    found = {path.name: inline for path in TEMPLATES if (inline := Reader(path.read_text()).inline)}
    assert found == {}


def test_every_form_that_posts_carries_its_csrf_token():
    missing = [
        path.name for path in TEMPLATES if (text := path.read_text()).count("csrf_token") < Reader(text).forms
    ]
    assert missing == []


def test_no_template_marks_a_value_as_safe():
    marking = [
        path.name for path in TEMPLATES if re.search(r"\|\s*safe\b|autoescape\s+off", path.read_text())
    ]
    assert marking == []


@pytest.mark.parametrize(
    "text",
    [
        "<p style='color: red'>",
        "<script>a()</script>",
        "<style>p {}</style>",
        "<a href='javascript:a()'>",
        "<p onclick='{{ a }}'>",
    ],
)
def test_the_reader_sees_what_is_inline(text):
    assert Reader(text).inline


def test_the_reader_leaves_alone_what_is_not():
    assert Reader('<script src="{% static "a.js" %}"></script><form method="post">').inline == []
    assert Reader('<form method="{% if a %}{% endif %}post">').forms == 1


def product_texts():
    """All text that may name an icon or a class: templates, scripts, and the code that chooses one."""
    paths = [*TEMPLATES, *(ROOT / "static" / "js").glob("*.js"), *product_files()]
    return "\n".join(path.read_text() for path in paths)


def test_every_icon_is_shown_somewhere():
    drawn = re.findall(r'<symbol id="([^"]+)"', (ROOT / "static" / "icons.svg").read_text())
    texts = product_texts()
    assert [name for name in drawn if f'"{name}"' not in texts] == []


def test_every_icon_that_is_shown_is_drawn():
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "static" / "icons.svg").read_text()))
    shown = {name for path in TEMPLATES for name in re.findall(r'{% icon "([^"]+)" %}', path.read_text())}
    assert shown - drawn == set()


def test_every_class_of_the_stylesheet_is_used():
    sheet = (ROOT / "static" / "css" / "app.css").read_text()
    texts = product_texts()
    styled = set(re.findall(r"\.([a-z][a-z0-9-]*)(?=[\s.,:>\[{)])", sheet)) - {"htmx-request"}  # htmx sets it
    assert {name for name in styled if not re.search(rf"(?<![\w-]){name}(?![\w-])", texts)} == set()


def test_no_selector_names_the_value_of_a_choice():
    sheet = (ROOT / "static" / "css" / "app.css").read_text()
    words = {*ALGORITHM_NAMES, *(mode for kind in KEY_ALGORITHMS for mode in kind.modes)}
    assert re.findall(r"\[value[^\]]*\]", sheet) == []
    assert {word for word in words if re.search(rf"(?<![\w-]){word}(?![\w-])", sheet)} == set()


def test_the_stylesheet_has_a_rule_for_each_position_of_a_choice():
    sheet = (ROOT / "static" / "css" / "app.css").read_text()
    rule = (
        r'\.by-choice:has\(\[type="radio"\]\[id\$="_(\d+)"\]:checked\) \[data-for\]:not\(\[data-for~="\1"\]\)'
    )
    assert [int(at) for at in re.findall(rule, sheet)] == list(range(len(CHOICES)))


def test_no_general_style_overrides_an_earlier_one_for_narrow_screens():
    sheet = re.sub(r"/\*.*?\*/", "", (ROOT / "static" / "css" / "app.css").read_text(), flags=re.DOTALL)
    narrow, overridden = set(), set()
    for blocks, declared in declarations(sheet):
        media = [block for block in blocks if block.startswith("@media")]
        if any("max-width" in each for each in media):
            narrow |= declared
        elif not media:
            overridden |= declared & narrow
    assert narrow
    assert overridden == set()


def declarations(sheet):
    """For each declaration: the enclosing blocks, and its (selector, property) for each selector of its rule."""
    blocks, text = [], ""
    for part in re.split(r"([{};])", sheet):
        if part == "{":
            blocks.append(" ".join(text.split()))
        elif part in {"}", ";"}:
            name, colon, _ = text.partition(":")
            if colon:
                yield blocks, {(selector.strip(), name.strip()) for selector in blocks[-1].split(",")}
        text = "" if part in {"{", "}", ";"} else part
        if part == "}":
            blocks.pop()
