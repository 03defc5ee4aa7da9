"""Configuration of a run: one TOML file, then environment variables, then flags; checked whole.

Environment variables are ``POISE_`` and the key in capitals (``POISE_PORT=9000``).
"""

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from poise.app.values import parse_timeframes
from poise.core.errors import UserError
from poise.core.instrument import split_pair

PREFIX = "POISE_"
NOT_SETTINGS = {"POISE_DATA"}
"""Variables of ours that are no settings: the folder of recordings that tests read."""
_WANTED = {
    str: "a text in quotes",
    int: "a whole number",
    float: "a number",
    tuple[str, ...]: "a list of texts",
}


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All keys of the configuration file, with defaults.

    Attributes
    ----------
    data_dir
        Folder for journal and lake; empty: the user's data folder, by environment.
    port
        Of the dashboard, on 127.0.0.1; 0 takes a free one.
    symbols, pairs
        Venue symbols and ``Y/X`` pairs; empty: the `most_traded` and all their pairs.
    timeframes
        ``NAME:WINDOW,...``: bar lengths with the closed bars their statistics look back on.
    trade_channel
        ``aggTrade``: the venue's 100 ms aggregates, any gap of two days healed without a key.
        ``trade``: each execution at once; without a key only the latest 1,000 can be healed.
        Empty: aggTrade live, trade in a demo.
    keep_hours, keep_gib
        Journal kept, the lesser of both.
    ws_url, rest_url, ca_file
        The venue's addresses, for test venues.
    """

    data_dir: str = ""
    port: int = 8765
    symbols: tuple[str, ...] = ()
    most_traded: int = 20
    pairs: tuple[str, ...] = ()
    max_pairs: int = 300
    quote: str = "USDT"
    timeframes: str = "1s:300,1m:480,5m:864"
    trade_channel: str = ""
    keep_hours: float = 24.0
    keep_gib: float = 20.0
    ws_url: str = "wss://fstream.binance.com"
    rest_url: str = "https://fapi.binance.com"
    ca_file: str = ""
    seed: int = 7


def load_config(path: Path | None, flags: dict[str, Any]) -> Config:
    """Merge file, environment and flags (None means not given), and check every value.

    Raises
    ------
    UserError
        Naming the source, the key and value, and what was expected.
    """
    merged: dict[str, Any] = {}
    if path is not None:
        merged.update(_from_file(path))
    merged.update(_from_environment())
    for key, value in flags.items():
        if value not in (None, [], ()):
            merged[key] = _typed(key, value, f"--{key.replace('_', '-')}")
    config = Config(**merged)
    _check(config)
    return config


def _from_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid TOML: {error}") from None
    return {key: _typed(key, value, str(path)) for key, value in values.items()}


def _from_environment() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in os.environ.items():
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            key = name.removeprefix(PREFIX).lower()
            listed = key in {"symbols", "pairs"}
            value = [part for part in text.split(",") if part] if listed else text
            values[key] = _typed(key, value, f"environment variable {name}")
    return values


def _typed(key: str, value: object, where: str) -> Any:
    """The value as the key's type; an error names where it stands, the value and the type."""
    _known(key, where)
    (field,) = (field for field in msgspec.structs.fields(Config) if field.name == key)
    try:
        return msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError:
        wanted = _WANTED[field.type]
        raise UserError(f"{where}: {key} is {value!r}; write {wanted}") from None


def _known(key: str, where: str) -> None:
    names = Config.__struct_fields__
    if key not in names:
        near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(names)}"
        raise UserError(f"{where}: unknown key {key!r}{hint}")


def _check(config: Config) -> None:
    bounds = {
        "port": (0, 65_535),
        "most_traded": (2, 200),
        "max_pairs": (1, 20_000),
        "keep_hours": (0.1, 100_000.0),
        "keep_gib": (0.1, 100_000.0),
    }
    for key, (low, high) in bounds.items():
        value = getattr(config, key)
        if not low <= value <= high:
            raise UserError(f"{key} is {value}; allowed are {low:g} to {high:g}")
    if config.trade_channel not in {"", "trade", "aggTrade"}:
        raise UserError(f"trade_channel is {config.trade_channel!r}; write trade or aggTrade")
    parse_timeframes(config.timeframes)
    for pair in config.pairs:
        split_pair(pair)
    for key, schemes in (("ws_url", ("ws://", "wss://")), ("rest_url", ("http://", "https://"))):
        if not getattr(config, key).startswith(schemes):
            raise UserError(f"{key} is {getattr(config, key)!r}; it begins with {schemes[1]}")
