"""`poise replay`: exit codes 0, 2 and 3, one clear sentence each, never a traceback."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from poise.app.cli import main

S = 1_000_000_000
START = 1_723_161_255 * S


def tape(count=30, symbol="BTCUSDT"):
    lines = []
    for key in range(1, count + 1):
        at = START + key * S // 10
        data = {"e": "trade", "E": 1, "T": at // 10**6, "s": symbol, "t": key, "p": "61800.30",
                "q": "0.006", "m": False}  # fmt: skip
        frame = {"stream": f"{symbol.lower()}@trade", "data": data}
        lines.append(f"{at} {json.dumps(frame)}\n".encode())
    return lines


@pytest.fixture
def poise(monkeypatch, capsys):
    def run(*args):
        monkeypatch.setattr(sys, "argv", ["poise", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return ended.value.code or 0, out, err

    return run


@pytest.fixture
def save(tmp_path):
    def write(data, name="tape"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else b"".join(data))
        return path

    return write


def test_a_sound_tape(poise, save):
    code, out, err = poise("replay", save(tape()), "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert (result["lines"], result["trades"], result["quarantined"]) == (30, 30, 0)
    assert result["digest"] == json.loads(poise("replay", save(tape()), "--json")[1])["digest"]
    assert {"gaps", "chain_breaks", "book_checks", "book_mismatches"} <= set(result)


def test_words_for_people(poise, save):
    code, out, _ = poise("replay", save(tape()))
    assert code == 0
    assert "30 lines, 30 trades" in " ".join(out.split())
    assert "digest " in out


@pytest.mark.parametrize("bad", [1, 25])
def test_broken_lines_are_named_and_counted(poise, save, bad):
    lines = tape(40)
    for at in range(5, 5 + bad):
        lines[at] = b"nonsense\n" if at % 2 else lines[at].replace(b"61800.30", b"NaN")
    code, out, err = poise("replay", save(lines), "--json")
    assert code == 3
    result = json.loads(out)
    assert (result["lines"], result["quarantined"], result["trades"]) == (40, bad, 40 - bad)
    assert err.count("left out: tape, line") == min(bad, 20)
    assert "left out: tape, line 6: does not begin with a receive time" in err
    assert f"{bad} lines left out, {40 - bad} kept" in err
    assert ("(first 20 of 25 shown)" in err) is (bad > 20)


def test_a_truncated_gzip_is_played_as_far_as_it_goes(poise, save):
    data = gzip.compress(b"".join(tape(3_000)))
    code, out, err = poise("replay", save(data[: len(data) // 2], "tape.gz"), "--json")
    assert code == 3
    result = json.loads(out)
    assert 500 < result["trades"] < 3_000
    assert result["lines"] == result["trades"] + 1
    assert "the compressed data end or break here" in err
    assert f"1 lines left out, {result['trades']} kept" in err


USER_ERRORS = [
    (["none"], "cannot read none: No such file or directory"),
    (["empty"], "holds no recorded frame: expected lines of"),
    (["noise"], "holds no recorded frame: expected lines of"),
    (["tape", "none"], "cannot read none"),
    (["other"], "the scales of DOGEUSDT are unknown (catalogue: BTCUSDT, ETHUSDT)"),
    (["tape", "--speed", "warp"], "--speed 'warp': write max, or a factor"),
    (["tape", "--timeframes", "1s:5"], "timeframe '1s:5': write NAME:WINDOW"),
    (["tape", "--scale", "BTCUSDT"], "--scale 'BTCUSDT': write SYMBOL="),
]


@pytest.mark.parametrize(
    ("args", "sentence"), USER_ERRORS, ids=[row[1][:30] for row in USER_ERRORS]
)
def test_what_the_user_gave_wrong_is_one_sentence(poise, save, monkeypatch, args, sentence):
    folder = save(tape()).parent
    save(b"", "empty")
    save(bytes(range(256)) * 40, "noise")
    save(tape(symbol="DOGEUSDT"), "other")
    monkeypatch.chdir(folder)
    code, out, err = poise("replay", *args)
    assert (code, out) == (2, "")
    assert err.startswith("poise: ")
    assert sentence in err
    assert err.count("\n") == 1


def test_the_way_forward_that_is_named_works(poise, save):
    code, out, _ = poise(
        "replay", save(tape(symbol="DOGEUSDT")), "--scale", "DOGEUSDT=2,3", "--json"
    )
    assert code == 0
    assert json.loads(out)["trades"] == 30


@pytest.mark.parametrize("args", [["replay"], ["replay", "x", "--none"], ["nothing"]])
def test_usage_errors_are_those_of_the_command_line(poise, args):
    code, _, err = poise(*args)
    assert code == 2
    assert "Usage: " in err


def test_the_installed_command(save):
    command = Path(sys.executable).with_name("poise")
    path = save([*tape(), b"nonsense\n"])
    done = subprocess.run(
        [command, "replay", path, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert json.loads(done.stdout)["trades"] == 30
    assert "line 31" in done.stderr
    assert "Traceback" not in done.stderr
