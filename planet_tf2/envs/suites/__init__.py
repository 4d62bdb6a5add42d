"""Suites of environments that packages of their own bring along.

Each module has one function that makes an environment, which takes what can be
set of it by keyword: behind a task (`atari:pong?sticky=false`) or as parameters
of a run. `configs.tasks` names them; `setup.py` has an extra for each package.
"""
