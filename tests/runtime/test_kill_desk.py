"""kill -9 of a whole desk at random moments: every venue trade is in the lake exactly once.

The venue lives on in a process of its own, so what the desk missed while dead can be healed.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import poise

POISE = str(Path(sys.executable).with_name("poise"))
SYMBOLS = 2


def environment(**more: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("POISE_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


def wait_for(process: subprocess.Popen[str], pattern: str, seconds: float = 90.0) -> str:
    """First line of a process that matches."""
    assert process.stdout is not None
    seen = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and (line := process.stdout.readline()):
        seen.append(line)
        if (match := re.search(pattern, line)) is not None:
            return match[1] if match.groups() else match[0]
    raise AssertionError(f"never said {pattern!r}: {''.join(seen)}")


@pytest.fixture(scope="module")
def venue() -> Iterator[str]:
    """Port of a venue server."""
    with subprocess.Popen(
        [POISE, "venue-server", "--instruments", str(SYMBOLS), "--activity", "8"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        try:
            yield wait_for(process, r"REST http://127\.0\.0\.1:(\d+)")
        finally:
            process.send_signal(signal.SIGINT)


def start_desk(port: str, data: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [POISE, "live", "--data-dir", str(data), "--port", "0", "--trade-channel", "trade"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=environment(
            POISE_WS_URL=f"ws://127.0.0.1:{port}", POISE_REST_URL=f"http://127.0.0.1:{port}"
        ),
    )


def kill_desk(desk: subprocess.Popen[str]) -> None:
    os.killpg(desk.pid, signal.SIGKILL)
    desk.wait(10)
    assert desk.stdout is not None
    desk.stdout.close()


def venue_trades(port: str, symbol: str, first: int, last: int) -> dict[int, tuple[str, str, bool]]:
    """The venue's own account of its trades."""
    found: dict[int, tuple[str, str, bool]] = {}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        at = first
        while at <= last:
            answer = client.get(
                "/fapi/v1/historicalTrades",
                params={"symbol": symbol, "fromId": at, "limit": 500},
                headers={"X-MBX-APIKEY": "any"},
            )
            if answer.status_code != 200:
                time.sleep(61)  # out of weight
                continue
            for row in answer.json():
                found[row["id"]] = (row["price"], row["qty"], row["isBuyerMaker"])
            at = max(found, default=last) + 1
    return {number: row for number, row in found.items() if first <= number <= last}


def check_lake(port: str, data: Path) -> int:
    """Compare the lake with the venue; returns the trades compared."""
    lake = poise.open_lake(data / "lake")
    try:
        compared = unhealed = 0
        for known in lake.instruments().arrow.to_pylist():
            item, symbol = known["id"], known["symbol"]
            rows = lake.trades(item, 0, 2**62, 10_000_000, numbers="decimal").arrow.to_pydict()
            gaps = lake.gaps(0, 2**62, item).arrow.to_pydict()
            ids = rows["id"]
            assert len(ids) == len(set(ids)), f"{item}: a trade is there twice"
            missing = set(range(min(ids), max(ids) + 1)) - set(ids)
            for first, last, healed in zip(
                gaps["first_id"], gaps["last_id"], gaps["healed"], strict=True
            ):
                if not healed:
                    missing -= set(range(first, last + 1))
                    unhealed += last - first + 1
            assert not missing, (
                f"{item}: trades missing without a gap record: {sorted(missing)[:9]}"
            )
            truth = venue_trades(port, symbol, min(ids), max(ids))
            for number, price, qty, side in zip(
                ids, rows["price"], rows["qty"], rows["side"], strict=True
            ):
                expected = truth[number]
                assert (price, qty) == tuple(map(type(price), expected[:2])), (item, number)
                assert side == (-1 if expected[2] else 1)
            compared += len(ids)
        # The venue serves the latest 1,000 trades without a key: all that was missed is there.
        assert unhealed == 0
        return compared
    finally:
        lake.close()


def kill_and_restart(port: str, data: Path, kills: int, seed: int) -> int:
    chance = random.Random(seed)
    for _ in range(kills):
        desk = start_desk(port, data)
        wait_for(desk, "dashboard:")
        time.sleep(chance.uniform(0.0, 6.0))
        kill_desk(desk)
    desk = start_desk(port, data)
    wait_for(desk, "ready:")
    time.sleep(7.0)  # the lake commits every 5 s
    desk.send_signal(signal.SIGINT)
    wait_for(desk, "stopped in")
    assert desk.wait(10) == 0
    assert desk.stdout is not None
    desk.stdout.close()
    return check_lake(port, data)


def test_killed_desks_lose_and_double_no_trade(venue: str, tmp_path: Path) -> None:
    assert kill_and_restart(venue, tmp_path, kills=3, seed=1) > 100


@pytest.mark.campaign
def test_fifty_kills(venue: str, tmp_path: Path) -> None:
    compared = kill_and_restart(venue, tmp_path, kills=50, seed=2)
    print(f"50 kills, {compared} trades compared")
