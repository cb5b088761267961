"""Automatic inspections of the open page; each returns its faults as sentences."""

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Locator, Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SIZES = {"wide": {"width": 1280, "height": 800}, "narrow": {"width": 320, "height": 800}}
THEMES = ("light", "dark")
CONTRAST = "color-contrast"

RUN_AXE = """
async ([options, isOfNew]) => (await axe.run(isOfNew ? { include: window.__new } : document, options)).violations.flatMap(
  (violation) => violation.nodes.map((node) => `${violation.id}: ${node.target.join(" ")} ${node.failureSummary || ""}`))
"""

# The theme of Django's admin changes with transitions, during which its colours are those of neither theme.
END_OF_TRANSITIONS = """
() => Promise.allSettled(document.getAnimations()
  .filter((each) => each.effect.getComputedTiming().endTime !== Infinity).map((each) => each.finished))
"""

# Contrast depends on the colours, size and weight of a text and on the backgrounds of its ancestors. Elements with the
# same values have the same look. This returns the looks that are not in ``known``, and keeps one element of each.
NEW_LOOKS = """
(known) => {
  const inherited = new Map(), found = new Map();
  const behind = (node) => {
    if (!node) return "";
    if (!inherited.has(node)) {
      const style = getComputedStyle(node);
      const own = [style.backgroundColor, style.backgroundImage, style.opacity].join();
      inherited.set(node, behind(node.parentElement) + (own === "rgba(0, 0, 0, 0),none,1" ? "" : own + "/"));
    }
    return inherited.get(node);
  };
  for (const node of document.body.querySelectorAll("*")) {
    const hasText = [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
    if (!(hasText || node.matches("input, select, textarea")) || !node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const look = [style.color, style.fontSize, style.fontWeight, style.textShadow, node.disabled, node.localName, behind(node)].join();
    if (!known.includes(look) && !found.has(look)) found.set(look, node);
  }
  window.__new = [...found.values()];
  return [...found.keys()];
}
"""

# WCAG 1.4.12. A constructed style sheet is not an inline style, so the policy allows it.
SPACED = """
() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; }
    p { margin-bottom: 2em !important; }`);
  document.adoptedStyleSheets = [sheet];
}
"""
NOT_SPACED = "() => { document.adoptedStyleSheets = []; }"

# Text that its box cuts off, and texts that overlap. An ellipsis shows that there is more, on the page of the object.
LOST_TEXT = """
() => {
  const forReaders = (node) => node && (getComputedStyle(node).clipPath !== "none" || forReaders(node.parentElement));
  const seen = (node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true })
    && !node.closest(".skip-link, #toasts") && !forReaders(node);  // a toast lies above the page, and goes
  const found = [];
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), parent = walker.currentNode.parentElement;
    if (!text || !seen(parent) || parent.closest("option, select, textarea, script, template")) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const cell = parent.closest("td");
    const end = cell && getComputedStyle(cell).textOverflow === "ellipsis" ? cell.getBoundingClientRect().right : Infinity;
    for (const { left, right, top, bottom, width, height } of range.getClientRects()) {
      if (width > 1 && height > 1) boxes.push({ box: { left, right: Math.min(right, end), top, bottom }, text, parent });
    }
    for (let box = parent; box && box !== document.body; box = box.parentElement) {
      const style = getComputedStyle(box);
      const clips = [style.overflowX, style.overflowY].some((how) => how === "hidden" || how === "clip")
        && style.textOverflow !== "ellipsis";
      if (clips && (box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1)) {
        found.push(`cut off: ${text.slice(0, 40)}`);
        break;
      }
    }
  }
  for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
    const [a, b] = [boxes[i], boxes[j]];
    if (a.parent === b.parent || a.parent.contains(b.parent) || b.parent.contains(a.parent)) continue;
    const x = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
    const y = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
    if (x > 2 && y > 4) found.push(`overlap: ${a.text.slice(0, 30)} / ${b.text.slice(0, 30)}`);
  }
  return [...new Set(found)];
}
"""

# The colours are the system's and backgrounds are removed, so buttons, input fields and badges need their own
# border.
WITHOUT_BORDER = """
() => [...document.querySelectorAll("button:not(.link), .button, input:not([type=hidden]), select, textarea, .badge, .card")]
  .filter((node) => node.checkVisibility() && !["checkbox", "radio"].includes(node.type))
  .filter((node) => parseFloat(getComputedStyle(node).borderTopWidth) < 1)
  .map((node) => `no border in forced colours: ${node.tagName} ${node.className}`)
"""

