from planet_tf2.tools import machine


def test_words(monkeypatch):
    monkeypatch.setattr(machine, "usable_cores", lambda: 2)
    monkeypatch.setattr(machine, "processor_name", lambda: "Sand")
    assert machine.describe_machine().startswith("2 cores of Sand, ")
    assert " GB memory, no GPU, " in machine.describe_machine()
    assert " GB memory, A and B, " in machine.describe_machine(["A", "B"])


def test_processor(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nmodel name\t: Fast  One @ 2 GHz\n")
    assert machine.processor_name(path) == "Fast One @ 2 GHz"
    assert machine.processor_name(tmp_path / "none")
