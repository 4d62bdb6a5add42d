"""What is done with the commands of the documentation.

Every program of this repository has a rule here: the arguments that make it
small, with which it is run, or the reason why it is not. Without a rule
`tests/test_docs_runs.py` fails.
"""

import re
import shlex
import sys

from doc_files import DOCUMENTS, ROOT, commands

# The smallest training that does everything, without a simulator. Flags win
# over --params, and the last of two flags over the first.
_SMALL = (
    "--config=debug",
    "--tasks=[dummy]",
    "--isolate_envs=process",
    "--num_runs=1",
    "--batch_shape=[2, 5]",
    "--cnn_depth=2",
    "--action_repeat=100",
    "--max_steps=6",
    "--train_steps=4",
    "--test_steps=2",
    "--collect_every=4",
)
_SMALL_DREAMER = (
    "--isolate_envs=process",
    "--steps=20",
    "--eval_every=20",
    "--prefill=20",
    "--batch_size=2",
)
# By the file of the program.
SCRIPTS = {
    "scripts/train.py": _SMALL,
    "scripts/train.py --agent dreamer": (
        "--config=debug",
        "--tasks=[dummy]",
        *_SMALL_DREAMER,
    ),
    "scripts/dreamer.py": ("--configs=debug", "--task=dummy", *_SMALL_DREAMER),
    "scripts/evaluate.py": ("--episodes=1",),
    "scripts/watch.py": ("--horizon=5",),
    "scripts/plot.py": (),
    "scripts/diagnose.py": ("--starts=1", "--decisions=2"),
    "scripts/video_prediction.py": ("--sequences=1",),
    "scripts/report.py": (),
    # An episode of the small run has ten decisions.
    "scripts/inspect_planner.py": ("--decisions=1,9",),
    # What this project publishes is not to be changed.
    "scripts/publish_result.py": (
        "--episodes=1",
        "--results=results",
        "--page=page.md",
    ),
    "scripts/status.py": ("--nowatch",),
    "scripts/plan_true_simulator.py": (
        "--episodes=1",
        "--amount=3",
        "--topk=1",
        "--horizon=1",
        "--iterations=1",
    ),
    "benchmarks/preset_sizes.py": (
        "--sizes={}",
        "--seconds=1",
        "--train_episodes=1",
        "--test_episodes=1",
        "--test_batches=1",
        "--rounds=1",
    ),
    "benchmarks/against.py": "it runs ten programs, and needs git",
    "benchmarks/profile_step.py": "the default sizes take minutes",
    "scripts/collect.py": "tests/test_apart.py plays for a run",
    "scripts/episodes.py": "tests/test_exchange.py runs it",
    "scripts/export.py": "tests/test_export.py exports in every format",
    "scripts/tune.py": "it starts Ray; tests/test_tune_runs.py runs it",
    "tests/stress_resume.py": "tests/test_resuming.py runs it",
    "scripts/viewer.py": "tests/test_viewer.py runs it, on a virtual screen",
    "scripts/doctor.py": "its status depends on the machine",
}
# What stands for a folder in the text, and what it is where commands are run.
_PLACES = (
    ("path/to/planet_tf2/", ""),
    ("/shared/", "logs/"),
    ("/data/planet/", "logs/"),
)


def all_commands():
    """Returns the commands of all documents, each once."""
    found = {}
    for document in DOCUMENTS:
        for command in commands(document):
            found.setdefault(bare(command.words), command)
    return {words: command for words, command in found.items() if words}


def bare(words):
    """Returns a command without variables, `sudo` and a virtual screen."""
    words = list(words)
    while words and re.fullmatch(r"[A-Z0-9_]+=.*", words[0]):
        words.pop(0)
    if words and words[0] in ("sudo", "xvfb-run"):
        words.pop(0)
        while words and words[0].startswith("-"):
            words.pop(0)
    return tuple(words)


def find_rule(words):
    """Returns what is to be done with a command.

    Raises:
      KeyError: nothing says.
    """
    program, *rest = words
    if program == "tensorboard":
        return ("--inspect",)  # It serves until Ctrl-C.
    if program not in ("python", "python3") or rest[0].startswith("-"):
        return "it is no program of this repository"
    if len(rest) == 1:
        return "the program is only mentioned"
    name = rest[0].removeprefix("path/to/planet_tf2/")
    if name == "scripts/train.py" and "dreamer" in rest:
        name += " --agent dreamer"
    return SCRIPTS[name]


def small(words, number):
    """Returns a command as it is run: other places, and small.

    What makes it small takes the place of flags of the same names. Every
    training, of a number of its own, goes to a folder of its own.
    """
    result = []
    for word in words:
        for old, new in _PLACES:
            word = word.replace(old, new)
        # Any run will do, for those that are published too.
        is_run = re.fullmatch(r"RUN|(logs|results)/(\w+-)+\d+", word)
        result.append("logs/cheetah/00001" if is_run else word)
    if result[0] in ("python", "python3"):
        result[0] = sys.executable
        training = result[1] in ("scripts/train.py", "scripts/dreamer.py")
        result[1] = str(ROOT / result[1])
        if training:
            place = result.index("--logdir") + 1
            result[place] = f"new/{number}"
    elif result[0] == "tensorboard":
        result[:1] = [sys.executable, "-m", "tensorboard.main"]
    rule = find_rule(words)
    return (*_without(result, rule), *rule)


def _without(words, flags):
    """Returns a command without flags that are also among others."""
    names = {flag.partition("=")[0] for flag in flags}
    names |= {name.replace("--no", "--", 1) for name in names}
    kept, left_out = [], False
    for word in words:
        if word.startswith("--"):
            left_out = word.partition("=")[0] in names
        if not left_out:
            kept.append(word)
    return kept


def to_run():
    """Returns the commands that are run, those that come to the same once."""
    found = {}
    for words, command in all_commands().items():
        try:
            rule = find_rule(words)
        except KeyError:
            continue  # Another test tells.
        if isinstance(rule, tuple):
            made = small(words, len(found))
            # Where a training goes to makes no difference.
            key = tuple(w for w in made if not w.startswith("new/"))
            found.setdefault(key, (f"{command.document}: {shown(words)}", made))
    return list(found.values())


def shown(words):
    return shlex.join(words)
