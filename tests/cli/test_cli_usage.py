"""Help, version, and every way to ask for something impossible."""

import json
import os
import subprocess
import sys

import pytest

from nvrc_cli import exit_codes
from nvrc_core import __version__

COMMANDS = ("encode", "decode", "info", "verify", "presets", "metrics", "bdrate")


def test_help_lists_the_commands_and_the_exit_codes(nvrc):
    outcome = nvrc("--help", env=os.environ | {"COLUMNS": "120"})
    assert (outcome.returncode, outcome.stderr) == (0, "")
    for word in (*COMMANDS, *exit_codes.MEANINGS.values()):
        assert word in outcome.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(nvrc, command):
    outcome = nvrc(command, "-h")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert f"nvrc {command}" in outcome.stdout


def test_no_arguments_print_the_help(nvrc):
    outcome = nvrc()
    assert outcome.returncode == 2
    assert "Exit codes" in outcome.stdout


def test_version(nvrc):
    assert nvrc("--version").stdout == f"nvrc {__version__} (file format 1.0)\n"


@pytest.mark.parametrize("arguments", [["--help"], ["encode", "--help"], ["--version"], ["presets"], ["info", "no"]])
def test_nothing_heavy_is_imported_without_need(arguments):
    script = (
        "import sys; from nvrc_cli.main import main; main(sys.argv[1:]);"
        "sys.exit(' '.join({'torch', 'av'} & sys.modules.keys()))"
    )
    outcome = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60)
    assert outcome.stderr.strip() in ("", "nvrc: error: no: no such file")


