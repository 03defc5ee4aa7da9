"""The REST answers, strictly decoded by the contract, against the venue's and the core's own."""

import math

import msgspec
import pytest

from poise.api import contract as wire
from poise.api.dashboard import FOREVER, Dashboard

NOTICE = "generated market, planted edge: P&L means nothing"


def error_of(response, status):
    assert response.status_code == status, response.text
    return msgspec.json.decode(response.content, type=wire.ErrorAnswer)


def test_status_says_what_this_is(desk):
    status = desk.answer(wire.Status, "/api/status")
    assert (status.environment, status.run_id, status.notice) == ("demo", "run-api", NOTICE)
    assert [item.ix for item in status.instruments] == [0, 1, 2, 3]
    assert all(item.tick == 10.0**-item.price_decimals * round(item.tick * 10**item.price_decimals)
               for item in status.instruments)  # fmt: skip
    assert [(item.name, item.seconds) for item in status.timeframes] == [
        ("1s", 1),
        ("1m", 60),
        ("5m", 300),
    ]
    assert status.csrf_token == desk.session.csrf
    assert abs(int(status.server_ns) - int(status.started_ns)) < 300e9
    assert desk.answer(list[wire.InstrumentInfo], "/api/instruments") == status.instruments


@pytest.mark.parametrize("timeframe", ["1s", "1m", "5m"])
def test_candles_are_warm_and_without_a_hole(desk, timeframe):
    page = desk.answer(wire.Candles, "/api/candles", instrument=0, timeframe=timeframe, limit=60)
    step = {"1s": 1_000, "1m": 60_000, "5m": 300_000}[timeframe]
    assert len(page.start_ms) == 60
    assert {b - a for a, b in zip(page.start_ms, page.start_ms[1:], strict=False)} == {step}
    assert page.has_older
    for first, high, low, last in zip(page.open, page.high, page.low, page.close, strict=True):
        assert low <= min(first, last) <= max(first, last) <= high
    assert all(volume >= 0.0 for volume in page.volume)


def test_older_pages_come_from_the_venue_and_join(desk):
    """Beyond memory: through the core, the journal, the replica and the lake."""
    known: list[int] = []
    end_ms = None
    for _ in range(6):
        params = {"instrument": 2, "timeframe": "1m", "limit": 700}
        page = desk.answer(
            wire.Candles, "/api/candles", **params | ({"end_ms": end_ms} if end_ms else {})
        )
        assert page.start_ms, "the venue keeps 95 days"
        assert page.has_older
        known = page.start_ms + known
        end_ms = page.start_ms[0]
    assert len(known) == 6 * 700
    assert {b - a for a, b in zip(known, known[1:], strict=False)} == {60_000}


def test_before_the_venues_own_beginning_there_is_nothing(desk):
    page = desk.answer(
        wire.Candles, "/api/candles", instrument=0, timeframe="1m", end_ms=1_500_000_000_000
    )
    assert page.start_ms == []
    assert not page.has_older


def test_instruments_go_by_row_symbol_or_id(desk):
    item = desk.answer(wire.Status, "/api/status").instruments[1]
    for name in ("1", item.symbol, item.id):
        page = desk.answer(wire.Candles, "/api/candles", instrument=name, timeframe="1m", limit=1)
        assert page.instrument == 1


@pytest.mark.parametrize(
    ("params", "status", "said"),
    [
        ({"timeframe": "1m"}, 400, "'instrument' is missing"),
        ({"instrument": "99", "timeframe": "1m"}, 404, "no instrument '99'"),
        ({"instrument": "0", "timeframe": "7m"}, 404, "no timeframe '7m'"),
        ({"instrument": "0", "timeframe": "1m", "limit": "0"}, 400, "limit is '0'"),
        ({"instrument": "0", "timeframe": "1m", "limit": "1e3"}, 400, "limit is '1e3'"),
        ({"instrument": "0", "timeframe": "1m", "limit": "9999"}, 400, "from 1 to 1500"),
        ({"instrument": "0", "timeframe": "1m", "end_ms": "-5"}, 400, "end_ms is '-5'"),
        ({"instrument": "0'; DROP TABLE bars --", "timeframe": "1m"}, 404, "no instrument"),
        ({"instrument": "\u0663", "timeframe": "1m"}, 404, "no instrument"),
    ],
)
def test_wrong_questions_are_answered_by_name(desk, params, status, said):
    answer = error_of(desk.get("/api/candles", **params), status)
    assert said in answer.error
    assert answer.hint


def test_nearest_right_name_is_offered(desk):
    symbol = desk.answer(wire.Status, "/api/status").instruments[0].symbol
    wrong = symbol[:-5] + symbol[-4:]
    answer = error_of(desk.get("/api/candles", instrument=wrong, timeframe="1m"), 404)
    assert answer.hint == f"Did you mean {symbol}?"
    answer = error_of(desk.get("/api/candles", instrument=0, timeframe="1M"), 404)
    assert answer.hint == "Did you mean 1m?"


def test_every_error_has_one_shape_and_its_own_id(desk):
    answers = [
        error_of(desk.get("/api/nothing"), 404),
        error_of(desk.get("/assets/nothing.js"), 404),
        error_of(desk.post("/api/status"), 405),
        error_of(desk.post("/api/pairs", "text"), 400),
    ]
    assert len({answer.request_id for answer in answers}) == 4


