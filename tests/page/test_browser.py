"""The status page in a real browser: its layout at two widths, light and dark, and whom it asks for anything."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from tests.page.chromium import Chromium, chromium_path, wait_for
from tests.page.snapshots import HOSTILE, failing, snapshot, table

from bqsync.config.listen import ListenAddress
from bqsync.engine.routes import status_page
from bqsync.observe.http_server import Answer, HttpServer
from bqsync.observe.page.document import page
from bqsync.observe.snapshot import Snapshot

_PATH = chromium_path()
pytestmark = pytest.mark.skipif(_PATH is None, reason="there is no chromium on this machine: apt-get install chromium")

WIDE, PHONE = 1280, 360
OVERFLOWING = """
[...document.querySelectorAll("body *")].filter(one => one.getBoundingClientRect().right > innerWidth + 0.5
  && !one.closest("svg")).map(one => one.outerHTML.slice(0, 80))
"""
CONTRASTS = """
(() => {
  const light = text => { const [r, g, b] = text.match(/[0-9.]+/g).slice(0, 3).map(one => one / 255)
      .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = one => { for (; one; one = one.parentElement) { const color = getComputedStyle(one).backgroundColor;
      if (!/, 0\\)$/.test(color)) return color; } return "rgb(255, 255, 255)"; };
  return [...document.querySelectorAll("main *")].filter(one => [...one.childNodes].some(
    node => node.nodeType === 3 && node.data.trim())).map(one => {
      const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), one.outerHTML.slice(0, 80)]; }).filter(([ratio]) => ratio < 4.5);
})()
"""
"""Texts whose contrast is below that of WCAG 2.1, 1.4.3: https://www.w3.org/TR/WCAG21/#contrast-minimum"""


class Site:
    """A server whose page is what a test last said."""

    def __init__(self) -> None:
        self.shown = snapshot(table("orders"))
        self.server = HttpServer(ListenAddress("127.0.0.1", 0), {"/": self._page})
        self.url = f"http://{self.server.address}/"

    def show(self, shown: Snapshot) -> None:
        self.shown = shown

    def _page(self) -> Answer:
        return status_page(page(self.shown).encode())


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    assert _PATH is not None
    one = Chromium(_PATH, tmp_path_factory.mktemp("chromium"))
    yield one
    one.close()


@pytest.fixture
def site() -> Iterator[Site]:
    one = Site()
    yield one
    one.server.close()


def test_it_fits_a_phone_and_a_desk_in_light_and_in_dark(browser: Chromium, site: Site) -> None:
    site.show(snapshot(failing(HOSTILE), table("w" * 300, quarantined=7), table("orders"),
                       *(table(f"{HOSTILE}{number}") for number in range(60))))
    grounds = {}
    for width in (PHONE, WIDE):
        for dark in (False, True):
            browser.open(site.url, width=width, dark=dark)
            browser.value("document.querySelectorAll('details').forEach(one => { one.open = true })")
            assert browser.value("innerWidth") == width
            assert browser.value("document.documentElement.scrollWidth") <= width
            assert browser.value(OVERFLOWING) == []
            assert browser.value(CONTRASTS) == []
            grounds[dark] = browser.value("getComputedStyle(document.body).backgroundColor")
            assert browser.complaints == []
            assert [one for one in browser.requests if not one.startswith("data:")] == [site.url]
    assert sum(map(int, grounds[False][4:-1].split(","))) > 3 * 230
    assert sum(map(int, grounds[True][4:-1].split(","))) < 3 * 30


def test_names_of_others_are_text_and_the_chart_is_drawn(browser: Chromium, site: Site) -> None:
    site.show(snapshot(failing(HOSTILE), table("orders")))
    browser.open(site.url, width=WIDE)
    names = browser.value("[...document.querySelectorAll('h3')].map(one => one.textContent)")
    assert names[0].startswith('<script>alert(1)</script>"\'&\\u202eevil\\x1b[2J\\n</style><img src=x')
    assert names[1] == "orders"
    assert browser.value("document.querySelectorAll('img, h3 *:not(bdi)').length") == 0
    charts = browser.value(
        "[...document.querySelectorAll('svg')].map(one => [one.getAttribute('role'), one.getAttribute('aria-label'), "
        "one.querySelector('.line').getBBox().height > 20, one.getBoundingClientRect().width > 200, "
        "one.querySelectorAll('.mark').length])")
    assert charts == [["img", "Lag over the last hour: worst 39 s", True, True, 2]] * 2
    labels = browser.value("[...document.querySelectorAll('article')].map(one => one.getAttribute('aria-labelledby'))")
    assert [browser.value(f"document.getElementById('{label}').textContent") for label in labels] == names


def test_it_stays_fresh_keeps_what_was_opened_and_says_when_the_daemon_is_gone(browser: Chromium, site: Site) -> None:
    browser.open(site.url, width=WIDE)
    assert browser.value("document.title") == "shop: Up to date"
    browser.value("document.getElementById('cycles-0').open = true")
    site.show(snapshot(table("orders", rows=77_777), failing("bills")))
    wait_for(lambda: browser.value("document.title") == "! shop: 1 of 2 tables not synced", "another title")
    assert "77,777" in browser.value("document.querySelector('main').textContent")
    assert browser.value("document.getElementById('cycles-0').open") is True
    assert browser.value("document.getElementById('lost').hidden") is True
    assert browser.complaints == []
    assert {urlsplit(one).netloc for one in browser.requests} == {urlsplit(site.url).netloc}

    address = site.server.address
    site.server.close()
    wait_for(lambda: browser.value("document.getElementById('lost').hidden") is False, "the word that it is gone")
    again = HttpServer(address, {"/": lambda: status_page(page(snapshot(table("orders"))).encode())})
    try:
        wait_for(lambda: browser.value("document.getElementById('lost').hidden"), "the daemon is there again")
    finally:
        again.close()
