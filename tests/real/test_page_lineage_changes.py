"""What changes on the lineage screen while somebody looks at it: drawings that come late, news, and what the reader does meanwhile."""

import estate
from lineage_page import FCT_ORDERS, near, send
from playwright.sync_api import expect


def held(page):
    """Holds drawings back. Returns what is asked for, until each is let go."""
    routes = []
    page.route(lambda url: "part=drawing" in url, lambda route: routes.append(route))
    return routes


def wait_for_routes(page, routes, count):
    while len(routes) < count:
        page.wait_for_timeout(20)


def test_what_is_chosen_before_the_first_drawing_is_shown(shop, browser):
    page = browser.tab()
    routes = held(page)
    page.goto(f"{shop.url}{near('dataset', *FCT_ORDERS)}")
    wait_for_routes(page, routes, 1)
    link = page.locator("#side").get_by_role("link", name="load_customers")
    place = link.bounding_box()
    link.click()
    wait_for_routes(page, routes, 2)
    # The second comes first, and the first is late.
    for route in reversed(routes):
        route.continue_()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Lineage of the job load_customers")
    page.wait_for_timeout(500)
    expect(heading).to_have_text("Lineage of the job load_customers")
    expect(page.locator(".node.chosen")).to_contain_text("load_customers")
    assert "job=load_customers" in page.url
    # Nor does a link move, or go, while the mouse is pressed on it and the drawing comes.
    routes.clear()
    page.goto(f"{shop.url}{near('dataset', *FCT_ORDERS)}")
    wait_for_routes(page, routes, 1)
    page.mouse.move(place["x"] + 5, place["y"] + 5)
    page.mouse.down()
    routes[0].continue_()
    page.locator(".node.chosen").wait_for()
    assert link.bounding_box() == place
    page.mouse.up()
    wait_for_routes(page, routes, 2)
    routes[1].continue_()
    expect(heading).to_have_text("Lineage of the job load_customers")


def test_a_drawing_that_fails_leaves_the_list(shop, browser):
    page, asked = browser.tab(), []

    def answer_without_drawing(route):
        asked.append(route)
        route.fulfill(json={"jobs": 1})

    page.route(lambda url: "part=drawing" in url, answer_without_drawing)
    page.goto(f"{shop.url}{near('dataset', *FCT_ORDERS)}")
    expect(page.get_by_text("It cannot be drawn now")).to_be_visible()
    page.wait_for_timeout(700)
    assert len(asked) == 1, "it does not load itself again for ever"
    expect(page.locator("#list tbody tr").first).to_be_visible()
    expect(page.locator("#graph")).to_be_hidden()


def test_a_place_on_the_page_is_not_a_choice(shop, browser):
    page = browser.open(shop.url + near("dataset", *FCT_ORDERS))
    expect(page.locator(".node.chosen")).to_be_visible()
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "part=" in request.url else None)
    skip_link = page.locator('a[href="#content"]')
    skip_link.focus()
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")
    page.go_back()
    page.go_forward()
    page.wait_for_timeout(300)
    assert not asked
    page.reload()
    expect(page.locator(".node.chosen")).to_contain_text("fct_orders")
    page.locator("#side").get_by_role("link", name="load_customers").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lineage of the job load_customers")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lineage of the dataset dev.marts.fct_orders")


def test_news_leave_the_view_and_the_focus_alone(shop, browser):
    page = browser.open(shop.url + near("job", "airflow", "load_customers"))
    chosen, raw = page.locator(".node.chosen"), estate.dataset(estate.DATABASE, "shop.raw.customers", ["id", "name"])
    expect(chosen).to_contain_text("failed")
    expect(page.locator("#spoken")).to_contain_text("load_customers")
    page.locator("#graph").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    focused = page.evaluate("document.activeElement.dataset.node")
    # The reader looks elsewhere.
    box = page.locator("#graph").bounding_box()
    page.mouse.move(box["x"] + 30, box["y"] + box["height"] - 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 180, box["y"] + box["height"] - 120, steps=4)
    page.mouse.up()
    page.evaluate("document.querySelector('.node .head[data-node=\"%s\"]').focus({ preventScroll: true })" % focused)
    view, spoken = page.locator(".world").get_attribute("style"), page.locator("#spoken").inner_text()
    send(shop, estate.run(("airflow", "load_customers"), "COMPLETE", 1, [], [raw], ("airflow", "daily_shop")))
    expect(chosen).to_contain_text("completed", timeout=15_000)
    assert page.evaluate("document.activeElement.dataset.node") == focused
    assert page.locator(".world").get_attribute("style") == view
    assert page.locator("#spoken").inner_text() == spoken
    link = page.locator("#side").get_by_role("link", name="events", exact=True)
    link.focus()
    send(shop, estate.run(("airflow", "load_customers"), "FAIL", 0, [], [raw], ("airflow", "daily_shop")))
    expect(chosen).to_contain_text("failed", timeout=15_000)
    assert link.evaluate("(it) => it === document.activeElement")


def test_the_mouse_and_the_keyboard_do_not_disturb_each_other(shop, browser):
    page = browser.open(shop.url + near("dataset", *FCT_ORDERS))
    expect(page.locator("#spoken")).to_contain_text("fct_orders")
    box = page.locator("#graph").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + box["height"] - 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + box["height"] - 30, steps=3)
    page.mouse.up()
    page.locator("#graph").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lineage of the job dbt.shop.fct_orders")
    # A button that was let go outside of the window drags nothing.
    view = page.locator(".world").get_attribute("style")
    page.evaluate("""() => {
        const graph = document.getElementById("graph");
        const tell = (kind, x, buttons) => graph.dispatchEvent(new PointerEvent(kind, { pointerId: 1, button: kind === "pointerdown" ? 0 : -1, buttons, clientX: x, clientY: 300 }));
        tell("pointerdown", 100, 1);
        tell("pointermove", 300, 0);
        tell("pointermove", 400, 0);
        return new Promise(requestAnimationFrame);
    }""")
    assert page.locator(".world").get_attribute("style") == view


def test_a_control_keeps_the_focus_of_the_keyboard(shop, browser):
    page = browser.open(shop.url + near("dataset", *FCT_ORDERS))
    page.locator(".node.chosen").wait_for()
    page.locator('input[name="up"]').focus()
    for levels in "4", "5":
        page.keyboard.press("ArrowUp")
        expect(page.locator('input[name="up"]')).to_have_attribute("value", levels)
        assert page.evaluate("document.activeElement.name") == "up"
    assert "up=5" in page.url
    page.get_by_label("group by parent").focus()
    page.keyboard.press("Space")
    expect(page.locator(".node.parent").first).to_be_visible()
    assert page.evaluate("document.activeElement.name") == "group"


def test_states_change_in_place(shop, browser):
    page = browser.open(shop.url + near("job", "airflow", "load_customers"))
    chosen = page.locator(".node.chosen")
    expect(chosen).to_contain_text("failed")
    raw = estate.dataset(estate.DATABASE, "shop.raw.customers", ["id", "name"])
    send(shop, estate.run(("airflow", "load_customers"), "COMPLETE", 1, [], [raw], ("airflow", "daily_shop")))
    expect(chosen).to_contain_text("completed", timeout=15_000)
    send(shop, estate.run(("airflow", "load_customers"), "COMPLETE", 0, [], [raw, estate.dataset(estate.DATABASE, "shop.raw.new")]))
    page.get_by_role("button", name="The lineage has changed").click(timeout=15_000)
    expect(page.locator(".node", has_text="shop.raw.new")).to_be_visible()
