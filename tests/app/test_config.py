"""Configuration: file, environment, flags; every refusal names where, what and the way out."""

from pathlib import Path

import pytest

from poise.app.config import load_config
from poise.app.folders import demo_folder, live_folder
from poise.core.errors import UserError


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("POISE_") and name != "POISE_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "poise.toml"
    path.write_text(text)
    return path


def test_flags_beat_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, 'port = 1001\nmost_traded = 5\nsymbols = ["BTCUSDT", "ETHUSDT"]\n')
    monkeypatch.setenv("POISE_PORT", "1002")
    monkeypatch.setenv("POISE_PAIRS", "ETHUSDT/BTCUSDT")
    config = load_config(path, {"port": 1003, "seed": None})
    assert config.port == 1003
    assert load_config(path, {}).port == 1002
    assert config.most_traded == 5
    assert config.symbols == ("BTCUSDT", "ETHUSDT")
    assert config.pairs == ("ETHUSDT/BTCUSDT",)
    assert config.seed == 7


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prot = 1", "did you mean port"),
        ("port = 70000", "port is 70000; allowed are 0 to 65535"),
        ('port = "x"', "port"),
        ('trade_channel = "trades"', "write trade or aggTrade"),
        ('timeframes = "1x:30"', "'1x' is not a timeframe"),
        ('timeframes = "1m:5"', "window of 20 to 10000"),
        ('timeframes = "1m:50,1m:60"', "named twice"),
        ('pairs = ["BTCUSDT"]', "write two instruments as"),
        ('pairs = ["BTCUSDT/BTCUSDT"]', "is not a pair"),
        ('ws_url = "fstream.binance.com"', "begins with wss://"),
        ("port = ", "not valid TOML"),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError) as refused:
        load_config(written(tmp_path, text), {})
    assert told in str(refused.value)


def test_unknown_environment_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POISE_SEEED", "1")
    with pytest.raises(UserError, match=r"POISE_SEEED.*did you mean seed"):
        load_config(None, {})


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothere\.toml"):
        load_config(tmp_path / "nothere.toml", {})


def test_unusable_data_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another with --data-dir"):
        live_folder(str(tmp_path / "file" / "below"))


def test_demo_keeps_the_newest_runs_only_and_never_a_chosen_folder(tmp_path: Path) -> None:
    for run in ("r1", "r2", "r3", "r4", "r5"):
        folder, _ = demo_folder("", run)
        (folder / "journal").mkdir()
    kept = sorted(path.name for path in folder.parent.iterdir())
    assert kept == ["r3", "r4", "r5"]
    chosen = tmp_path / "chosen"
    for run in ("r6", "r7", "r8", "r9"):
        assert demo_folder(str(chosen), run) == (chosen, 0)
