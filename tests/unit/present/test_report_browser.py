"""The report in a real browser: charts, switches, sorting, the viewer, and no request."""

import base64
import json

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from qr.present.names import CHARTS
from qr.present.report.page import write_report
from support.browser import MISSING, chromium, complaints, requests
from support.metrics import KODAK, write_metrics
from support.pictures import write_pictures
from support.report import CODEC, MANIFEST, MODELS, STATISTICS

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
NAMES = KODAK[:3]
WAIT = 300  # seconds at most, on however busy a machine


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("version")
    write_metrics(folder / "metrics", models=MODELS, names=NAMES, qualities=(1, 4))
    write_pictures(folder / "pictures", CODEC, NAMES)
    write_pictures(folder / "pictures", "bmshj2018-factorized_mse_q4", NAMES[:1])
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    files = (folder / "report.html", folder / "manifest.json", folder / "pictures")
    write_report("looks", folder / "metrics", *files, STATISTICS)
    return files[0].as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def opened(driver, page):
    """The page, when its last part is there."""
    driver.get(page)
    WebDriverWait(driver, WAIT).until(lambda d: d.find_element(By.ID, "caption-difference").text)


@pytest.fixture
def driver(browser, page):
    """The page, opened anew; whatever a test does, nothing is complained of or asked for."""
    opened(browser, page)
    yield browser
    assert complaints(browser) == []
    assert requests(browser) == [page]


def drawn(driver, name):
    """Names of the traces that a chart shows."""
    return driver.execute_script(
        "return document.getElementById(arguments[0]).data.map((trace) => trace.name)",
        f"chart-{name}",
    )


def control(driver, chart, name, value=None):
    selector = f'[data-controls="{chart}"] [name="{name}"]' + (
        f'[value="{value}"]' if value else ""
    )
    return driver.find_element(By.CSS_SELECTOR, selector)


def axis(driver, name, which="yaxis"):
    return driver.execute_script(
        "return document.getElementById(arguments[0]).layout[arguments[1]].title.text",
        f"chart-{name}", which,
    )  # fmt: skip


def test_every_chart_draws_a_mark_for_each_number_and_a_line_for_each_curve(driver):
    for name in CHARTS:
        numbers, marks, lines, curves = driver.execute_script(
            """
            const chart = document.getElementById(arguments[0]);
            const marked = chart.data.filter((trace) => trace.mode !== "lines");
            return [marked.reduce((sum, trace) => sum + trace.x.length, 0),
              chart.querySelectorAll(".point").length,
              chart.data.filter((trace) => trace.mode?.includes("lines")).length,
              chart.querySelectorAll(".js-line").length];
            """,
            f"chart-{name}",
        )
        assert numbers == marks > 0, name
        assert lines == curves, name
        assert driver.find_element(By.ID, f"chart-{name}").get_attribute("aria-label")


def test_codec_metric_decoders_and_anchors_switch(driver):
    name = "rate_distortion"
    assert "JPEG 4:4:4" not in drawn(driver, name)
    control(driver, name, "anchor", "jpeg-444").send_keys(Keys.SPACE)
    before = drawn(driver, name)
    assert {"QR", "QR, gain", "baseline", "JPEG 4:4:4"} <= set(before)
    assert axis(driver, name) == "PSNR (dB)"
    control(driver, name, "variant", "qr").click()
    control(driver, name, "anchor", "jpeg-444").send_keys(Keys.SPACE)
    assert set(before) - set(drawn(driver, name)) == {"QR", "QR, gain", "JPEG 4:4:4"}
    control(driver, name, "variant", "qr").click()
    assert "QR" in drawn(driver, name)

    def first():
        return driver.execute_script(
            f"return document.getElementById('chart-{name}').data[0].y.join()"
        )

    seen = {first()}
    Select(control(driver, name, "metric")).select_by_visible_text("MS-SSIM")
    assert axis(driver, name) == "MS-SSIM (dB)"
    seen.add(first())
    Select(control(driver, name, "model")).select_by_visible_text("Joint")
    seen.add(first())
    assert len(seen) == 3


def test_a_choice_without_results_says_so(driver):
    boxes = '[data-controls="quantization_error"] input:checked'
    for box in driver.find_elements(By.CSS_SELECTOR, boxes):
        box.click()
    section = driver.find_element(By.XPATH, "//section[@aria-labelledby='quantization_error']")
    assert section.find_element(By.CLASS_NAME, "nothing").is_displayed()
    assert not section.find_element(By.CLASS_NAME, "chart").is_displayed()


