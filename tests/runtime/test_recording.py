"""Recordings: what is written is read back, and every line that cannot be played is named."""

import gzip
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.core.errors import UserError
from poise.runtime.recording import RecordingFile, RecordingWriter, merged

S = 1_000_000_000
MS = 1_000_000


def numbers(file):
    return [line.number for line in file.lines()]


def reasons(file):
    return {bad.number: bad.reason for bad in file.bad}


@pytest.mark.parametrize("name", ["tape", "tape.gz", "zipped_without_the_ending"])
def test_lines_are_read_in_order(write, make_tape, name):
    data = b"".join(make_tape(5))
    path = write(gzip.compress(data) if "zipped" in name else data, name)
    file = RecordingFile(path)
    lines = list(file.lines())
    assert file.symbols == ["BTCUSDT"]
    assert [line.number for line in lines] == list(range(1, 11))
    assert b"".join(b"%d %b\n" % (line.recv_ns, line.payload) for line in lines) == data
    assert {line.source for line in lines} == {""}
    assert file.bad == []


@pytest.mark.parametrize("name", ["out.jsonl", "out.gz"])
def test_what_is_written_is_read_back(tmp_path, start_ns, name):
    path = tmp_path / name
    writer = RecordingWriter(path)
    frame = b'{"stream":"btcusdt@trade","data":{"x":1}}'
    writer.frame(frame, start_ns)
    writer.answer("rest:depth:BTCUSDT", b'{"lastUpdateId": 5,\n "bids":[]}', start_ns + 1)
    writer.close()
    assert writer.lines == 2
    one, two = RecordingFile(path).lines()
    assert (one.recv_ns, one.source, one.payload) == (start_ns, "", frame)
    assert (two.recv_ns, two.source) == (start_ns + 1, "rest:depth:BTCUSDT")
    assert json.loads(two.payload) == {"lastUpdateId": 5, "bids": []}
    with pytest.raises(UserError, match="exists already: choose another name"):
        RecordingWriter(path)
    with pytest.raises(UserError, match=r"cannot create .*: No such file or directory"):
        RecordingWriter(tmp_path / "none" / "x")


def test_an_in_line_snapshot_belongs_to_the_one_symbol(write, make_tape, make_line):
    tape = make_tape(2)
    file = RecordingFile(write([*tape, make_line(300, '{"lastUpdateId":5,"bids":[],"asks":[]}')]))
    assert [line.source for line in file.lines()] == ["", "", "", "", "rest:depth:BTCUSDT"]
    assert file.bad == []


def test_in_a_file_of_several_symbols_a_snapshot_names_none(write, make_line, trade_frame):
    path = write([
        make_line(1, trade_frame(1, 1)),
        make_line(2, '{"lastUpdateId":5,"bids":[],"asks":[]}'),
        make_line(3, trade_frame(1, 3, symbol="ETHUSDT")),
    ])  # fmt: skip
    file = RecordingFile(path)
    assert file.symbols == ["BTCUSDT", "ETHUSDT"]
    assert numbers(file) == [1, 3]
    assert reasons(file) == {2: "a depth snapshot in a file of several symbols names none of them"}


BROKEN = [
    ("", "does not begin with a receive time"),
    ("garbage", "does not begin with a receive time"),
    ("12345 {}", "does not begin with a receive time"),
    ("\u0661723161255000000000 {}", "does not begin with a receive time"),
    ("-723161255000000000 {}", "does not begin with a receive time"),
    ("1723161255100000000", "does not begin with a receive time"),
    ("1723161255000000000 {}", "receive time runs back"),
    ('9723161255100000000 {"stream":"btcusdt@trade"}', "far ahead of the line behind it"),
    ('1723161255301500000 {"rest":"rest:depth:BTCUSDT"}', "missing required field"),
    ('1723161255301500000 {"rest":5,"data":{}}', "Expected `str`"),
    ('1723161255301500000 {"rest":"x","data":' + "[" * 100_000, "recursion"),
]


@pytest.mark.parametrize(("text", "reason"), BROKEN, ids=[row[0][:30] for row in BROKEN])
def test_a_broken_line_is_named_and_the_rest_is_kept(write, make_tape, text, reason):
    tape = make_tape(5)
    path = write([*tape[:6], text.encode() + b"\n", *tape[6:]])
    file = RecordingFile(path)
    assert numbers(file) == [1, 2, 3, 4, 5, 6, 8, 9, 10, 11]
    (bad,) = file.bad
    assert reason in bad.reason
    assert str(bad).startswith("tape, line 7: ")


