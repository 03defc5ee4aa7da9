"""Reading recordings: good lines, bad lines, torn files, and what is said about them."""

import gzip
from itertools import pairwise

import pytest

from poise.loopback.config import OnError
from poise.loopback.errors import RecordingError
from poise.loopback.recording import Recording

STOP, SKIP = OnError.STOP, OnError.SKIP
QUOTE = (
    b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":%d,"s":"BTCUSDT",'
    b'"b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}}'
)
SNAPSHOT = b'{"lastUpdateId":5,"E":1,"T":1,"bids":[["1.50","2.0"]],"asks":[["1.60","3.0"]]}'


def lines(count, first=0):
    return [b"%d " % (10**18 + n) + QUOTE % n for n in range(first, first + count)]


def write(path, texts, *, zipped=False):
    data = b"".join(text + b"\n" for text in texts)
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path


@pytest.mark.parametrize("zipped", [False, True])
def test_plain_and_gzipped_files_read_alike(tmp_path, zipped):
    path = write(tmp_path / "tape", lines(20), zipped=zipped)
    recording = Recording.open((path,))
    assert recording.kept == 20
    assert recording.errors == []
    played = list(recording.lines())
    assert [line.local_ns for line in played] == [10**18 + n for n in range(20)]
    assert played[3].data == (QUOTE % 3)[len(b'{"stream":"btcusdt@bookTicker","data":') : -1]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"no stamp at all", "does not begin with a local time"),
        (b"", "does not begin with a local time"),
        (b"1000000000000000009 {", "not a frame of the venue"),
        (b"1000000000000000009 " + (QUOTE % 9)[:-20], "not a frame of the venue"),
        (b'1000000000000000009 {"stream":"x"}', "not a frame of the venue"),
        (b"1000000000000000001 " + QUOTE % 9, "local time goes back"),
        (b"1000000000000000009 " + (QUOTE % 9).replace(b"btc", b"eth"), "carries an event of BTC"),
        (b"1000000000000000009 \xff\xfe", "not a frame of the venue"),
        (b"1000000000000000009 " + b"[" * 9999, "not a frame of the venue"),
        (
            b"1000000000000000009 " + (QUOTE % 9).replace(b"61800.20", b"NaN"),
            "'NaN' is not a plain",
        ),
        (b"1000000000000000009 " + (QUOTE % 9).replace(b"2.507", b"-1"), "'-1' is not a plain"),
        (b"1000000000000000009 " + (QUOTE % 9).replace(b'"B":', b'"X":'), "not a frame of the"),
    ],
)
def test_a_bad_line_is_named_and_stops_or_is_passed_over(tmp_path, bad, reason):
    path = write(tmp_path / "tape", [*lines(9), bad, *lines(5, first=10)])
    stopped, skipped = Recording.open((path,), STOP), Recording.open((path,), SKIP)
    for recording, kept in ((stopped, 9), (skipped, 14)):
        (error,) = recording.errors
        assert (error.path, error.line, error.kept) == (path, 10, 9)
        assert reason in error.reason
        assert f"{path}, line 10: " in str(error)
        assert recording.kept == len(list(recording.lines())) == kept


@pytest.mark.parametrize("policy", [STOP, SKIP])
@pytest.mark.parametrize("lost", [1, 9, 200, 900])
def test_a_truncated_gzip_keeps_what_can_be_read(tmp_path, policy, lost):
    path = write(tmp_path / "tape.gz", lines(3000), zipped=True)
    path.write_bytes(path.read_bytes()[:-lost])
    recording = Recording.open((path,), policy)
    (error,) = recording.errors
    assert "gzip data end" in error.reason
    assert error.line == error.kept + 1
    played = list(recording.lines())
    assert len(played) == recording.kept == error.kept
    assert [p.local_ns for p in played] == [10**18 + n for n in range(len(played))]


def test_a_damaged_gzip_is_an_error_not_a_crash(tmp_path):
    path = write(tmp_path / "tape.gz", lines(3000), zipped=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(bytes(data))
    recording = Recording.open((path,), SKIP)
    assert recording.errors
    assert len(list(recording.lines())) == recording.kept < 3000


def test_files_are_merged_by_local_time(tmp_path):
    texts = lines(40)
    paths = tuple(write(tmp_path / f"t{n}", texts[n::3]) for n in range(3))
    times = [line.local_ns for line in Recording.open(paths).lines()]
    assert times == sorted(times)
    assert len(times) == 40
    assert all(a < b for a, b in pairwise(times))


def test_files_that_hold_nothing_or_are_not_there(tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(RecordingError, match="holds no line"):
        Recording.open((empty,))
    with pytest.raises(RecordingError, match="cannot be read: No such file"):
        Recording.open((tmp_path / "absent",))


def test_a_snapshot_belongs_to_the_one_symbol_of_its_file(tmp_path):
    late = b"1000000000000000100 "
    first = write(tmp_path / "a", [b"999999999999999999 " + SNAPSHOT, *lines(3)])
    assert set(Recording.open((first,)).surveys[0].snapshots) == {"BTCUSDT"}
    other = (QUOTE % 4).replace(b"btc", b"eth").replace(b"BTC", b"ETH")
    mixed = write(tmp_path / "b", [*lines(3), late + other, late + SNAPSHOT])
    (error,) = Recording.open((mixed,)).errors
    assert "several symbols" in error.reason


def test_answers_of_poise_record_name_their_symbol(tmp_path):
    eth = (QUOTE % 3).replace(b"btcusdt", b"ethusdt").replace(b"BTCUSDT", b"ETHUSDT")
    texts = [
        b'1 {"rest":"rest:exchangeInfo:","data":{"symbols":[]}}',
        b"2 " + QUOTE % 2,
        b"3 " + eth,
        b'4 {"rest":"rest:depth:ETHUSDT","data":' + SNAPSHOT + b"}",
        b'5 {"rest":"rest:depth:BTCUSDT","data":' + SNAPSHOT.replace(b":5,", b":6,") + b"}",
    ]
    recording = Recording.open((write(tmp_path / "tape", texts),))
    assert recording.errors == []
    (survey,) = recording.surveys
    assert sorted(survey.symbols) == ["BTCUSDT", "ETHUSDT"]
    ids = {symbol: line.event.last_update_id for symbol, line in survey.snapshots.items()}
    assert ids == {"ETHUSDT": 5, "BTCUSDT": 6}
    assert [line.local_ns for line in recording.lines()] == [2, 3, 4, 5]