def test_pair_table_agrees_with_the_cores_state(desk):
    rows = desk.answer(list[wire.PairRow], "/api/pairs")
    status = desk.answer(wire.Status, "/api/status")
    assert len(rows) == 3 * len(status.pairs)
    assert [(row.y, row.x) for row in rows[::3]] == status.pairs
    for row in rows:
        assert row.ready
        assert row.bars == row.window
        assert None not in {row.beta, row.sigma, row.alpha, row.z_window, row.beta_stderr}
        z = (row.spread - row.alpha) / row.sigma
        assert row.z_window == pytest.approx(z, abs=1e-6)
        assert 0.0 < row.beta_stderr < 10.0
        assert row.age_ms < 60_000


@pytest.mark.parametrize("timeframe", ["1s", "1m", "5m"])
def test_pair_detail_is_whole(desk, timeframe):
    y, x = desk.answer(wire.Status, "/api/status").pairs[0]
    detail = desk.answer(wire.PairDetail, "/api/pair", y=y, x=x, timeframe=timeframe)
    history = detail.history
    columns = [getattr(history, name) for name in history.__struct_fields__]
    assert len({len(column) for column in columns}) == 1
    shown = [z for z in history.z_window if z is not None]
    # The warm-up fetches two windows and a little: one window of statistics to show.
    least = {"1s": 1, "1m": 60, "5m": 300}[timeframe]
    assert len(shown) >= least, "a chart with something on it"
    assert history.y_indexed[0] == history.x_indexed[0] == 100.0
    assert detail.price_source.startswith(("mid", "trade"))
    assert len(detail.conventions) >= 5
    step = {"1s": 1_000, "1m": 60_000, "5m": 300_000}[timeframe]
    assert {b - a for a, b in zip(history.end_ms, history.end_ms[1:], strict=False)} == {step}
    assert all(value is None or math.isfinite(value) for column in columns for value in column)
    # The row of now and the newest point are of the same regression, or one bar apart.
    if timeframe != "1s":
        assert detail.row.beta == pytest.approx(history.beta[-1], rel=0.2, abs=0.02)


def test_pair_that_is_not_followed_is_added_at_once_and_warm(desk):
    status = desk.answer(wire.Status, "/api/status")
    y, x = next((a, b) for a in range(4) for b in range(4) if a != b and (a, b) not in status.pairs)
    answer = error_of(desk.get("/api/pair", y=y, x=x, timeframe="1s"), 404)
    assert "not followed" in answer.error
    added = desk.post("/api/pairs", {"y": y, "x": x})
    assert added.status_code == 201, added.text
    assert (y, x) in desk.answer(wire.Status, "/api/status").pairs
    detail = desk.answer(wire.PairDetail, "/api/pair", y=y, x=x, timeframe="5m")
    assert detail.row.ready
    assert detail.sentence
    again = desk.post("/api/pairs", {"y": y, "x": x})
    assert again.status_code == 201
    assert desk.answer(wire.Status, "/api/status").pairs.count((y, x)) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"y": 0, "x": 0}, "two different"),
        ({"y": 0, "x": 44}, "Instrument 44 is not one of the run's 4"),
        ({"y": -1, "x": 0}, "Instrument -1"),
        ({"y": 0}, "missing required field `x`"),
        ({"y": 0, "x": 1, "role": "admin"}, "unknown field `role`"),
        ({"y": 1e99, "x": 1}, "Expected `int`"),
        ([], "Expected `object`"),
    ],
)
def test_wrong_pairs_are_refused_in_words(desk, body, said):
    assert said in error_of(desk.post("/api/pairs", body), 400).error


def test_health_shows_feeds_journal_and_lake(desk, patience):
    patience(lambda: desk.answer(wire.Health, "/api/health").lake_rows > 0, "no rows in the lake")
    health = desk.answer(wire.Health, "/api/health")
    assert [feed.state for feed in health.feeds] == ["live"] * len(health.feeds) != []
    assert (health.books_live, health.books_total) == (4, 4)
    assert health.journal_bytes > 0
    assert 0.0 <= health.journal_unsynced_ms < 5_000
    assert health.lake_state == "writing"
    assert health.lake_lag_s < 30
    assert desk.answer(list[wire.GapInfo], "/api/gaps") == health.recent_gaps[:200]


def test_dashboard_routes_answer_with_the_page(desk):
    pages = {desk.get(path).content for path in ("/", "/market", "/pairs/A/B", "/health")}
    assert len(pages) == 1
    assert b"<html" in pages.pop()


def test_built_files_are_cached_for_ever_and_the_page_never(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "a-1.js").write_text("1")
    (tmp_path / "index.html").write_text("<html>")
    dashboard = Dashboard(tmp_path)
    assert dashboard.file("assets/a-1.js").headers["cache-control"] == FOREVER
    assert dashboard.file("assets/b.js") is None
    assert dashboard.file("../secret") is None
    assert dashboard.page().content == b"<html>"
    assert b"not built" in Dashboard(tmp_path / "none").page().content


def test_schema_describes_the_routes(desk):
    schema = desk.get("/api/schema/openapi.json").json()
    assert {"/api/status", "/api/candles", "/api/pairs"} <= set(schema["paths"])
