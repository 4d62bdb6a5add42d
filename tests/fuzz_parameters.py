"""Throws texts and values at what reads the parameters of `train.py`.

    python tests/fuzz_parameters.py --cases 100000 --seed 0

Each command line goes through all that `train.py` does with it before it starts
anything. It ends as parameters, which are written to a `config.yaml` and read
back equal, or in one short line that names the parameter or the flag; never in
a traceback, and within two seconds of the processor.
"""

import functools
import json
import logging
import os
import pathlib
import re
import sys
import tempfile
from unittest import mock

import fuzzing
from absl import flags
from bad_folders import script

from planet_tf2 import agents
from planet_tf2.configs import params_text, resolve
from planet_tf2.configs.kinds import as_yaml
from planet_tf2.configs.resolve import describe
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.experiment.experiment import Experiment
from planet_tf2.tools import command

LENGTH = 1100  # Characters of a message.
AGENT = agents.find()
NAMES = list(AGENT.Parameters.known())

NUMBERS = """
0 1 -1 2 5 64 0.5 .5 -.5 3. +3 1e3 1E-4 1e-04 1e400 -1e400 1e16 010 0o10 0x1F
0b11 1_000 1__0 1,000,000 1:30 190:20:30.5 1/3 10k 5% -0 00 1e 0x nan .nan .NaN
inf .inf -.Inf 9223372036854775808 1000000000000000 1.7976931348623157e308 ½ ４
٣ −1 1'000
""".split()
# Apart at line ends and two spaces, since some have one space in them.
ODD = """
null  ~  None  none  NULL  true  TRUE  yes  off  n  y  on  True  False  t  ~/x
[]  {}  [[]]  [{}]  ''  ""  '  "  ,  :  ?  -  |  >  &  *  !  %  @  `  #  =  <<
---  ...  \\  /  $x$  (5, 10)  [5, 10]  [5,  {a: 1}  {a:1}  {a 1}  [1,000]  !x y
!!bool x  !!int ""  !!timestamp x  !!float y  !!binary =  !!set {a}  !  &a [*a]
!!python/name:os.system  !<tag:x> y  *a  &a 1  {<<: {a: 1}}  ? [a]  2020-01-01
2020-13-45  2001-12-14t21:59:43.10  "\\x00"  "\\uD800"  "\\n\\e[2J"  'it''s'
"unclosed  'unclosed  [unclosed  {unclosed  <every: 3>  [<every: 3>]  <>  ><
gym: CartPole-v1  gym:CartPole-v1  dmc:hopper_hop  gym:Nope-v0  my_task:make
gym:CarRacing-v3?continuous=false  dummy  cheetah_run  gym:X?a=1&a=2  rssm  ?a=b
dummy?x=!!int&y  {id: dummy, kwargs: {a: 010}}  [dummy, dummy]  [{id: a}]
a:b  reward
"""
ODD = re.split("  |\n", ODD.strip())
LETTERS = (
    "{}[]<>:,'\"#&*!|>%@`?-=~. \n\t\\0123456789aeinostxyzNT_$/ä日\u2028\u202e😀"
)
RARE = "\x00\x07\x1b\x7f\x85\x9b\ud800\udcff\ufeff\ufffe\r\u00a0"
BOMB = ", ".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]" for n in range(1, 12))
HUGE = ["9" * 309, "9" * 5000, "x" * 40000, "[" * 500 + "]" * 500, "-" * 999,
        "{a: " * 500 + "1" + "}" * 500, "{a0: &a0 [x], " + BOMB + "}",
        "'" * 29999, '"\\"' * 9000, "? " * 9000, "gym:" + "a?" * 9000,
        "- " * 9000, "&a " * 9000, "[1," * 9000, "a: " * 9000, "\n" * 29999,
        "x" * 10**6, "[" + "ab, " * 7000 + "]", '"\\x1b' + "é" * 20000 + '"',
]  # fmt: skip
LOGDIRS = ["logs", "", "~/x", "~", "~nobody_there/x", "gs://b/x", "s3://b",
           "file:///x", "a\nb", "\x1b[2J", "lä [x] $y$", "x" * 300, "..",
           "/dev/null/x", "\x00", "/proc/x", "a" * 5000, "\udcff"]  # fmt: skip