STILL_MOVING = """
() => [...document.querySelectorAll("*")].filter((node) => {
  const style = getComputedStyle(node);
  return [style.transitionDuration, style.animationDuration].some(
    (list) => list.split(",").some((each) => parseFloat(each) > 0.01));
}).map((node) => `still moves: ${node.tagName} ${node.className.baseVal ?? node.className}`)
"""

TOO_WIDE = """
() => document.documentElement.scrollWidth <= innerWidth ? [] : [`sideways scroll: ${document.documentElement.scrollWidth} px, `
  + [...document.querySelectorAll("main *")].filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 3).map((node) => `${node.tagName}.${node.className.baseVal ?? node.className}`).join(", ")]
"""

STICKS_OUT = """
() => [...document.querySelectorAll("button, .button, .badge, .tag, .choice")]
  .filter((node) => node.checkVisibility() && node.scrollWidth > node.clientWidth + 1)
  .map((node) => `wider than its border: ${node.textContent.trim().slice(0, 40)}`)
"""

WITHOUT_SCRIPT = """
() => [...document.querySelectorAll("[hx-get], [hx-post], [hx-put], [hx-patch], [hx-delete]")].filter((node) => {
  const works = node.matches("a[href], form[action], form[method], form button[type=submit], form input, form select, [role=status]");
  return !works && !/every|load/.test(node.getAttribute("hx-trigger") || "");
}).map((node) => `works with htmx only: ${node.outerHTML.slice(0, 120)}`)
"""


def show(page: Page, *, size: str, theme: str) -> None:
    page.set_viewport_size(SIZES[size])
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # faded-in elements appear at once


_inspected: set[str] = set()  # looks, by this process


def accessibility(page: Page) -> list[str]:
    """Axe's violations on the page as it is shown now."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE_SCRIPT)
    return run_axe(page, {"type": "tag", "values": TAGS}) + contrast(page)


def of_message(page: Page, message: Locator) -> list[str]:
    """Axe's violations in each theme while the page shows the message. The pointer keeps a toast from fading."""
    message.hover()
    found = []
    for theme in reversed(THEMES):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        found += [f"{theme}: {each}" for each in accessibility(page)]
    assert message.is_visible()
    return found


def contrast(page: Page) -> list[str]:
    """Axe's violations of contrast, of the looks that this process has not inspected yet."""
    page.evaluate(END_OF_TRANSITIONS)
    looks = page.evaluate(NEW_LOOKS, sorted(_inspected))
    _inspected.update(looks)
    return run_axe(page, {"type": "rule", "values": [CONTRAST]}, of_new=True) if looks else []


def run_axe(page: Page, only: dict[str, object], *, of_new: bool = False) -> list[str]:
    # Without preloading: axe would insert style sheets that import others, and the policy refuses that.
    options = {"runOnly": only, "resultTypes": ["violations"], "preload": False}
    if not of_new:
        options["rules"] = {CONTRAST: {"enabled": False}}
    return page.evaluate(RUN_AXE, [options, of_new])


def everything(page: Page, *, thoroughly: bool) -> list[str]:
    """All faults of the page, each with its size and theme."""
    found = []

    def note(where: str, sentences: list[str]) -> None:
        found.extend(f"{where}: {sentence}" for sentence in sentences)

    show(page, size="wide", theme="light")
    note("wide light", accessibility(page))
    note("wide", [fault for look in (TOO_WIDE, STICKS_OUT, WITHOUT_SCRIPT) for fault in page.evaluate(look)])
    show(page, size="narrow", theme="light")
    note("narrow", [*page.evaluate(TOO_WIDE), *page.evaluate(STICKS_OUT)])
    if thoroughly:
        # Rules that do not depend on colours were checked in light; those that do not depend on the width, at
        # both widths.
        note("narrow light", contrast(page))
        show(page, size="narrow", theme="dark")
        note("narrow dark", accessibility(page))
        show(page, size="wide", theme="dark")
        note("wide dark", contrast(page))
        found += adapted(page)
    show(page, size="wide", theme="light")
    return found


def adapted(page: Page) -> list[str]:
    """Faults with increased text spacing, with forced colours, and with reduced motion."""
    found = []
    page.evaluate(SPACED)
    for size in SIZES:
        show(page, size=size, theme="light")
        found += [f"spaced {size}: {each}" for each in (*page.evaluate(LOST_TEXT), *page.evaluate(TOO_WIDE))]
    page.evaluate(NOT_SPACED)
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    found += page.evaluate(WITHOUT_BORDER) + page.evaluate(STILL_MOVING)
    page.emulate_media(forced_colors="none")
    return found
