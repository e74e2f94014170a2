"""The lineage in a real browser: drawn, as a table, by keyboard, on a small screen, and the pages of a job, a dataset and a run."""

import json
import urllib.parse

import estate
from lineage_page import FCT_ORDERS, STG_ORDERS, answer, filled, near
from parts import eventually
from playwright.sync_api import expect


def test_from_a_broken_table_to_the_job_that_broke_it_and_its_last_event_in_four_clicks(shop, browser):
    page = browser.open(shop.url + near("dataset", *FCT_ORDERS))
    panel = page.locator("#side")
    panel.get_by_text("failed before it").wait_for()
    panel.get_by_role("link", name="load_customers").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lineage of the job load_customers")
    panel.get_by_role("link", name="job", exact=True).click()
    expect(page.get_by_text("✖ failed").first).to_be_visible()
    last = page.get_by_role("link", name="the last one").first
    assert last.get_attribute("href").startswith("/events/")


def test_the_keyboard_walks_along_edges_and_says_where_it_is(shop, browser):
    page = browser.open(shop.url + near("dataset", *FCT_ORDERS))
    spoken = page.locator("#spoken")
    expect(spoken).to_contain_text("Dataset dev.marts.fct_orders, 1 before, 1 after, completed")
    page.locator("#graph").focus()
    for key, said in [
        ("ArrowLeft", "Dataset dev.marts.fct_orders"),
        ("ArrowLeft", "Job dbt.shop.fct_orders, 2 before, 1 after"),
        ("ArrowLeft", "Dataset dev.staging.stg_customers"),
        ("ArrowDown", "Dataset dev.staging.stg_orders"),
        ("ArrowDown", "The end of the column"),
        ("ArrowRight", "Job dbt.shop.fct_orders"),
        ("ArrowLeft", "Dataset dev.staging.stg_orders"),
    ]:
        page.keyboard.press(key)
        expect(spoken).to_contain_text(said)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lineage of the dataset dev.staging.stg_orders")
    assert page.evaluate("document.activeElement.dataset.node") is not None, "the keyboard stays in the drawing"
    for key in "+", "-", "0":
        page.keyboard.press(key)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lineage of the dataset dev.marts.fct_orders")


def test_a_node_that_is_chosen_keeps_its_place(shop, browser):
    page = browser.open(shop.url + near("dataset", *FCT_ORDERS))
    node = page.locator(".node .head", has_text="dbt.shop.fct_orders")
    was = node.bounding_box()
    node.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lineage of the job dbt.shop.fct_orders")
    now = page.locator(".node.chosen .head").bounding_box()
    assert abs(was["x"] - now["x"]) < 2 and abs(was["y"] - now["y"]) < 2


def test_an_address_restores_the_whole_view(shop, browser):
    opened_name = "/".join(STG_ORDERS)
    path = near("dataset", *FCT_ORDERS, up=4, column="total", open=opened_name, fields="a")
    for reader in range(2):
        page = browser.open(shop.url + path)
        expect(page.locator('select[name="column"]')).to_have_value("total")
        expect(page.locator('input[name="up"]')).to_have_value("4")
        expect(page.locator('input[name="fields"]')).to_have_value("a")
        expect(page.locator(".node.chosen")).to_contain_text("fct_orders")
        path = urllib.parse.urlsplit(page.url)
        path = f"{path.path}?{path.query}"
        browser.picture(page, f"lineage-column-{reader}")


def test_the_path_of_a_column_is_lit_to_its_ends(shop, browser):
    page = browser.open(shop.url + near("dataset", *FCT_ORDERS, up=4, column="total"))
    expect(page.locator(".field.lit", has_text="total")).to_be_visible()
    # What is out of sight on the left has no links yet.
    page.locator("#graph").focus()
    page.keyboard.press("0")
    lit = page.locator(".field.lit")
    expect(lit).to_have_count(4)
    assert sorted(lit.all_inner_texts()) == ["amount", "amount_cents", "day", "total"]
    drawing = answer(shop, near("dataset", *FCT_ORDERS, up=4, column="total", part="drawing"))["drawing"]
    kinds = sorted((is_indirect, is_lit) for *_, is_indirect, is_lit in drawing["columns"])
    assert kinds == [(0, 1), (0, 1), (1, 1)]


