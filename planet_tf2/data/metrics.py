"""The lines of a run's `metrics.jsonl`, as far as programs rely on them."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pydantic
from pydantic import AfterValidator, Field

from planet_tf2.tools.journal import Journal
from planet_tf2.tools.plain_text import check, one_line


def _shown(text: str) -> str:
    if text != one_line(text):
        raise ValueError("should be short, and without control characters")
    return text


_Count = Annotated[int, Field(ge=0, lt=2**63)]
# Also the strings that stand for numbers that JSON does not know.
_Number = Annotated[float, Field(strict=False)]
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Name = Annotated[str, AfterValidator(_shown)]


class _Line(pydantic.BaseModel):
    """What was measured of an update. What is not named here are numbers."""

    model_config = pydantic.ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, _Number]
    phase: Literal["seed", "train", "test"] = "train"
    step: _Count = 0
    update: _Count = 0
    elapsed_seconds: _Seconds = 0


class _Episode(_Line):
    """An episode that was collected."""

    __pydantic_extra__: dict[str, Any]
    phase: Literal["seed", "train", "test"]
    step: _Count
    split: Literal["train", "test"]
    task: _Name
    episode: _Count
    env_step: _Count
    # A name in the run's own folder, since rolling back removes the file.
    file: Annotated[str, Field(pattern=r"^[\w.-]{1,200}\.npz$")] = ""
    score: _Number = Field(alias="return")
    length: _Count = 0
    decision_seconds: _Number = 0
    planning_seconds: _Number = 0


class Metrics(Journal):
    """The journal of a run.

    Iterating raises `ValueError` at a line that no run can have written:
    something is missing or of another type, its step is before that of the
    line above, or its `file`, an episode, was in an earlier line.
    """

    def _parser(self) -> Callable[[bytes], Any]:
        parse, files, step = super()._parser(), set(), 0

        def parse_and_check(line: bytes) -> dict[str, Any]:
            nonlocal step
            record = parse(line)
            is_episode = isinstance(record, dict) and (
                "return" in record or "file" in record
            )
            check(_Episode if is_episode else _Line, record)
            before, step = step, record.get("step", step)
            if step < before:
                raise ValueError(f"step {step} is behind step {before}")
            if "file" in record:
                file = record["split"], record["file"]
                if file in files:
                    raise ValueError(f"{file[1]} is there twice")
                files.add(file)
            return record

        return parse_and_check
