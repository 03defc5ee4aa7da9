"""The recordings of BTCUSDT and ETHUSDT through the venue: nothing lost, the books are right."""

import msgspec
import pytest

from poise.loopback.config import TapeConfig, VenueConfig

pytestmark = pytest.mark.real_data
F = "/fapi/v1/"
SHARED = {"BTCUSDT": 629, "ETHUSDT": 551}
TRADES = {"BTCUSDT": 21_313, "ETHUSDT": 14_076}
LINES = 93_954 + 74_655


@pytest.fixture(scope="module")
def played(recordings, virtual):
    """The venue after the whole tape, and every frame it sent."""
    v = virtual(VenueConfig(TapeConfig(recordings, speed=None, wait_for=6), keep_truth=True))
    kinds = ("depth@100ms", "trade", "bookTicker")
    names = [f"{coin}usdt@{kind}" for coin in ("btc", "eth") for kind in kinds]
    socket = v.connect("/public/stream", streams="/".join(names))
    while not v.venue.market.finished:
        v.run(0.01)
    return v, v.sent[socket]


def test_every_line_is_sent_but_the_two_snapshots(played):
    v, sent = played
    assert v.venue.recording_errors == []
    assert len(sent) == LINES - 2


def test_own_book_equals_book_ticker_at_every_shared_id(played):
    v, sent = played
    decode = msgspec.json.Decoder().decode
    tickers = {"BTCUSDT": {}, "ETHUSDT": {}}
    depth_ids = {"BTCUSDT": [], "ETHUSDT": []}
    for text in sent:
        data = decode(text)["data"]
        if data["e"] == "bookTicker":
            tickers[data["s"]][data["u"]] = data
        elif data["e"] == "depthUpdate":
            depth_ids[data["s"]].append(data["u"])
    for symbol, quotes in tickers.items():
        spec = v.venue.market.specs[symbol]
        shared = [u for u in depth_ids[symbol] if u in quotes]
        matches = 0
        for u, best in bests(v.venue.market._reels[symbol].book, set(shared)):
            q = quotes[u]
            (bid, bid_qty), (ask, ask_qty) = best
            assert (q["b"], q["a"]) == (spec.price(bid), spec.price(ask))
            assert (q["B"], q["A"]) == (spec.qty(bid_qty), spec.qty(ask_qty))
            matches += 1
        assert matches == SHARED[symbol]


def bests(book, wanted):
    """Best levels after each wanted update id, by replaying what the book remembers."""
    again = type(book)()
    for update_id, changes in book._journal:
        again.apply(update_id, changes)
        if update_id in wanted:
            yield update_id, (again.best_bid(), again.best_ask())


def test_trade_ids_have_no_gap_and_rest_serves_them(played):
    v, _ = played
    for symbol, count in TRADES.items():
        trades = v.venue.true_trades(symbol)
        assert len(trades) == count
        assert trades[-1].id - trades[0].id == count - 1
        found = v.venue.market.trades(symbol).aggs_from_id(0, 10**6)
        assert (found[0].first_id, found[-1].last_id) == (trades[0].id, trades[-1].id)
        assert sum(a.qty for a in found) == sum(t.qty for t in trades)


def test_ticks_and_steps_are_the_real_ones(played):
    v, _ = played
    specs = v.venue.market.specs
    assert {s: (x.tick, x.price_digits, x.step, x.qty_digits) for s, x in specs.items()} == {
        "BTCUSDT": (10, 2, 1, 3),
        "ETHUSDT": (1, 2, 1, 3),
    }
    _, body, _ = v.get(F + "depth", symbol="BTCUSDT", limit=1000)
    assert len(body["bids"]) == len(body["asks"]) == 1000


def test_venue_time_runs_ahead_of_local_time_as_recorded(played):
    v, _ = played
    last_local_ms = v.venue.market._last_ns // 1_000_000
    assert v.get(F + "time")[1]["serverTime"] - last_local_ms == 1269
