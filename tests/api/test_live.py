"""The live socket over real connections: snapshot, changes, sequence, credit, nothing lost."""

import time

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from poise.api import contract as wire
from poise.api.live import MAX_SUBSCRIPTIONS

TOPICS = (
    ("quotes", ""),
    ("pairs", ""),
    ("health", ""),
    ("candle", "0|1s"),
    ("candle", "1|5m"),
    ("book", "2"),
    ("trades", "3"),
)


def pair_key(desk, timeframe="1s"):
    y, x = desk.answer(wire.Status, "/api/status").pairs[0]
    return f"{y}|{x}|{timeframe}"


@pytest.mark.parametrize("query", ["", "?enc=json"])
def test_each_subscription_begins_with_its_snapshot(desk, query):
    with desk.socket(query) as talk:
        for topic, key in TOPICS:
            talk.subscribe(topic, key)
        talk.subscribe("pair", pair_key(desk))
        seen = {}
        for _ in range(30):
            for update in talk.frame().updates:
                name = (type(update).__name__, getattr(update, "key", ""))
                seen.setdefault(name, []).append(update)
        assert len(seen) == len(TOPICS) + 1
        for updates in seen.values():
            assert updates[0].snapshot
        quotes, pairs = seen["QuotesUpdate", ""], seen["PairsUpdate", ""]
        assert [row.ix for row in quotes[0].rows] == [0, 1, 2, 3]
        assert all(0.0 < row.bid < row.ask and row.state == "live" for row in quotes[0].rows)
        assert len(pairs[0].rows) >= 9
        assert not any(update.snapshot for update in quotes[1:] + pairs[1:])
        assert any(len(update.rows) < 4 for update in quotes[1:]), "changed rows only"
        book = seen["BookUpdate", "2"][-1].book
        assert book.live
        assert [price for price, _ in book.bids] == sorted((p for p, _ in book.bids), reverse=True)
        assert [price for price, _ in book.asks] == sorted(p for p, _ in book.asks)
        assert book.bids[0][0] < book.asks[0][0]
        assert len(book.bids) == len(book.asks) == 20
        assert not talk.refusals


def test_tape_goes_on_without_a_hole_while_the_client_stalls(desk):
    """Credit: two frames at most on their way; what happens meanwhile comes with the next."""
    with desk.socket() as talk:
        talk.subscribe("trades", "0")
        talk.subscribe("quotes")
        rows = list(talk.updates(wire.TradesUpdate, 1)[0].rows)
        talk.acknowledges = False
        for _ in range(2):
            for update in talk.frame().updates:
                if isinstance(update, wire.TradesUpdate):
                    rows += update.rows
        with pytest.raises(TimeoutError):
            talk.frame(timeout=2.0)
        talk.acknowledges = True
        talk.say(wire.Ack(talk.seq))
        for update in talk.updates(wire.TradesUpdate, 3):
            assert not update.snapshot
            rows += update.rows
        ids = [int(row.trade_id) for row in rows]
        assert ids == list(range(ids[0], ids[-1] + 1)), "every aggregate once, in order"
        assert all(row.side in {1, -1} and row.qty > 0.0 for row in rows)


def test_bars_close_once_each_and_agree_with_rest(desk):
    with desk.socket() as talk:
        talk.subscribe("candle", "1|1s")
        closed = {}
        forming = []
        end = time.monotonic() + 3.5
        while time.monotonic() < end:
            for update in talk.frame().updates:
                for row in update.rows:
                    if row.closed:
                        closed[row.start_ms] = row
                    else:
                        forming.append(row)
    starts = sorted(closed)
    assert {b - a for a, b in zip(starts, starts[1:], strict=False)} == {1_000}
    assert len(starts) >= 11, "ten of the snapshot, and those of the meantime"
    assert forming
    page = desk.answer(wire.Candles, "/api/candles", instrument=1, timeframe="1s", limit=60)
    at = {start: place for place, start in enumerate(page.start_ms)}
    for start in starts:
        row = closed[start]
        for name in ("open", "high", "low", "close", "volume"):
            assert getattr(row, name) == getattr(page, name)[at[start]]


def test_forming_bar_of_five_minutes_holds_all_of_its_seconds(desk):
    """Also those before this process began: volume from seconds, not from the replica's start."""
    with desk.socket() as talk:
        talk.subscribe("candle", "0|5m")
        row = next(
            row
            for update in talk.updates(wire.CandleUpdate, 1)
            for row in update.rows
            if not row.closed
        )
    assert row.start_ms % 300_000 == 0
    seconds = desk.answer(wire.Candles, "/api/candles", instrument=0, timeframe="1s", limit=1_500)
    inside = [
        place for place, start in enumerate(seconds.start_ms)
        if row.start_ms <= start < row.start_ms + 300_000
    ]  # fmt: skip
    if inside:
        assert row.high >= max(seconds.high[place] for place in inside[:-2] or inside[:1])
        assert row.low <= min(seconds.low[place] for place in inside[:-2] or inside[:1])
        assert row.open == seconds.open[inside[0]]


