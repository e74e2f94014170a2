"""The page over plain HTTP at an address other than localhost: a browser trusts it less there, and sends less."""

import json
import socket

import pytest
from parts import skip
from playwright.sync_api import expect

OPERATE = "a-key-that-operates"

# A header that needs an origin that can be trusted: the browser says that it ignores it, and no more.
IGNORED = "The Cross-Origin-Opener-Policy header has been ignored, because the URL's origin was untrustworthy."


def own_address():
    """An address of this machine that is not a loopback one, or nothing. No packet is sent for it."""
    for family, far in [(socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")]:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((far, 9))
            except OSError:
                continue
            address = probe.getsockname()[0]
        if not address.startswith("127.") and address != "::1":
            return f"[{address}]" if ":" in address else address
    return None


@pytest.fixture
def plain(serve, request):
    address = own_address()
    if not address:
        skip(request.node.nodeid, "an address that is not a loopback one")
    keys = {"ops": {"key": OPERATE, "roles": ["operate"]}}
    return serve(LISTEN=f"{address}:0", AUTH_KEYS=json.dumps(keys))


@pytest.fixture
def tab(browser):
    yield browser.tab()
    browser.complaints = [complaint for complaint in browser.complaints if IGNORED not in complaint]


def log_in(page):
    page.get_by_label("Key").fill(OPERATE)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("key ops")).to_be_visible()


def test_every_form_works_over_plain_http(plain, tab):
    tab.goto(plain.url)
    assert not tab.evaluate("isSecureContext"), "then it would be tested like localhost"
    log_in(tab)
    tab.get_by_role("button", name="Colours").click()
    expect(tab.locator("html[data-theme=dark]")).to_have_count(1)
    tab.goto(f"{plain.url}/rules/try")
    tab.get_by_role("button", name="Try", exact=True).click()
    expect(tab.get_by_role("alert")).to_have_text("No event was found to try the rules on.")
    tab.get_by_role("button", name="Log out").click()
    expect(tab.get_by_text("You are logged out.")).to_be_visible()


def test_another_site_opens_the_page_for_its_reader_and_changes_nothing(plain, tab, other_site):
    """A link works without another login. A form does not, whichever policy of referrers that site has."""
    elsewhere = other_site(f'<a href="{plain.url}/queue">queue</a><form method="post" action="{plain.url}/logout"><button>go</button></form>')
    tab.goto(plain.url)
    log_in(tab)
    for policy in ("same-origin", "no-referrer", "unsafe-url"):
        tab.goto(f"{elsewhere}/{policy}")
        tab.get_by_role("link", name="queue").click()
        expect(tab.get_by_role("heading", name="Queue", exact=True)).to_be_visible()
        expect(tab.get_by_text("key ops")).to_be_visible()
        tab.goto(f"{elsewhere}/{policy}")
        with tab.expect_navigation():
            tab.get_by_role("button", name="go").click()
        expect(tab.get_by_role("heading", name="Forbidden")).to_be_visible()
    tab.goto(plain.url)
    expect(tab.get_by_text("key ops")).to_be_visible()
