"""Sentences, numbers and topics, without a socket."""

import math

import msgspec
import numpy as np
import pytest

from poise.api import contract as wire
from poise.api.errors import Refused, unknown
from poise.api.live import CREDIT, Client, Hub
from poise.api.market_view import DayChange, forming_row, instrument_infos
from poise.api.numbers import known, known_age, known_list
from poise.api.pair_view import PairView, sentence
from poise.api.topics import Behind, Topics
from poise.core.events import PairSpec, RunStarted, TimeframeSpec, Trade
from poise.core.instrument import Instrument
from poise.core.outputs import Bar
from poise.runtime.edge import Edge
from poise.runtime.edge_link import Present
from poise.runtime.messages import BID, LAST, QUOTE_COLUMNS, RECV_MS
from poise.runtime.replica import TAPE_KEPT
from poise.runtime.settings import EdgeSettings

T0 = 1_780_000_200 * 10**9


def instrument(ix, base):
    return Instrument(
        ix=ix,
        venue="binance.usdm",
        symbol=f"{base}USDT",
        base=base,
        quote="USDT",
        kind="PERP",
        price_scale=4,
        qty_scale=3,
        tick=100,
        step=10,
    )


RUN = RunStarted(
    environment="demo",
    run_id="r",
    instruments=(instrument(0, "BTC"), instrument(1, "ETH")),
    timeframes=(TimeframeSpec("1s", 20), TimeframeSpec("5m", 20)),
    pairs=(PairSpec(1, 0),),
    trade_channel="trade",
    recv_ns=T0,
)


def row(beta, z, *, ready=True, bars=20):
    values = dict.fromkeys(wire.PairRow.__struct_fields__)
    values |= {"y": 1, "x": 0, "timeframe": "1s", "ready": ready, "bars": bars, "window": 20}
    return wire.PairRow(**values | {"beta": beta, "z_window": z})


@pytest.mark.parametrize(
    ("beta", "z", "said"),
    [
        (1.85, -2.1, "long $1.00 ETH, short $1.85 BTC"),
        (1.85, 2.1, "short $1.00 ETH, long $1.85 BTC"),
        (0.5, -0.01, "long $1.00 ETH, short $0.50 BTC"),
        (None, None, "warming up: 20 of 20 bars"),
        (1.0, None, "no position: ETH or BTC has no quote now"),
        (1.0, 0.0, "no position: ETH and BTC stand at their mean"),
    ],
)
def test_sentence_of_the_position(beta, z, said):
    assert sentence(RUN, row(beta, z)) == said


@pytest.mark.parametrize(("z", "legs"), [(-1.0, "long"), (1.0, "short")])
def test_negative_hedge_ratio_puts_both_legs_on_one_side(z, legs):
    """spread = y - beta x with beta < 0: a long spread is long both."""
    text = sentence(RUN, row(-0.85, z))
    assert text.startswith(f"{legs} $1.00 ETH, {legs} $0.85 BTC")
    assert "not traded" in text


@pytest.mark.parametrize("beta", [0.19, 5.01])
def test_hedge_ratios_that_are_not_traded_say_so(beta):
    assert "shown, not traded" in sentence(RUN, row(beta, 1.0))


def test_warming_row_counts_its_bars():
    assert sentence(RUN, row(None, None, ready=False, bars=7)) == "warming up: 7 of 20 bars"


def test_unknown_numbers_travel_as_null():
    values = [1.5, math.nan, math.inf, -math.inf]
    assert [known(value) for value in values] == [1.5, None, None, None]
    assert known_list(np.array(values)) == [1.5, None, None, None]
    assert known_list(np.array([1.0, 2.0])) == [1.0, 2.0]
    assert [known_age(value) for value in (-3.0, 1.26, math.nan)] == [0.0, 1.3, None]
    assert type(known(np.float64(2.0))) is float


def test_decimals_are_those_of_tick_and_step():
    info = instrument_infos(RUN)[0]
    assert (info.price_decimals, info.qty_decimals, info.tick) == (2, 2, 0.01)


def test_nearest_name_wins():
    assert unknown("instrument", "btcusd", ["BTCUSDT", "ETHUSDT"]).answer.hint == (
        "Did you mean BTCUSDT?"
    )
    assert unknown("instrument", "zzz", ["BTCUSDT"]).answer.hint == "There are: BTCUSDT."


def quotes(last=2.0, recv_ms=1.0):
    table = np.full((2, QUOTE_COLUMNS), math.nan)
    table[:, BID], table[:, LAST], table[:, RECV_MS] = 1.0, last, recv_ms
    return table


@pytest.fixture
def edge(tmp_path):
    made = Edge(EdgeSettings(environment="demo", data=str(tmp_path), link=str(tmp_path / "x")))
    made.replica.begin(RUN)
    return made


def present(table, rows=0):
    return Present(1, T0, table, np.zeros((rows, 60)), np.zeros((rows, 4)))


@pytest.fixture
def hub(edge):
    return Hub(edge, Topics(edge, DayChange(edge), PairView(edge)))