def test_ablations_are_off_until_asked_for(driver):
    shown = set(drawn(driver, "rate_distortion"))
    assert "QR" in shown and "centroid" not in shown
    control(driver, "rate_distortion", "variant", "centroid").click()
    assert "centroid" in drawn(driver, "rate_distortion")


def test_rate_and_distortion_open_with_the_codecs_own_range(driver):
    """What other codecs reach far away does not press the decoders together."""
    chart = "document.getElementById('chart-rate_distortion')"
    low, high = driver.execute_script(f"return {chart}.layout.yaxis.range")
    own = driver.execute_script(
        f"return {chart}.data.filter((t) => t.yaxis !== 'y2'"
        " && t.mode === 'lines+markers').flatMap((t) => t.y)"
    )
    assert low < min(own) and max(own) < high
    assert high - low < 1.5 * (max(own) - min(own))


def test_every_curve_of_a_chart_can_be_told_apart(driver):
    """With all boxes checked: by colour, mark or dashes; error bars have no part in it."""
    for name in CHARTS:
        for box in driver.find_elements(
            By.CSS_SELECTOR, f'[data-controls="{name}"] input:not(:checked)'
        ):
            box.send_keys(Keys.SPACE)
        looks = driver.execute_script(
            "return document.getElementById(arguments[0]).data.filter((t) => t.mode !== 'markers')"
            ".map((t) => [t.yaxis, t.line.color, t.line.dash, t.marker.symbol, t.mode].join())",
            f"chart-{name}",
        )
        assert len(set(looks)) == len(looks), name


def test_the_page_is_there_before_its_charts(driver, page):
    """Plotly takes a second, which the text need not wait for."""
    note = "addEventListener('load', () => { window.early = 'Plotly' in window; });"
    added = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": note})
    try:
        opened(driver, page)
        assert driver.execute_script("return [window.early, 'Plotly' in window]") == [False, True]
    finally:
        driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
        requests(driver)
        opened(driver, page)


def test_hovering_tells_bits_psnr_and_ms_ssim(driver):
    chart = driver.find_element(By.ID, "chart-rate_distortion")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    driver.execute_script(
        "Plotly.Fx.hover(arguments[0], [{curveNumber: 0, pointNumber: 1}])", chart
    )
    text = WebDriverWait(driver, WAIT).until(
        lambda d: d.find_element(By.CSS_SELECTOR, "#chart-rate_distortion .hovertext").text
    )
    for word in ("bpp", "PSNR", "MS-SSIM", "quality 4"):
        assert word in text


def test_the_numbers_of_a_chart_are_there_as_a_table(driver):
    details = driver.find_element(By.CSS_SELECTOR, '[data-numbers="quantization_error"]')
    details.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    rows = WebDriverWait(driver, WAIT).until(
        lambda d: details.find_elements(By.CSS_SELECTOR, "tbody tr")
    )
    told = [row.text.split()[:3] for row in rows]
    assert told == [["QR", "1", "-4"], ["QR", "4", "-4"]]