def test_columns_are_shown_of_datasets_that_are_opened(shop, browser):
    page = browser.open(shop.url + near("dataset", *FCT_ORDERS))
    page.get_by_label("open the 4 columns of dev.staging.stg_orders").click()
    expect(page.locator(".node .field")).to_have_count(4)
    assert "open=" in page.url
    page.get_by_label("close the 4 columns of dev.staging.stg_orders").click()
    expect(page.locator(".node .field")).to_have_count(0)


def test_parents_stand_for_their_jobs(shop, browser):
    page = browser.open(shop.url + "/lineage?all=1")
    expect(page.locator(".node")).to_have_count(13)
    page.get_by_label("group by parent").check()
    expect(page.locator(".node.parent")).to_have_count(2)
    expect(page.locator(".node.parent.state-failed")).to_contain_text("daily_shop")
    assert sorted(page.locator(".node .name").all_text_contents()) == [
        "daily_shop", "dbt.shop.build", "dev.marts.fct_orders", "orders_by_day", "shop.raw.customers", "shop.raw.orders",
    ]
    page.locator(".node.parent .head", has_text="dbt.shop.build").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lineage of the job dbt.shop.build")


def test_without_a_choice_it_tells_what_failed_and_what_there_is(shop, browser):
    page = browser.open(shop.url + "/lineage")
    headings = page.get_by_role("heading", level=2).all_inner_texts()
    assert [it.split()[0] for it in headings] == ["Failed", "Namespaces"]
    page.get_by_role("searchbox", name="Find a job or dataset").fill("stg_")
    page.get_by_role("button", name="Find").last.click()
    expect(page.locator("table.nodes tbody tr")).to_have_count(4)
    page.get_by_role("link", name="dev.staging.stg_orders").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lineage of the dataset dev.staging.stg_orders")
    page.goto(f"{shop.url}/lineage?find=&namespace=airflow")
    expect(page.locator("table.nodes tbody tr")).to_have_count(3)


def test_the_table_says_the_same_as_the_drawing(serve, browser):
    proxy = filled(serve, estate.estate(150), datasets=70)
    for path in "/lineage?all=1", near("dataset", estate.WAREHOUSE, "dev.intermediate.int_orders", up=20, down=20):
        drawn = answer(proxy, f"{path}&part=drawing")["drawing"]
        listed = answer(proxy, path)
        names = [node[2] for node in drawn["nodes"]]
        assert names == [node.get("name", "") for node in listed["nodes"]]
        edges = {(at, after) for at, node in enumerate(listed["nodes"]) for after in node["after"]}
        assert edges == {(line[0], line[1]) for line in drawn["lines"]}
        assert edges == {(before, at) for at, node in enumerate(listed["nodes"]) for before in node["before"]}
        page = browser.open(proxy.url + path, java_script_enabled=False)
        expect(page.locator("#graph")).to_be_hidden()
        rows = page.locator("#list th[scope=row]").all_inner_texts()
        assert [row.split(" ")[1] for row in rows if not row.startswith("+")] == [name for name in names if name]
    assert len(json.dumps(drawn, separators=(",", ":"))) <= 20_000


def test_more_nodes_than_fit_lead_to_their_list(serve, browser):
    proxy = filled(serve, estate.hub(70), datasets=1)
    page = browser.open(proxy.url + near("dataset", estate.WAREHOUSE, "dev.hub.calendar"))
    # The keys walk once the drawing stands.
    expect(page.locator("#spoken")).to_contain_text("Dataset dev.hub.calendar")
    page.locator("#graph").focus()
    more = page.locator(".node.more .head")
    for key in ["ArrowLeft", "ArrowRight"] + 60 * ["ArrowDown"]:
        page.keyboard.press(key)
        if more.is_visible():
            break
    expect(more).to_have_text("+ 41 more")
    browser.picture(page, "lineage-hub")
    more.click()
    expect(page.get_by_role("heading", level=2, name="Read by")).to_have_text("Read by 70")


