"""Which exit code a failure has, and what is said of it."""

import errno

import pytest
from nvrc_formats.errors import ChecksumError, FormatError, VideoFileError

from nvrc_cli.exit_codes import MEANINGS, exit_code
from nvrc_cli.failures import report
from nvrc_cli.options import parse_rate, parse_raw, parse_size
from nvrc_cli.terminal import clock, one_line
from nvrc_core import errors


class OutOfMemoryError(RuntimeError):
    """As torch has one."""


FAMILIES = {
    errors.UsageError("x"): 2,
    errors.MediaError("x"): 3,
    VideoFileError("x"): 3,
    FormatError("x"): 4,
    ChecksumError("x"): 4,
    errors.SymbolMismatchError("x"): 5,
    errors.PixelDriftError("x"): 6,
    errors.TargetMissedError("x"): 7,
    errors.ResourceError("x"): 9,
    MemoryError(): 9,
    OutOfMemoryError("x"): 9,
    OSError(errno.ENOSPC, "x"): 9,
    OSError(errno.EIO, "x"): 1,
    ValueError("x"): 1,
}


@pytest.mark.parametrize("error", FAMILIES, ids=repr)
def test_each_family_has_its_exit_code(error, capsys):
    code = FAMILIES[error]
    assert exit_code(error) == report(error, [], []) == code
    assert code in MEANINGS
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("nvrc: internal error: " if code == 1 else "nvrc: error: ")


def test_every_expected_error_has_a_family():
    for family in errors.NvrcError.__subclasses__():
        assert exit_code(family("x")) != 1


def test_internal_errors_are_traced_on_demand(capsys, monkeypatch):
    def messages(arguments: list[str]) -> str:
        with pytest.raises(ZeroDivisionError) as caught:
            raise ZeroDivisionError("first\nsecond")
        assert report(caught.value, arguments, []) == 1
        return capsys.readouterr().err

    line = "nvrc: internal error: ZeroDivisionError: first second\n"
    assert messages([]) == line
    assert "Traceback" in messages(["-v"])
    monkeypatch.setenv("NVRC_DEBUG", "1")
    assert messages([]).endswith(line)
    assert "Traceback" in messages([])


def test_signals_give_the_code_of_the_first(capsys):
    assert report(KeyboardInterrupt(), [], []) == 130
    assert report(KeyboardInterrupt(), [], [15, 2]) == 143
    assert capsys.readouterr().err == "nvrc: interrupted\nnvrc: terminated\n"
    assert report(BrokenPipeError(), ["--json"], []) == 141
    assert capsys.readouterr() == ("", "")


def test_the_payload_is_never_mixed_with_json(capsys):
    for arguments in (["--json", "-o", "-"], ["--output", "-", "--json"], ["-o-", "--json"]):
        report(errors.UsageError("x"), arguments, [])
        assert capsys.readouterr().out == ""


def test_raw_options():
    assert parse_raw("-", "64x48", "30000/1001") == ((64, 48), parse_rate("30000/1001"))
    assert parse_raw("clip.mkv", None, None) == (None, None)
    assert parse_rate("23.976") * 1000 == 23976
    for size in ("64", "0x5", "64x", "-1x5", "64x48x2", "9999999x1"):
        with pytest.raises(errors.UsageError, match="--size"):
            parse_size(size)
    for rate in ("", "x", "0", "-1", "1/0", "nan", "inf", "1" * 30):
        with pytest.raises(errors.UsageError, match="--fps"):
            parse_rate(rate)
    for size, rate in (("64x48", None), (None, "25")):
        with pytest.raises(errors.UsageError, match="both"):
            parse_raw("clip.mkv", size, rate)


def test_words():
    assert one_line("a\n b\tc") == "a b c"
    assert one_line("\x1b[2J\u202e") == "\\x1b[2J\\u202e"
    assert [clock(seconds) for seconds in (0, 59.6, 750, 3723)] == ["0:00", "1:00", "12:30", "1:02:03"]
