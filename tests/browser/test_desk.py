"""The dashboard in a real browser on a real desk: sockets, journal, lake and all."""

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

NUMBER = re.compile(r"\d")


def test_market_paints_and_moves(page: Page, desk) -> None:
    page.goto(f"{desk.base}/market")
    rows = page.locator("table tbody tr")
    expect(rows.nth(5)).to_be_visible()
    expect(page.get_by_text("generated market, planted edge: P&L means nothing")).to_be_visible()
    expect(page.get_by_text("DEMO", exact=True)).to_be_visible()
    first = page.locator("table").first.inner_text()
    assert NUMBER.search(first)
    # Prices move: the watchlist reads otherwise within seconds.
    page.wait_for_function(
        "before => document.querySelector('table').innerText !== before", arg=first
    )
    painted = page.evaluate(
        """() => [...document.querySelectorAll('canvas')].some(canvas => {
            if (!canvas.width || !canvas.height) return false;
            const data = canvas.getContext('2d')
                .getImageData(0, 0, canvas.width, canvas.height).data;
            const seen = new Set();
            for (let i = 0; i < data.length; i += 4 * 7)
                seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
            return seen.size > 3;
        })"""
    )
    assert painted, "no chart has more than a background"


def test_pairs_are_warm_and_say_what_they_mean(page: Page, desk) -> None:
    page.goto(f"{desk.base}/pairs")
    expect(page.get_by_text("Live pairs")).to_be_visible()
    headline = page.get_by_text(re.compile(r"(long|short) \$1\.00 \w+, (long|short) \$[\d.]+ \w+"))
    expect(headline.first).to_be_visible()
    expect(page.get_by_text("warming up")).to_have_count(0)
    for title in ("Spread", "z_window", "z_kalman", "Hedge ratio", "Correlation", "Legs"):
        expect(page.get_by_text(title, exact=True).first).to_be_visible()


def test_any_two_instruments_are_answered(page: Page, desk) -> None:
    page.goto(f"{desk.base}/market")
    symbols = page.evaluate(
        "async () => (await (await fetch('/api/instruments')).json()).map(one => one.symbol)"
    )
    # The desk follows each pair one way round; the other way is new to it.
    y, x = symbols[0], symbols[-1]
    page.goto(f"{desk.base}/pairs/{y}/{x}")
    headline = page.get_by_text(re.compile(r"(long|short) \$1\.00 \w+, (long|short) \$[\d.]+ \w+"))
    expect(headline.first).to_be_visible()


def test_health_tells_feeds_and_books(page: Page, desk) -> None:
    page.goto(f"{desk.base}/health")
    expect(page.get_by_text("24 / 24")).to_be_visible()
    expect(page.get_by_text("binance.usdm public 1")).to_be_visible()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [1440, 390])
def test_no_route_scrolls_sideways(page: Page, desk, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    for route in ("market", "pairs", "health"):
        page.goto(f"{desk.base}/{route}")
        page.wait_for_selector("main, [role=main], table")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")


def test_without_a_session_nothing_is_told(desk) -> None:
    with httpx.Client(base_url=desk.base) as stranger:
        assert stranger.get("/api/status").status_code == 401
        assert stranger.get("/api/status", headers={"Host": "evil.example"}).status_code in {
            400,
            403,
            421,
        }
        used = stranger.get(desk.address.removeprefix(desk.base), follow_redirects=False)
        assert used.status_code in {401, 403}, "the one-time address was used by the first login"