def test_what_is_not_known_is_said_with_names_that_are_like_it(shop, browser):
    page = browser.tab()
    response = page.goto(f"{shop.url}{near('job', 'elsewhere', 'x.load_orders')}")
    assert response.status == 404
    expect(page.get_by_role("link", name="load_orders")).to_be_visible()


def test_names_of_strangers_stay_text(serve, browser):
    names = ["<img src=x onerror=alert(1)>", "\"><script>alert(1)</script>", "javascript:alert(1)//", "\u202egnp.exe", "語" * 400, "x" * 5_000]
    table = estate.dataset(estate.DATABASE, names[0], names[1:4], {names[1]: [(estate.DATABASE, names[2], names[0])]})
    events = [event for name in names for event in estate.run(("<b>n</b>", name), "FAIL", 5, [estate.dataset(estate.DATABASE, name)], [table])]
    proxy = filled(serve, events, datasets=5)
    page = browser.open(proxy.url + "/lineage?all=1")
    expect(page.locator(".node").first).to_be_visible()
    for path in near("dataset", estate.DATABASE, names[0], open=f"{estate.DATABASE}/{names[0]}"), near("job", "<b>n</b>", names[3]), "/lineage":
        page.goto(f"{proxy.url}{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_timeout(300)
        expect(page.locator("main img, main b, main script:not([src])")).to_have_count(0)
    browser.picture(page, "lineage-strangers")


def test_names_with_control_characters_have_their_lineage(serve, browser):
    name = "a\u0000b\u0007\u001b[31m"
    events = estate.run((name, name), "COMPLETE", 5, [estate.dataset(name, name)], [estate.dataset(name, name + "2")])
    proxy = filled(serve, events, datasets=2)
    for path in near("job", name, name), near("dataset", name, name), near("job", name, name) + "#content":
        page = browser.open(proxy.url + path)
        expect(page.locator(".node.chosen .name")).to_contain_text("a\\u{0}b\\u{7}\\u{1b}[31m")
        expect(page.locator(".node")).to_have_count(3)


def test_a_dataset_is_drawn_under_its_own_name_whatever_it_is_called(serve, browser):
    table = estate.dataset(estate.WAREHOUSE, "dev.marts.daily", ["day", "total"])
    link = {"namespace": "s3://lake", "name": "marts/daily", "type": "LOCATION"}
    table["facets"]["symlinks"] = estate.facet("SymlinksDatasetFacet", "1-0-1", identifiers=[link])
    proxy = filled(serve, estate.run(("airflow", "load"), "COMPLETE", 5, [estate.dataset("s3://lake", "raw")], [table]), datasets=2)
    for more in {}, {"all": 1}, {"group": "parent"}:
        page = browser.open(proxy.url + near("dataset", "s3://lake", "marts/daily", **more))
        expect(page.get_by_role("heading", level=1)).to_have_text("Lineage of the dataset dev.marts.daily")
        expect(page.locator(".node.chosen")).to_contain_text("dev.marts.daily")
    page = browser.open(proxy.url + near("dataset", "s3://lake", "marts/daily"))
    page.get_by_role("link", name="show in the drawing").click()
    expect(page.locator(".node .field")).to_have_count(2)


def test_names_are_cut_so_that_their_last_part_can_be_read(serve, browser):
    names = ["sales.marts.customer_value", "sales.marts.a." + "very_" * 10 + "long_end", "short"]
    table = estate.dataset(estate.DATABASE, names[0])
    events = estate.run(("airflow", names[2]), "COMPLETE", 5, [estate.dataset(estate.WAREHOUSE, names[1])], [table])
    proxy = filled(serve, events, datasets=2)
    page = browser.open(proxy.url + near("dataset", estate.DATABASE, names[0]))
    page.locator(".node.chosen").wait_for()
    for is_near in True, False:
        for name in names:
            words = page.locator(".node .name").filter(has_text=name)
            assert words.text_content() == name
            shown = words.inner_text()
            assert shown and words.evaluate("(it) => it.scrollWidth <= it.clientWidth")
            assert name != names[0] or not is_near or shown.endswith("customer_value")
            assert name != names[1] or (shown.startswith("ver") and shown.endswith("end"))
        # Larger letters, as from far away.
        page.locator("#graph").focus()
        for _ in range(3):
            page.keyboard.press("-")
        page.wait_for_timeout(200)
    assert 320 <= page.locator("#graph").bounding_box()["height"] <= 640
    browser.picture(page, "lineage-labels")


def test_every_screen_is_legible_and_reachable(shop, browser):
    page = browser.tab()
    run = answer(shop, "/job?namespace=airflow&name=load_orders")["runs"][0]["run"]
    dataset = urllib.parse.urlencode({"namespace": FCT_ORDERS[0], "name": FCT_ORDERS[1]})
    for name, path in {
        "overview": "/lineage",
        "near": near("dataset", *FCT_ORDERS, up=6),
        "columns": near("dataset", *FCT_ORDERS, up=4, column="total"),
        "whole": "/lineage?all=1",
        "parents": "/lineage?all=1&group=parent",
        "find": "/lineage?find=orders",
        "job": "/job?namespace=airflow&name=load_customers",
        "dataset": f"/dataset?{dataset}",
        "run": f"/run?id={run}",
    }.items():
        page.goto(f"{shop.url}{path}")
        if "job=" in path or "dataset=" in path or "all=" in path:
            page.locator(".node").first.wait_for()
        browser.check(page)
        browser.picture(page, f"lineage-{name}")


def test_it_fits_a_small_screen(shop, browser):
    page = browser.tab(viewport={"width": 390, "height": 800}, has_touch=True)
    dataset = "/dataset?" + urllib.parse.urlencode({"namespace": FCT_ORDERS[0], "name": FCT_ORDERS[1]})
    for path in "/lineage", near("dataset", *FCT_ORDERS), "/lineage?all=1", "/job?namespace=airflow&name=load_orders", dataset:
        page.goto(f"{shop.url}{path}")
        page.wait_for_timeout(300)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 390, path
        assert page.evaluate("[...document.querySelectorAll('.wide')].every((it) => it.scrollWidth <= it.clientWidth)"), path


def test_a_large_lineage_is_drawn_whole_and_moves(serve, browser):
    proxy = filled(serve, estate.estate(2_000), datasets=990)
    page = browser.open(proxy.url + "/lineage?all=1")
    page.wait_for_function("() => !document.querySelector('#graph').ariaBusy && document.querySelector('#graph canvas')?.width > 300")
    expect(page.locator("#list")).to_contain_text("1,000 jobs, 1,000 datasets")
    view = page.locator(".world").get_attribute("style")
    box = page.locator("#graph").bounding_box()
    page.mouse.move(box["x"] + 400, box["y"] + 300)
    for _ in range(10):
        page.mouse.wheel(0, -40)
    eventually(lambda: page.wait_for_timeout(20) or page.locator(".world").get_attribute("style") != view, "the view moves")
    browser.picture(page, "lineage-2000")
    page.goto(proxy.url + near("dataset", estate.WAREHOUSE, "dev.staging.stg_orders", up=20, down=20))
    was = page.locator(".node.chosen .name")
    expect(was).to_have_text("dev.staging.stg_orders")
    page.locator(".node:not(.chosen, .more) .head").first.evaluate("(it) => it.click()")
    expect(was).not_to_have_text("dev.staging.stg_orders")