def test_points_of_a_pair_follow_its_history(desk):
    key = pair_key(desk)
    y, x, timeframe = key.split("|")
    with desk.socket() as talk:
        talk.subscribe("pair", key)
        first = talk.updates(wire.PairUpdate, 1)[0]
        assert first.snapshot
        assert first.row.ready
        assert first.sentence
        detail = desk.answer(wire.PairDetail, "/api/pair", y=y, x=x, timeframe=timeframe)
        points = []
        for update in talk.updates(wire.PairUpdate, 25):
            points += update.points
    history = detail.history
    known = dict(zip(history.end_ms, history.y_indexed, strict=True))
    ends = [point.end_ms for point in points]
    assert ends == sorted(set(ends))
    assert len(ends) >= 2
    assert max(ends) > history.end_ms[-1]
    for point in points:
        if point.end_ms in known:
            assert point.y_indexed == known[point.end_ms], "one base for history and stream"


def test_rate_is_the_clients(desk):
    def frames(hz):
        with desk.socket() as talk:
            talk.say(wire.SetRate(hz))
            talk.subscribe("quotes")
            talk.frame()
            began, count = time.monotonic(), 0
            while time.monotonic() - began < 1.5:
                talk.frame()
                count += 1
            return count / 1.5

    slow, fast = frames(1.0), frames(10.0)
    assert slow <= 2.0
    assert 4.0 <= fast <= 12.0


def test_subscribing_again_sends_the_snapshot_again(desk):
    with desk.socket() as talk:
        talk.subscribe("quotes")
        assert talk.updates(wire.QuotesUpdate, 2)[0].snapshot
        talk.subscribe("quotes")
        assert any(update.snapshot for update in talk.updates(wire.QuotesUpdate, 5))
        talk.say(wire.Unsubscribe("quotes", ""))
        time.sleep(0.3)
        talk.frame()
        assert talk.frame().updates == [], "a quiet frame says that the server lives"


@pytest.mark.parametrize(
    ("topic", "key", "said"),
    [
        ("candle", "0", "not a candle key"),
        ("candle", "0|9m", "no timeframe '9m'"),
        ("candle", "77|1m", "no instrument '77'"),
        ("pair", "0|1", "not a pair key"),
        ("pair", "0|0|1m", "not followed"),
        ("quotes", "x", "has no key"),
        ("book", "' OR 1=1", "no instrument"),
    ],
)
def test_wrong_subscriptions_are_refused_by_name(desk, topic, key, said):
    with desk.socket() as talk:
        talk.subscribe("quotes")
        talk.subscribe(topic, key)
        for _ in range(20):
            if talk.refusals:
                break
            talk.frame()
        (refusal,) = talk.refusals
        assert (refusal.topic, refusal.key) == (topic, key)
        assert said in refusal.error


def test_subscriptions_are_bounded(desk):
    with desk.socket() as talk:
        keys = [f"{ix}|{name}" for ix in range(4) for name in ("1s", "1m", "5m")]
        names = [desk.answer(wire.Status, "/api/status").instruments[ix].symbol for ix in range(4)]
        keys += [f"{name}|{frame}" for name in names for frame in ("1s", "1m", "5m")]
        ids = [desk.answer(wire.Status, "/api/status").instruments[ix].id for ix in range(4)]
        keys += [f"{name}|{frame}" for name in ids for frame in ("1s", "1m", "5m")]
        wanted = [("candle", key) for key in keys]
        wanted += [(topic, name) for topic in ("book", "trades") for name in [*names, *ids, "0"]]
        wanted += [("trades", "1"), ("trades", "2"), ("trades", "3"), ("book", "1"), ("book", "2")]
        wanted += [("quotes", ""), ("pairs", ""), ("health", ""), ("book", "3")]
        wanted += [("pair", pair_key(desk, name)) for name in ("1s", "1m", "5m")]
        assert len(set(wanted)) > MAX_SUBSCRIPTIONS
        for topic, key in dict.fromkeys(wanted):
            talk.subscribe(topic, key)
        for _ in range(5):
            talk.frame()
        assert len(talk.refusals) == len(set(wanted)) - MAX_SUBSCRIPTIONS
        assert "at most 64" in talk.refusals[0].error


@pytest.mark.parametrize("data", [b"\xc1", b"", msgspec.msgpack.encode(["nonsense", 1]), "{text"])
def test_what_is_no_message_is_refused_and_the_talk_goes_on(desk, data):
    with desk.socket() as talk:
        talk.subscribe("quotes")
        talk.frame()
        talk.socket.send(data)
        for _ in range(4):
            talk.frame()
        (refusal,) = talk.refusals
        assert "not understood" in refusal.error


def test_message_beyond_64_kib_ends_the_talk(desk):
    with desk.socket() as talk:
        talk.socket.send(b"x" * 70_000)
        with pytest.raises(ConnectionClosed) as caught:
            for _ in range(100):
                talk.socket.recv(5)
        assert caught.value.rcvd.code == 1009


def test_wild_rates_and_acknowledgements_do_no_harm(desk):
    with desk.socket() as talk:
        for hz in (float("nan"), float("inf"), -1.0, 0.0, 1e308):
            talk.say(wire.SetRate(hz))
        talk.say(wire.Ack(10**9))
        talk.say(wire.Ack(-5))
        talk.say(wire.SetRate(10.0))
        talk.subscribe("quotes")
        for _ in range(5):
            talk.frame()


def test_clients_of_one_rate_get_the_same_rows(desk):
    with desk.socket() as one, desk.socket() as other:
        for talk in (one, other):
            talk.subscribe("trades", "1")
        rows = []
        for talk in (one, other):
            got = []
            for update in talk.updates(wire.TradesUpdate, 4):
                got += update.rows
            rows.append({row.trade_id: row for row in got})
        shared = rows[0].keys() & rows[1].keys()
        assert len(shared) >= 10
        assert all(rows[0][key] == rows[1][key] for key in shared)