def test_a_wrong_first_time_does_not_lose_the_file(write, make_tape):
    tape = make_tape(5)
    file = RecordingFile(write([b"9" + tape[0][1:], *tape[1:]]))
    assert numbers(file) == list(range(2, 11))
    assert list(reasons(file)) == [1]


def test_a_pause_in_the_tape_is_believed(write, make_tape, make_line, trade_frame):
    day = 86_400_000
    tape = [*make_tape(2), make_line(day, trade_frame(3, day)), make_line(day + 1, "{}")]
    assert numbers(RecordingFile(write(tape))) == [1, 2, 3, 4, 5, 6]
    assert numbers(RecordingFile(write(tape[:-1]))) == [1, 2, 3, 4, 5]


def test_equal_times_are_in_order(write, make_line, trade_frame):
    path = write([make_line(1, trade_frame(key, 1)) for key in (1, 2, 3)])
    assert numbers(RecordingFile(path)) == [1, 2, 3]


@pytest.mark.parametrize("cut", [1, 8, 9, 40])
def test_a_truncated_gzip_keeps_what_came_before(write, make_tape, start_ns, cut):
    data = gzip.compress(b"".join(make_tape(3_000)))
    path = write(data[:-cut], "tape.gzip")
    file = RecordingFile(path)
    kept = numbers(file)
    assert kept == list(range(1, len(kept) + 1))
    assert len(kept) > 5_000
    (bad,) = file.bad
    assert bad.number == len(kept) + 1
    assert "the compressed data end or break here" in bad.reason


def test_a_gzip_that_breaks_in_the_middle_keeps_what_came_before(write, make_tape):
    tape = make_tape(3_000)
    for place in (0.3, 0.6):
        data = bytearray(gzip.compress(b"".join(tape)))
        at = int(len(data) * place)
        data[at : at + 64] = b"\xff" * 64
        file = RecordingFile(write(bytes(data), "tape.gzip"))
        kept = [line.payload for line in file.lines()]
        assert 0 < len(kept) < len(tape)
        assert file.bad


def test_a_plain_file_cut_within_a_line(write, make_tape):
    data = b"".join(make_tape(3))
    file = RecordingFile(write(data[:-30]))
    assert numbers(file) == [1, 2, 3, 4, 5, 6]  # the connector will refuse the last one


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"hello\n", b"\x1f\x8b", b"\x1f\x8bnot gzip at all", b"1723161255030314667 {}\n",
     gzip.compress(b""), b"\x00" * 10_000],
    ids=lambda data: repr(data[:12]),
)  # fmt: skip
def test_a_file_without_a_frame_says_what_was_expected(write, data):
    with pytest.raises(UserError, match="holds no recorded frame: expected lines of"):
        RecordingFile(write(data))


def test_a_file_that_cannot_be_opened_says_why(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*none: No such file"):
        RecordingFile(tmp_path / "none")
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        RecordingFile(tmp_path)
    if os.geteuid() != 0:
        closed = tmp_path / "closed"
        closed.write_bytes(b"x")
        closed.chmod(0)
        with pytest.raises(UserError, match=r"cannot read .*: Permission denied"):
            RecordingFile(closed)


def test_files_are_merged_by_time_and_ties_go_by_the_order_of_the_files(write, make_line):
    frame = '{"stream":"%susdt@trade"}'
    one = RecordingFile(write([make_line(ms, frame % "a") for ms in (1, 3, 5)], "one"))
    two = RecordingFile(write([make_line(ms, frame % "b") for ms in (2, 3, 9)], "two"))
    rows = [(line.recv_ns // MS % 10, line.file.name) for line in merged([one, two])]
    assert rows == [(1, "one"), (2, "two"), (3, "one"), (3, "two"), (5, "one"), (9, "two")]


@settings(max_examples=100)
@given(data=st.data())
def test_any_damage_leaves_lines_in_order_and_all_accounted_for(data, make_tape, tmp_path_factory):
    raw = bytearray(b"".join(make_tape(6)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = tmp_path_factory.mktemp("any") / "tape"
    path.write_bytes(raw)
    try:
        file = RecordingFile(path)
    except UserError:
        return
    lines = list(file.lines())
    times = [line.recv_ns for line in lines]
    assert times == sorted(times)
    total = raw.count(b"\n") + (not raw.endswith(b"\n"))
    assert sorted([line.number for line in lines] + [bad.number for bad in file.bad]) == list(
        range(1, total + 1)
    )
