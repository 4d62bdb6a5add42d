"""Flags that cannot be meant, in every program."""

import os
import subprocess

import pytest
from absl import flags
from bad_folders import SCRIPTS, run_script

from planet_tf2.tools import command
from planet_tf2.tools.plain_text import one_line, short_repr

HOME = os.path.expanduser("~")


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "missing"),
        ("a\nb", r"'a\\nb' has control"),
        ("a\x00", "control"),
        ("gs://bucket/logs", "'gs://bucket/logs' is a URL"),
        ("s3://bucket", "URL"),
        ("hdfs://host:9000/x", "URL"),
        ("~nobody_of_that_name/x", "no known user.*mean ./~nobody"),
    ],
)
def test_what_is_no_path(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        command.path(text)
    assert "\n" not in str(caught.value)


def test_paths():
    for text in ("x", "a b", "lä/[x]", "dmc:x/y", "a~", "./~x"):
        assert command.path(text) == text
    for text in ("~/x", "~", "~root/x"):
        assert command.path(text) == os.path.expanduser(text)


@pytest.mark.parametrize(
    "name, arguments, words",
    [
        ("report", ["--logdir=a", "--logdir=b"], "given twice, before as a"),
        ("report", ["--logdir=a", "--out=~nobody_of_that_name/x"], "--out"),
        ("report", ["--logdir=a", "b"], "Not understood: b"),
        ("plot", ["--logdir=a,s3://b"], "s3://b"),
        ("plot", ["--logdir=a", "--band=std", "--band=none"], "--band=none"),
        ("diagnose", ["--logdir=a", "--nosuch\x1b[2J=3"], "nosuch\\x1b[2J"),
        ("diagnose", ["--logdir=a", "--seed=" + 9999 * "9"], "--seed=9999"),
        ("evaluate", ["--logdir=a", "--video=\n"], "--video"),
        ("status", ["--logdir=a", "--every=nan"], "--every=nan"),
        ("video_prediction", ["--logdir=a", "--fps=nan"], "--fps=nan"),
        ("status", [], "--logdir"),
        ("create_video", ["--frame_size=a,b"], "--frame_size"),
    ],
)
def test_mistakes_in_flags_are_one_line(name, arguments, words, capsys):
    try:
        status, said = run_script(name, *arguments), capsys.readouterr().err
    except SystemExit as end:
        status, said = 1, end.code
    assert status == 1
    assert words in said
    assert len(said) < 600 and len(said.splitlines()) == 1


def test_paths_of_programs_are_expanded(capsys):
    for name in ("report", "plot"):
        assert run_script(name, "--logdir=~/no such folder") == 1
        assert f"{HOME}/no such folder" in capsys.readouterr().err
    assert run_script("plot", "--logdir=~/none,~/too", "~/three") == 1
    assert f"{HOME}/none" in capsys.readouterr().err


def test_equal_values_and_lists_can_be_given_again(capsys):
    arguments = ["--logdir=a", "--logdir=b", "--allow_failed", "--seed=3"]
    assert run_script("evaluate", *arguments, *arguments[2:]) == 1
    assert "no folder" in capsys.readouterr().err


def test_help_tells_of_types():
    program = [os.sys.executable, SCRIPTS / "report.py", "--helpshort"]
    told = subprocess.run(program, capture_output=True, text=True).stdout
    assert "--logdir" in told and "--title" in told and "--evaluation" in told
    flag = flags.FLAGS["verbosity"]
    assert command._Once(flag.parser).syntactic_help == "an integer"


def test_short_texts():
    assert one_line("a\n\x1b[1m\u202eb\x9b") == r"a\n\x1b[1m\u202eb\x9b"
    assert one_line("ä日本 $x$") == "ä日本 $x$"
    assert len(one_line("x" * 10**6, 100)) < 110
    deep = [["y" * 500] * 500] * 500
    assert len(short_repr(deep)) < 220
    assert short_repr(10**400).startswith("1000")
    assert short_repr([{"a": "b"}, 1.5]) == "[{'a': 'b'}, 1.5]"