def test_a_heading_sorts_by_size_and_says_so(driver):
    region = driver.find_element(By.CSS_SELECTOR, '[aria-labelledby="table-controls"]')
    heading = next(
        th for th in region.find_elements(By.TAG_NAME, "th") if th.text.startswith("Gain over")
    )
    column = driver.execute_script("return arguments[0].cellIndex", heading)

    def values():
        cells = driver.execute_script(
            "return [...arguments[0].querySelectorAll('tbody tr')]"
            ".map((row) => row.cells[arguments[1]].textContent)", region, column,
        )  # fmt: skip
        return [float(cell.split()[0].replace("−", "-")) for cell in cells if cell != "–"]

    unsorted = values()
    assert heading.get_attribute("aria-sort") == "none"
    heading.find_element(By.TAG_NAME, "button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert values() == sorted(unsorted) != unsorted
    heading.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert heading.get_attribute("aria-sort") == "descending"
    assert values() == sorted(unsorted, reverse=True)


# The viewer


def test_the_divider_moves_by_mouse_and_by_keyboard(driver):
    divider = driver.find_element(By.ID, "divider")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", divider)
    width = driver.find_element(By.ID, "frame").size["width"]

    def state():
        left = driver.find_element(By.ID, "view-left")
        clip = driver.execute_script("return arguments[0].style.clipPath", left)
        return int(divider.get_attribute("aria-valuenow")), clip

    assert divider.aria_role == "slider"
    assert state() == (50, "inset(0px 50% 0px 0px)")
    ActionChains(driver).drag_and_drop_by_offset(divider, round(width / 4), 0).perform()
    assert state()[0] == pytest.approx(75, abs=2)
    for key, place in ((Keys.HOME, 0), (Keys.ARROW_RIGHT, 2), (Keys.PAGE_UP, 22), (Keys.END, 100),
                       (Keys.ARROW_RIGHT, 100), (Keys.ARROW_LEFT, 98)):  # fmt: skip
        divider.send_keys(key)
        assert state() == (place, f"inset(0px {100 - place}% 0px 0px)")
    assert divider.get_attribute("aria-valuetext") == "baseline on 98 %, then QR"


def test_pictures_numbers_and_difference_follow_the_choice(driver):
    def caption(side):
        return driver.find_element(By.ID, f"caption-{side}").text

    def choose(name, text):
        Select(driver.find_element(By.CSS_SELECTOR, f'#viewer-controls [name="{name}"]')
               ).select_by_visible_text(text)  # fmt: skip

    choose("codec", "Joint, MSE, quality 4")
    choose("image", NAMES[1])
    choose("left", "original")
    assert caption("left").startswith("original: 192 × 128 pixels")
    assert caption("right").startswith("QR: ") and "bytes" in caption("right")
    sources = [
        driver.find_element(By.ID, f"view-{s}").get_attribute("src") for s in ("left", "right")
    ]
    assert len(set(sources)) == 2
    choose("right", "original")
    WebDriverWait(driver, WAIT).until(lambda d: "0.00 of 255" in caption("difference"))
    levels = driver.execute_script(
        "const c = document.getElementById('difference');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return [Math.max(...d.filter((_, i) => i % 4 < 3)), c.width, c.height]"
    )
    assert levels == [0, 128, 96]
    rows = driver.find_elements(By.CSS_SELECTOR, "#view-numbers tbody tr")
    assert [row.text.split()[0] for row in rows] == ["baseline", "decoder", "QR"]


def test_maps_of_the_error_are_shown_with_the_part_framed(driver):
    for name in ("before", "after", "change"):
        picture = driver.find_element(By.ID, f"map-{name}")
        # Pictures are decoded after the page has been.
        WebDriverWait(driver, WAIT).until(lambda d, p=picture: p.get_property("complete"))
        assert driver.execute_script("return arguments[0].naturalWidth", picture) == 12
        assert picture.get_attribute("alt").startswith("Map of the quantization error")
    box = driver.find_element(By.CSS_SELECTOR, "#maps .box")
    style = driver.execute_script("return [arguments[0].style.left, arguments[0].style.width]", box)
    assert [float(part[:-1]) for part in style] == pytest.approx(
        [100 / 6, 100 * 128 / 192], rel=1e-3
    )


# The whole


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_telephone(driver, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        opened(driver, driver.current_url)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 400
        ground, ink = driver.execute_script(
            "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
        )
        assert (_light(ground) > _light(ink)) == (scheme == "light")
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        requests(driver)
        opened(driver, driver.current_url)


def _light(colour):
    return sum(map(int, colour[4:-1].split(",")))


def test_every_control_can_be_reached_by_keyboard(driver):
    wanted = len(driver.find_elements(By.CSS_SELECTOR, "select, input, th button, summary"))
    reached = driver.execute_script(
        "return [...document.querySelectorAll('select, input, th button, summary, #divider')]"
        ".filter((e) => { e.focus(); return document.activeElement === e; }).length"
    )
    assert reached == wanted + 1


def test_it_prints_in_light_colours_on_several_pages(driver):
    pdf = base64.b64decode(driver.print_page())
    assert pdf.startswith(b"%PDF") and pdf.count(b"/Type /Page\n") > 3
    colour = driver.execute_script(
        "dispatchEvent(new Event('beforeprint'));"
        "return document.getElementById('chart-training').layout.font.color"
    )
    assert colour == "#16181d"


def test_charts_keep_their_place_when_the_window_is_resized(driver):
    size = driver.get_window_size()
    driver.set_window_size(800, 1300)
    try:
        WebDriverWait(driver, 30).until(
            lambda d: d.execute_script(
                "const drawn = document.querySelector('#chart-training .main-svg');"
                "return drawn.getBoundingClientRect().width < 780;"
            )
        )
        for name in CHARTS:
            below, drawn = driver.execute_script(
                "const chart = document.getElementById(arguments[0]);"
                "return [chart, chart.querySelector('.main-svg')]"
                ".map((part) => part.getBoundingClientRect().bottom);",
                f"chart-{name}",
            )
            assert drawn <= below + 1, name
    finally:
        driver.set_window_size(size["width"], size["height"])
