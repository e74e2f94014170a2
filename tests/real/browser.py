"""A real browser: Debian's chromium, without a window.

A test fails on anything that the browser complains about, among them each violation of the policy of a page. That a page itself is
answered with an error is no complaint: tests ask for such pages.
"""

import contextlib
import os
import shutil

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from parts import skip

WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")

# A folder for pictures of the screens, if somebody wants to look at them.
PICTURES = os.environ.get("PROXY_TEST_PICTURES")


@contextlib.contextmanager
def launched():
    """A process of the browser. It serves all tests of a run: what one keeps is in its tabs."""
    program = shutil.which("chromium")
    if not program:
        skip("the page in a browser", "chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Browser:
    """The browser of a test: its tabs, each of which has cookies of its own, and its complaints."""

    def __init__(self, chromium):
        self.chromium, self.complaints, self.contexts = chromium, [], []

    def tab(self, **options):
        """A new tab."""
        context = self.chromium.new_context(**{"viewport": {"width": WIDTHS[0], "height": 860}, **options})
        self.contexts.append(context)
        return self.watched(context.new_page())

    def watched(self, page):
        """Notes what the browser complains about in a tab."""

        def note(message):
            is_page = message.text.startswith("Failed to load resource") and message.location.get("url", "").split("#")[0] == page.url.split("#")[0]
            if message.type in ("error", "warning") and not is_page:
                self.complaints.append(f"{page.url}: {message.text}")

        page.on("console", note)
        def refuse(dialog):
            self.complaints.append(f"{page.url}: dialog: {dialog.message}")
            dialog.dismiss()

        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("dialog", refuse)
        return page

    def open(self, url, **options):
        """A new tab with that page."""
        page = self.tab(**options)
        page.goto(url)
        return page

    def check(self, page):
        """A page can be read and reached, in both colours, and fits wide and narrow screens."""
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 860})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                results = Axe().run(page)
                assert results.violations_count == 0, f"{page.url} {width} {scheme}: {results.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{page.url} is wider than {width}"
        page.emulate_media(color_scheme=SCHEMES[0])
        page.set_viewport_size({"width": WIDTHS[0], "height": 860})

    def accessible(self, url):
        """The same of the page at that address."""
        self.check(self.open(url))

    def picture(self, page, name):
        """Keeps what a page looks like, if pictures are wanted."""
        if not PICTURES:
            return
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 860})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=f"{PICTURES}/{name}-{width}-{scheme}.png", full_page=True)
        page.emulate_media(color_scheme=SCHEMES[0])
        page.set_viewport_size({"width": WIDTHS[0], "height": 860})

    def close(self):
        for context in self.contexts:
            context.close()
