"""The committed TypeScript contract is the one that the structs would write today."""

from pathlib import Path
from typing import Literal

import msgspec
import pytest
from msgspec import inspect as shapes

from poise.api import contract, typescript

COMMITTED = Path(__file__).parents[2] / "ui" / "src" / "contract.ts"


def test_committed_contract_is_current():
    assert COMMITTED.read_text() == typescript.generate(), "run `make types`"


def test_every_struct_is_written():
    text = typescript.generate()
    for cls in typescript.structs():
        assert f"export interface {cls.__name__} {{" in text


def test_decoder_reads_each_place_of_the_array():
    """The places of the tuple are those of msgspec's own array encoding."""
    row = contract.CandleRow(1, 2.0, 3.0, 4.0, 5.0, 6.0, closed=True)
    update = contract.CandleUpdate("0|1m", True, [row])
    wire = msgspec.json.decode(msgspec.json.encode(update))
    body = typescript.generate().split("function decodeCandleUpdate")[1].split("}")[0]
    assert wire[0] == "candle"
    assert "tag: w[0]" in body
    for place, field in enumerate(contract.CandleUpdate.__struct_fields__, start=1):
        assert wire[place] == msgspec.to_builtins(getattr(update, field))
        assert f"{field}: w[{place}]" in body


def test_client_messages_are_encoded_and_server_messages_decoded():
    text = typescript.generate()
    assert 'return ["sub", m.topic, m.key];' in text
    assert "export function decodeServerMessage(w: ServerMessageWire): ServerMessage" in text
    assert "encodeFrame" not in text


@pytest.mark.parametrize(
    ("field", "brand"),
    [
        ("server_ns", "NsText"),
        ("age_ms", "Millis"),
        ("wire_to_signal_p50_us", "Micros"),
        ("journal_bytes", "Bytes"),
        ("ix", "InstrumentIx"),
        ("sigma", "LogPrice"),
        ("z_kalman", "ZScore"),
        ("price", None),
    ],
)
def test_brand_follows_the_unit_in_the_name(field, brand):
    assert typescript.brand_of(field) == brand


def test_a_type_without_typescript_is_refused_by_name():
    class Odd(msgspec.Struct):
        when: dict[str, int]
        kind: Literal["a"]

    info = shapes.type_info(Odd)
    writer = typescript.Writer(typescript.Names())
    with pytest.raises(TypeError, match="when"):
        writer.text(info.fields[0].type, "when")
    assert writer.text(info.fields[1].type, "kind") == '"a"'