def test_presets_lists_names_and_what_they_are_for(nvrc):
    lines = nvrc("presets").stdout.splitlines()
    entries = json.loads(nvrc("presets", "--json").stdout)["presets"]
    assert [line.split()[0] for line in lines] == [entry["name"] for entry in entries]
    assert {"draft", "medium", "nvrc-s1"} <= {entry["name"] for entry in entries}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["encode"], "missing argument 'IN' (try nvrc encode --help)"),
        (["encode", "in.mkv"], "missing option '--output' / '-o' (try nvrc encode --help)"),
        (["encod"], "no such command 'encod'. Did you mean 'encode'"),
        (["encode", "in.mkv", "-o", "out.nvrc", "--bbp", "1"], "no such option: --bbp"),
        (["encode", "in.mkv", "-o", "out.nvrc", "--bpp", "much"], "invalid value for '--bpp'"),
        (["encode", "in.mkv", "-o", "out.nvrc", "--bpp", "1", "--lambda", "1"], "--bpp or --lambda"),
        (["encode", "in.mkv", "-o", "out.nvrc", "--bpp", "0"], "--bpp 0.0 is not a positive number"),
        (["encode", "in.mkv", "-o", "out.nvrc", "--lambda", "nan"], "--lambda nan is not a positive number"),
        (["encode", "in.mkv", "-o", "out.nvrc", "--lambda", "2e7"], "--lambda 20000000.0 is not between 0.1 and 1e+07"),
        (["encode", "in.mkv", "-o", "out.nvrc", "--preset", "hasty"], "unknown preset 'hasty'"),
        (
            ["encode", "in.mkv", "-o", "out.nvrc", "--preset", "fast", "--tune", "grain"],
            "preset fast has no tune 'grain': use one of psnr, msssim",
        ),
        (
            ["encode", "in.mkv", "-o", "out.nvrc", "--tune", "paper-rgb"],
            "preset medium has no tune 'paper-rgb': use one of psnr, msssim",
        ),
        (["encode", "in.mkv", "-o", "out.nvrc", "--frames", "5"], "frame range '5'"),
        (["encode", "in.mkv", "-o", "out.nvrc", "--frames", "5:5"], "is empty"),
        (["encode", "in.mkv", "-o", "out.nvrc", "--threads", "0"], "invalid value for '--threads'"),
        (["encode", "in.mkv", "-o", "out.nvrc", "-y", "-n"], "-y and -n exclude each other"),
        (["encode", "in.mkv", "-o", "out.nvrc", "--lambda", "1", "--strict"], "--strict is for a rate target"),
        (["encode", "in.yuv", "-o", "out.nvrc"], "--size WxH and --fps R describe raw .yuv input, which needs both"),
        (["encode", "in.mkv", "-o", "out.nvrc", "--fps", "25"], "--size WxH and --fps R describe raw .yuv input"),
        (["encode", "in.yuv", "-o", "out.nvrc", "--size", "64x", "--fps", "25"], "--size 64x"),
        (["encode", "in.yuv", "-o", "out.nvrc", "--size", "64x64", "--fps", "0/0"], "--fps 0/0"),
        (["encode", "in.yuv", "-o", "out.nvrc", "--size", "64x64", "--fps", "1e999999999"], "--fps 1e999999999"),
        (["encode", "in.mkv", "-o", "-", "--json"], "--json and -o - both need standard output"),
        (["encode", "in.mkv", "-o", "no/out.nvrc"], "no does not exist"),
        (["encode", "in.mkv", "-o", "."], "is a directory"),
        (["decode", "in.nvrc"], "missing option '--output' / '-o'"),
        (["info", "-", "--parts"], "--parts reads the file twice"),
    ],
)
def test_requests_that_make_no_sense(refused, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert words in refused(2, *arguments)
    assert not list(tmp_path.iterdir())


def test_input_that_is_no_video(refused, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("no video")
    output = tmp_path / "out.nvrc"
    assert refused(3, "encode", tmp_path / "absent.mkv", "-o", output).endswith("absent.mkv: no such file")
    assert "is a directory" in refused(3, "encode", tmp_path, "-o", output)
    assert str(text) in refused(3, "encode", text, "-o", output)
    assert "--device" not in refused(3, "encode", text, "-o", output, "--device", "cpu")
    assert not output.exists()


def test_files_that_are_not_nvrc(refused, clip, tmp_path):
    assert refused(3, "info", tmp_path / "absent.nvrc").endswith("absent.nvrc: no such file")
    assert "is a directory" in refused(3, "info", tmp_path)
    assert refused(4, "info", clip) == refused(4, "decode", clip, "-o", tmp_path / "out.y4m")
    coded = tmp_path / "coded.nvrc"
    coded.write_bytes(b"\x89NVRC\r\n\x1a" + bytes(100))
    assert "is a .nvrc file already" in refused(3, "encode", coded, "-o", tmp_path / "again.nvrc")
    assert refused(4, "info", os.devnull) == f"{os.devnull}: the file is empty"
    assert not (tmp_path / "out.y4m").exists()


def test_existing_outputs_are_kept(refused, clip, tmp_path):
    kept = tmp_path / "kept.nvrc"
    kept.write_bytes(b"kept")
    for flags in ([], ["-n"]):
        assert f"{kept} exists; overwrite it with -y" in refused(2, "encode", clip, "-o", kept, *flags)
    assert "same file" in refused(2, "decode", kept, "-o", kept, "-y")
    assert kept.read_bytes() == b"kept"


@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_folders_that_cannot_be_written(refused, clip, own_folder, mode):
    own_folder.chmod(mode)
    assert "is not writable" in refused(2, "encode", clip, "-o", own_folder / "out.nvrc")


def test_failures_are_json_as_well(nvrc, clip):
    for code, arguments in (
        (2, ["encode", "--json"]),
        (3, ["info", "absent", "--json"]),
        (4, ["info", clip, "--json"]),
    ):
        outcome = nvrc(*arguments)
        assert outcome.returncode == code
        error = json.loads(outcome.stdout)
        assert outcome.stderr == f"nvrc: error: {error['message']}\n"
        assert error == {"schema": 1, "event": "error", "code": code, "message": error["message"]}


def test_file_names_cannot_act_on_the_terminal(refused):
    assert refused(3, "info", "a\n\x1b[31mb\udcff").startswith("a \\x1b[31mb\\udcff: ")


def test_a_closed_standard_error_changes_nothing(nvrc):
    command = [sys.executable, "-m", "nvrc_cli", "info", "absent"]
    for redirection in ("2>&-", "2>/dev/full", ">&- 2>&-"):
        outcome = subprocess.run(["sh", "-c", f'"$@" {redirection}', "sh", *command], capture_output=True, timeout=60)
        assert (outcome.returncode, outcome.stdout) == (3, b"")