FLAGS_OF_PROGRAM = {
    "num_runs": ["1", "3", "0", "99999", "1000000000", "x", "1e3", "9" * 5000],
    "ping_every": ["30", "0", "inf", "nan", "-1", "1e7", "1e308", "x", ""],
    "seed": ["0", "7", "-1", str(2**31), "x", "1.5", "9" * 309],
    "config": ["debug", "cpu", "debgu", "", "x\ny", "\x1b", "y" * 99999],
    "worker_name": ["w", "", "a\nb", "\x1b[2J", "ä", "\udcff", "z" * 9999],
    "logdir": LOGDIRS,
    "wait": ["true", "x", "1\n"],
    "nosuch": ["1", "\x1b\n", "v" * 9999],
}


class Generator:
    """Makes command lines at random."""

    def __init__(self, random) -> None:
        self.random = random

    def arguments(self) -> list[str]:
        """Returns a command line for `train.py`."""
        pick = self.random.random
        given = ["--logdir", "logs"]
        if pick() < 0.85:
            given += ["--config", "debug"]
        for _ in range(self.random.choice([0, 0, 1, 1, 2, 5])):
            given.append(self.flag())
        if pick() < 0.8:
            given += ["--params", self.text()]
        if pick() < 0.02:
            given.append(self.random.choice([*ODD, *given]))
        return given

    def flag(self) -> str:
        if self.random.random() < 0.2:
            name = self.random.choice(list(FLAGS_OF_PROGRAM))
            return f"--{name}={self.random.choice(FLAGS_OF_PROGRAM[name])}"
        name = self.random.choice(NAMES)
        if self.random.random() < 0.1:
            return self.random.choice(["--", "--no", "-"]) + name
        return f"--{name}={self.value(name)}"

    def text(self) -> str:
        """Returns a text for `--params`: a valid one, or one that was."""
        kind = self.random.random()
        if kind < 0.03:
            return self.random.choice([*HUGE, *ODD])
        if kind < 0.3:
            preset = self.random.choice(list(AGENT.PRESETS.values()))
            names = [name for name in preset if self.random.random() < 0.5]
            text = as_yaml({name: preset[name] for name in names})
        else:
            names = self.random.choices(
                NAMES, k=self.random.choice([1, 1, 2, 3])
            )
            pairs = [f"{name}: {self.value(name)}" for name in names]
            text = "\n".join(pairs) if kind < 0.4 else f"{{{', '.join(pairs)}}}"
        if self.random.random() < 0.1:
            text = text.replace("{", "<").replace("}", ">")
        for _ in range(self.random.choice([0, 0, 0, 0, 1, 3])):
            text = self.mutated(text)
        return text

    def value(self, name: str) -> str:
        kind = self.random.random()
        if kind < 0.5:
            return as_yaml(AGENT.Parameters.field(name).default)
        if kind < 0.6:
            return self.random.choice(NUMBERS)
        if kind < 0.8:
            return self.random.choice(ODD)
        if kind < 0.82:
            return self.random.choice(HUGE)
        if kind < 0.9:
            others = AGENT.Parameters.field(self.random.choice(NAMES)).default
            return as_yaml(others)
        return json.dumps(self.plain(), ensure_ascii=self.random.random() < 0.5)

    def plain(self, depth: int = 0):
        """Returns plain data of random types."""
        kind = self.random.randrange(7 if depth > 3 else 9)
        if kind == 7:
            return [self.plain(depth + 1) for _ in range(kind - 5)]
        if kind == 8:
            keys = [*NAMES[:3], *"every horizon objective name 1".split(), ""]
            return {self.random.choice(keys): self.plain(depth + 1)}
        return (None, True, self.random.randrange(-3, 99), 10**400,
                self.random.gauss(0, 9), self.random.choice(ODD),
                "".join(self.random.choices(LETTERS, k=5)))[kind]  # fmt: skip

    def mutated(self, text: str) -> str:
        pick, at = self.random, self.random.randrange(len(text) + 1)
        times = pick.choice([2, 50, 999])
        end = min(len(text), at + pick.randrange(1, 12))
        letters = RARE if pick.random() < 0.1 else LETTERS
        return pick.choice(
            [
                lambda: text[:at] + text[end:],
                lambda: text[:at] + pick.choice(letters) + text[at:],
                lambda: text[:at] + pick.choice(letters) + text[end:],
                lambda: text[:at] + text[at:end] * times + text[end:],
                lambda: text[:at] + pick.choice([*ODD, *NUMBERS]) + text[at:],
                lambda: text[: at + 1],
                lambda: text + ", " + text,
            ]
        )()  # fmt: skip


