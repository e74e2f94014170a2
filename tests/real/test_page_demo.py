"""The page of `lineage-proxy demo` as a stranger sees it, in a real browser. Its picture is that of the README.

    PROXY_TEST_PICTURE=docs/page.png … pytest tests/real/test_page_demo.py    # takes the picture again
"""

import os
import re
import signal
import subprocess
import urllib.parse

import pytest
from parts import BIN, free_port
from playwright.sync_api import expect

TABLE = {
    "dataset": "sales.marts.campaign_return",
    "namespace": "redshift://analytics.123456789012.eu-west-1.redshift-serverless.amazonaws.com:5439",
}
FAILED = "campaigns.load_spend"


@pytest.fixture
def demo():
    """The address of a demo that shows its table."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [BIN / "lineage-proxy", "demo", "--listen", address], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    printed = []
    for line in process.stderr:
        printed.append(line)
        if "Press Ctrl-C" in line:
            break
    assert f"http://{address}/\n" in "".join(printed), printed
    yield f"http://{address}"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)


def test_which_job_broke_a_table_and_what_became_of_its_last_event_takes_four_clicks(demo, browser):
    page = browser.open(demo)
    page.get_by_role("link", name="sales.marts.shop.campaign_return").first.click()
    page.get_by_role("link", name="lineage", exact=True).or_(page.get_by_role("link", name=re.compile("in the lineage"))).first.click()
    page.locator("#side").get_by_role("link", name=FAILED).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(FAILED)
    page.get_by_role("link", name="last event").first.click()
    expect(page.get_by_role("main")).to_contain_text("FAIL")
    expect(page.get_by_role("main")).to_contain_text("the namespace of the job is not registered")


def test_each_screen_has_something_to_show(demo, browser):
    page = browser.open(demo)
    expect(page.locator("main table tbody tr")).to_have_count(12)
    expect(page.get_by_role("main")).to_contain_text("s3a-is-s3")
    page.goto(f"{demo}/queue")
    expect(page.get_by_role("button", name="Redrive 2")).to_be_visible()
    page.goto(f"{demo}/rules")
    expect(page.get_by_role("main")).to_contain_text("s3a-is-s3")


def test_the_picture_of_the_readme_is_taken(demo, browser):
    page = browser.tab(viewport={"width": 1280, "height": 580})
    page.goto(f"{demo}/lineage?{urllib.parse.urlencode(TABLE)}")
    page.wait_for_selector("#graph a")
    picture = page.screenshot(path=os.environ.get("PROXY_TEST_PICTURE"))
    assert picture.startswith(b"\x89PNG")