def step(client, hub):
    client.due_s = 0.0
    hub._made.clear()
    data = hub.frame(client)
    return None if data is None else msgspec.msgpack.decode(data, type=wire.Frame)


def trade(number, ix=0):
    return Trade(ix, number, 100, 1_000, 1, T0 + number, T0 + number, number, number)


def test_only_changed_rows_go_out(edge, hub):
    client = Client("msgpack")
    assert client.take(wire.Subscribe("quotes", ""), hub.topics) is None
    edge._on_state(present(quotes()))
    assert [row.ix for row in step(client, hub).updates[0].rows] == [0, 1]
    edge._on_state(present(quotes()))
    client.acknowledged = client.seq
    assert step(client, hub) is None, "NaN equals NaN: nothing changed"
    table = quotes()
    table[1, BID] = 1.25
    edge._on_state(present(table))
    assert [row.ix for row in step(client, hub).updates[0].rows] == [1]


def test_credit_holds_frames_back(edge, hub):
    client = Client("msgpack")
    client.take(wire.Subscribe("quotes", ""), hub.topics)
    for count in range(1, 4):
        edge._on_state(present(quotes(last=float(count))))
        assert (step(client, hub) is None) == (count > CREDIT)
    client.take(wire.Ack(client.seq), hub.topics)
    assert step(client, hub).updates[0].rows[0].last == 3.0


def test_tape_that_ran_away_ends_the_talk(edge, hub):
    client = Client("msgpack")
    client.take(wire.Subscribe("trades", "0"), hub.topics)
    for number in range(5):
        edge.replica.tapes[0].add(trade(number))
    assert [row.trade_id for row in step(client, hub).updates[0].rows] == list("01234")
    for number in range(5, 5 + TAPE_KEPT):
        edge.replica.tapes[0].add(trade(number))
    client.acknowledged = client.seq
    assert len(step(client, hub).updates[0].rows) == TAPE_KEPT
    for number in range(TAPE_KEPT + 1):
        edge.replica.tapes[0].add(trade(number))
    client.acknowledged = client.seq
    with pytest.raises(Behind):
        step(client, hub)


def bar(number, close, origin="live", frame="1s", seconds=1):
    start = T0 + number * seconds * 10**9
    end = start + seconds * 10**9
    return Bar(0, frame, start, end, close, close, close, close, 1_000, 0, 1, 0, 0, origin)


def test_closed_bars_are_events_and_history_is_a_new_snapshot(edge, hub):
    client = Client("msgpack")
    client.take(wire.Subscribe("candle", "0|1s"), hub.topics)
    for number in range(3):
        edge.bars.put(bar(number, 100 + number))
    first = step(client, hub).updates[0]
    assert (first.snapshot, len(first.rows)) == (True, 3)
    edge.bars.put(bar(3, 103))
    edge.bars.put(bar(1, 999))
    client.acknowledged = client.seq
    update = step(client, hub).updates[0]
    assert not update.snapshot
    assert [round(each.close * 1e4) for each in update.rows] == [999, 103]
    edge.bars.put(bar(-1, 90, "history"))
    client.acknowledged = client.seq
    again = step(client, hub).updates[0]
    assert again.snapshot
    assert len(again.rows) == 5


def test_forming_bar_is_closed_seconds_and_the_open_one(edge):
    assert forming_row(edge, RUN.instruments[0], "5m") is None
    for number, close in enumerate((100, 300, 200)):
        edge.bars.put(bar(number, close))
    edge.replica.market.on_event(later_trade(), [])
    row = forming_row(edge, RUN.instruments[0], "5m")
    assert (row.start_ms, row.closed) == (T0 // 10**6, False)
    prices = [round(value * 1e4) for value in (row.open, row.high, row.low, row.close)]
    assert prices == [100, 300, 100, 150]
    assert row.volume == 5.0
    edge.bars.put(bar(0, 150, frame="5m", seconds=300))
    assert forming_row(edge, RUN.instruments[0], "5m") is None, "it has closed"


def later_trade():
    at = T0 + 3 * 10**9 + 5
    return Trade(0, 7, 150, 2_000, 1, at, at, 7, 7)


def test_turnover_and_change_need_a_whole_day(edge):
    day = DayChange(edge)
    edge._on_state(present(quotes(last=0.03)))
    for number in range(288):
        edge.bars.put(bar(number, 200, frame="5m", seconds=300))
    assert day.rows() == [(None, None)] * 2
    edge.bars.put(bar(288, 200, frame="5m", seconds=300))
    day = DayChange(edge)
    change, turnover = day.rows()[0]
    assert change == pytest.approx(0.5)
    assert turnover == pytest.approx(288 * 1.0 * 0.02)


def test_before_the_first_word_of_the_core_everything_says_starting(tmp_path):
    edge = Edge(EdgeSettings(environment="demo", data=str(tmp_path), link=str(tmp_path / "x")))
    hub = Hub(edge, Topics(edge, DayChange(edge), PairView(edge)))
    refusal = Client("json").take(wire.Subscribe("book", "0"), hub.topics)
    assert "starting" in refusal.error
    with pytest.raises(Refused):
        hub.topics.make("candle", "0|1s")