class Refused(Exception):
    """What the program says, and where the fault is."""


def start(arguments: list[str], folder: pathlib.Path) -> str:
    """Does what `train.py` does before it starts anything.

    Raises:
      Refused: The arguments are not taken.
    """
    values = flags.FLAGS
    values.unparse_flags()
    try:
        command.parse_flags(["train.py", *arguments])
    except SystemExit as end:
        raise Refused(str(end.code)) from None
    try:
        params = agents.resolve(
            values.config,
            values.params,
            params_text.flag_overrides(AGENT.Parameters),
            values.agent,
        )
        entries = [*params.train_collects, *params.test_collects]
        objectives = [entry.get("objective", "") for entry in entries]
        # Modules of random names are not imported.
        if ":" not in "".join([params.collect_objective, *objectives]):
            AGENT.check_settings(params)
        Experiment(
            folder / "logs",
            values.num_runs,
            worker_name=values.worker_name,
            ping_every=values.ping_every,
        )
    except command.EXPLAINED as error:
        raise Refused(f"Error: {error}") from None
    run = RunFolder(folder)
    settings = {"preset": values.config, "params": params, "seed": values.seed}
    run.write_config(settings)
    saved = run.read_config()["params"]
    again = agents.resolve("default", overrides=saved)
    assert resolve.lasting_differences(AGENT, saved, params) == []
    assert list(map(repr, again.items())) == list(map(repr, params.items()))
    return "accepted"


def check_message(text: str, arguments: list[str]) -> str:
    """Checks what is said of arguments that are not taken."""
    assert text.startswith("Error: "), "it does not say that it is an error"
    assert len(text) <= LENGTH, f"it has {len(text)} characters"
    assert len(text.splitlines()) == 1, "it has several lines"
    assert not any(c in text for c in "\x00\x07\x1b\x7f\x9b\u202e"), "it steers"
    words = [*NAMES, "--", "flag", "arameter", "preset", "Not understood"]
    assert any(word in text for word in words), "it names nothing"
    *before, last = arguments
    if before[2:] == ["--config", "debug"] and last[:2] == "--":
        name = last[2:].partition("=")[0].removeprefix("no")
        others = ("micro_batches", "batch_shape", "action_repeat")
        assert any(word in text for word in (name, *others)), "it names another"
    return "refused"


def fuzz(cases: int, seed: int = 0) -> tuple[dict, list[str]]:
    """Tries command lines; returns figures, and what went wrong."""

    def attempt(random):
        arguments = Generator(random).arguments()
        try:
            return start(arguments, pathlib.Path(folder)), ""
        except Refused as refusal:
            said = str(refusal)
        except Exception as error:
            error.add_note(f"{arguments!r:.300}")
            raise
        try:
            return check_message(said, arguments), ""
        except AssertionError as error:
            return "refused", f"{arguments!r:.300}\n{error}: {said:.300}"

    with (
        tempfile.TemporaryDirectory() as folder,
        script("train"),
        mock.patch.object(os, "fsync"),
        mock.patch.object(logging.Logger, "warning"),
        # They take most of the time, and are the same each time.
        mock.patch.object(resolve, "describe", functools.cache(describe)),
    ):
        return fuzzing.fuzz(attempt, cases, seed)


if __name__ == "__main__":
    sys.exit(fuzzing.main(fuzz, __doc__))
