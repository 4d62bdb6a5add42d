"""Plans with the true simulator in place of the learned model.

    python scripts/plan_true_simulator.py --task cartpole_swingup

The planner is that of the agents, so that a low score means a broken planner,
or one that is too small for the task, but not a bad model.
"""

from typing import Any

from absl import flags, logging

from planet_tf2.tools import command

with command.native_stderr_silenced():
    from planet_tf2.configs.params_text import parse_params
    from planet_tf2.evaluation import true_simulator
    from planet_tf2.evaluation.output import check_outside, write_json
    from planet_tf2.tools import devices

    devices.prepare()

FLAGS = flags.FLAGS

flags.DEFINE_string("task", "cartpole_swingup", "Task of the control suite.")
flags.DEFINE_integer("episodes", 3, "Number of episodes.", 1)
flags.DEFINE_enum("planner", "cem", list(true_simulator.PLANNERS), "Planner.")
flags.DEFINE_integer("amount", 200, "Candidates per iteration.", 1)
flags.DEFINE_integer("horizon", 12, "Agent steps to look ahead.", 1)
flags.DEFINE_integer("iterations", 5, "Rounds of sampling and refitting.", 0)
flags.DEFINE_integer("topk", 20, "Candidates to refit to.", 1)
flags.DEFINE_string(
    "options", "", "The planner's own arguments, as YAML in braces."
)
flags.DEFINE_integer(
    "action_repeat", None, "Simulator steps per decision, if not the usual.", 1
)
flags.DEFINE_integer("seed", 0, "Seed of start states and planner.", 0)
flags.DEFINE_integer("threads", 1, "Threads that simulate.", 1)
command.define_path("out", None, "JSON file for the result.")


def work() -> None:
    logging.set_verbosity(logging.WARNING)  # dm_control says what it imports.
    if FLAGS.out:  # Fails before the work is done.
        check_outside(FLAGS.out, [])
    settings = {
        name: FLAGS[name].value
        for name in ("planner", "horizon", "amount", "topk", "iterations")
    }
    try:
        result = play(settings, parse_params(FLAGS.options))
    except TypeError as error:  # Such as an option that no planner has.
        raise ValueError(error) from None
    if FLAGS.out:
        write_json(FLAGS.out, result)


def play(settings: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Plays the episodes, and says how they went."""
    told = {**settings, "options": options}
    shown = ", ".join(f"{name} {value}" for name, value in told.items())
    print(f"{FLAGS.task}: {shown}")
    print("episode    return  decisions   seconds")
    episodes = []
    for episode in true_simulator.run_episodes(
        FLAGS.task,
        episodes=FLAGS.episodes,
        seed=FLAGS.seed,
        action_repeat=FLAGS.action_repeat,
        num_threads=FLAGS.threads,
        **settings,
        **options,
    ):
        episodes.append(episode)
        print(
            f"{episode['episode']:7} {episode['return']:9.1f}"
            f" {episode['length']:10} {episode['seconds']:9.1f}",
            flush=True,
        )
    mean = sum(episode["return"] for episode in episodes) / len(episodes)
    published = true_simulator.PUBLISHED.get(FLAGS.task)
    note = f"   (paper, with amount 1000: {published})" if published else ""
    print(f"   mean {mean:9.1f}{note}")
    return {
        "task": FLAGS.task,
        "seed": FLAGS.seed,
        **told,
        "episodes": episodes,
        "mean": mean,
        "published": published,
    }


if __name__ == "__main__":
    command.start(work, has_results=True)
