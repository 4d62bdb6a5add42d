"""YAML without surprises, and the messages for what is refused."""

import math
import time

import pytest
import yaml

from planet_tf2.agents import resolve
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.tools.plain_yaml import MAX_LENGTH, read


@pytest.mark.parametrize(
    "text, value",
    [
        ("", None),
        ("# nothing", None),
        ("a:\nb: ~", {"a": None, "b": None}),
        ("{a: yes, b: OFF, c: n}", {"a": True, "b": False, "c": "n"}),
        ("[12, -3, +4, 0, 007, 1:30, 0b11, 0o17, 0x1F, 1_000]",
         [12, -3, 4, 0, "007", "1:30", "0b11", "0o17", "0x1F", "1_000"]),
        ("[1.5, .5, 3., 1.5e+3, 1e-4, 1:30.5, 1_0.5, -.5]",
         [1.5, 0.5, 3.0, 1500.0, "1e-4", "1:30.5", "1_0.5", "-.5"]),
        ("[.inf, -.INF]", [math.inf, -math.inf]),
        ("[2020-01-31, =, <<, '1', \"2\"]",
         ["2020-01-31", "=", "<<", "1", "2"]),
        ('"\\ud83d\\ude00"', "😀"),
        ("{<<: {a: 1}}", {"<<": {"a": 1}}),
        ("{a: &x [1], b: *x}", {"a": [1], "b": [1]}),
    ],
)  # fmt: skip
def test_reads(text, value):
    assert read(text) == value


_BOMB = ", ".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]" for n in range(1, 12))


@pytest.mark.parametrize(
    "text, words",
    [
        ("{a: 1, b: 2, a: 1}", "'a' is given twice at line 1, column 14"),
        ("{a: [{b: 1, 'b': 2}]}", "'b' is given twice"),
        ("{a: 1,000}", "'000' behind 'a' has no value"),
        ("{a: (3, 4)}", r"'4\)' behind 'a' has no value"),
        ("{a: 0,5, b: 1}", "'5' behind 'a' has no value"),
        ("{a:3}", "'a:3' has no value .put a space"),
        ("{a: !!int ''}", "tags such as '!!int'"),
        ("!!float x", "'!!float'"),
        ("{a: !env HOME}", "'!env'"),
        ("{a0: &a0 [x], " + _BOMB + "}", "aliases make too much"),
        ("{a: &a " + "x" * 9000 + ", b: [*a, *a, *a, *a]}", "aliases"),
        ("[" * 500 + "]" * 500, "too deep"),
        ("&a {a: *a}", "too deep"),
        ("{[1]: 2}", "cannot be a name"),
        ("'" + "x" * 10**6 + "'", f"{MAX_LENGTH} are allowed"),
        ("{a: *b}", "undefined alias"),
        ("1\n---\n2", "line 2"),
        ("'\x07'", "unacceptable character"),
        ('{a: "\\ud800"}', "half of a character"),
    ],
)
def test_refuses_in_a_line(text, words):
    start = time.monotonic()
    with pytest.raises(ValueError, match=words) as caught:
        read(text)
    assert time.monotonic() - start < 2
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "value",
    [
        *("010 0x1 1:30 1_0 yes None ~ = << 2020-01-01 1e5 -.5 .5 +1".split()),
        *("1.5e3 0o7 08 1: - ? *a &a !x %y @z #c | > 1,2 [a {b .inf".split()),
        "",
        " a ",
        "a\nb",
        "\x1b\x00😀ä\u2028",
        10**17,
        -0.0,
        1e-300,
        1e22,
        math.inf,
        {"1": 1, "": None, "a": [[], {}, True]},
    ],
)
def test_reads_what_was_written(value):
    for style in (None, True, False):
        assert read(yaml.safe_dump([value], default_flow_style=style)) == [
            value
        ]


def test_numbers_are_what_they_look_like():
    text = (
        "{max_steps: 010000, num_units: 012, free_nats: 00.5, image_size: 64}"
    )
    params = resolve("debug", text)
    found = params.max_steps, params.num_units, params.free_nats
    assert (*found, params.image_size) == (10000, 12, 0.5, 64)
    assert resolve("debug", "{max_steps: 1_000_000}").max_steps == 1000000


@pytest.mark.parametrize(
    "overrides, words",
    [
        ({"action_repeat": "None"}, "or null, not 'None'.*Write null"),
        ({"max_steps": "1,000,000"}, "Write 1000000, without commas"),
        ({"batch_shape": "(5, 10)"}, r"Write \[5, 10\] for a list"),
        ({"num_units": "1:30"}, "'num_units'.*'1:30'"),
        ({"max_steps": 10**309}, "'max_steps'.*largest is 10+"),
        ({"free_nats": 10**309}, "'free_nats'"),
        ({"reward_head_bounds": [0, math.inf]}, "'reward_head_bounds'.*inf"),
        ({"image_supersampling": 1000}, "'image_supersampling'.*to 32"),
        ({"shadow_size": 10**6}, "'shadow_size'.*to 16384, or null"),
        ({"env_timeout_seconds": 1e7}, "'env_timeout_seconds'.*1000000.0"),
        (
            {"tasks": [{"gym": "CartPole-v1"}]},
            "'tasks'.*Write gym:CartPole-v1 without a space",
        ),
        ({"tasks": [{"id": "a:b", "args": {}}]}, "no task. Write one with"),
        ({"tasks": ["x" * 10**6]}, "'tasks'"),
        ({"record_observations": ["ab"] * 5000}, "'record_observations'.*long"),
        ({"x" * 10**6: 1}, "Unknown parameter 'xxx"),
        ({"activation": "y\n\x1b[2J" * 10**5}, "'activation'"),
        ({"train_collects": [{"z" * 10**6: [1] * 10**5}]}, "'train_collects'"),
    ],
)
def test_bad_values_are_a_short_line(overrides, words):
    start = time.monotonic()
    with pytest.raises(ConfigError, match=words) as caught:
        resolve("debug", overrides=overrides)
    assert time.monotonic() - start < 2
    message = str(caught.value)
    assert len(message) < 900 and message.isprintable()
