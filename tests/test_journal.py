import json
import logging

import numpy as np
import pytest

from planet_tf2.tools import journal as journal_lib
from planet_tf2.tools.journal import Journal


@pytest.fixture(name="journal")
def _journal(tmp_path):
    return Journal(tmp_path / "metrics.jsonl")


def test_records_come_back_in_order(journal):
    journal.append({"step": 1, "loss": 0.5})
    journal.append({"step": 2, "name": "é"}, sync=True)
    assert list(journal) == [
        {"step": 1, "loss": 0.5},
        {"step": 2, "name": "é"},
    ]
    assert len(journal.path.read_text().splitlines()) == 2


def test_missing_file_is_empty(journal):
    assert list(journal) == []
    assert journal.position == 0
    journal.truncate(0)
    journal.sync()
    assert not journal.path.exists()


def test_truncate_drops_what_is_behind(journal):
    journal.append({"step": 1})
    position = journal.position
    journal.append({"step": 2})
    journal.append({"step": 3})
    assert list(journal.since(position)) == [{"step": 2}, {"step": 3}]
    for _ in range(2):
        journal.truncate(position)
        assert list(journal) == [{"step": 1}]
    journal.append({"step": 4})
    assert list(journal) == [{"step": 1}, {"step": 4}]


@pytest.mark.parametrize(
    "torn", [b'{"st', b'{"step": 9}', b"\0\0\0\0", b"long" * 5000]
)
def test_torn_last_line_is_no_record(journal, torn):
    journal.append({"step": 1})
    position = journal.position
    with open(journal.path, "ab") as file:
        file.write(torn)
    assert list(journal) == [{"step": 1}]
    assert journal.position == position
    journal.append({"step": 2})
    assert list(journal) == [{"step": 1}, {"step": 2}]


def test_truncate_refuses_positions_of_others(journal):
    journal.append({"step": 1})
    with pytest.raises(ValueError, match="Byte 3 .* not the start of a line"):
        journal.truncate(3)
    assert list(journal) == [{"step": 1}]


def test_shorter_than_expected_is_a_warning(journal, caplog):
    journal.append({"step": 1})
    with caplog.at_level(logging.WARNING):
        journal.truncate(1000)
    assert "records are missing" in caplog.text
    assert list(journal) == [{"step": 1}]


def test_broken_line_in_the_middle_names_file_and_byte(journal):
    journal.append({"step": 1})
    position = journal.position
    with open(journal.path, "ab") as file:
        file.write(b"nonsense\n")
    journal.append({"step": 2})
    with pytest.raises(ValueError, match=f"metrics.jsonl .* byte {position}"):
        list(journal)


def test_lines_are_standard_json(journal):
    values = [float("nan"), np.float32("inf"), -np.inf, 1.0]
    others = {"step": np.int64(3), "flag": np.bool_(True)}
    nested = {"loss": values[0], "array": np.arange(3)}
    journal.append({"values": values, "nested": nested, **others})

    def refuse(constant):
        raise AssertionError(f"{constant} is not standard JSON.")

    line = journal.path.read_text()
    record = json.loads(line, parse_constant=refuse)
    assert record == {
        "values": ["nan", "inf", "-inf", 1.0],
        "nested": {"loss": "nan", "array": [0, 1, 2]},
        "step": 3,
        "flag": True,
    }
    again = [float(value) for value in record["values"]]
    np.testing.assert_array_equal(again, values)


def test_unknown_types_write_nothing(journal):
    journal.append({"step": 1})
    with pytest.raises(TypeError):
        journal.append({"step": object()})
    assert list(journal) == [{"step": 1}]


def test_failed_write_leaves_whole_lines(journal, monkeypatch):
    journal.append({"step": 1})

    def write_half(file, data):
        file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal_lib, "_write_all", write_half)
        with pytest.raises(OSError, match="No space"):
            journal.append({"step": 2})
    assert journal.path.read_bytes().endswith(b"\n")
    assert list(journal) == [{"step": 1}]
    journal.append({"step": 3})
    assert list(journal) == [{"step": 1}, {"step": 3}]
