from planet_tf2.tools import machine


def test_words(monkeypatch):
    monkeypatch.setattr(machine, "usable_cores", lambda: 2)
    monkeypatch.setattr(machine, "processor_name", lambda: "Sand")
    monkeypatch.setattr(machine, "memory_bytes", lambda: 16_200_000_000)
    text = machine.describe_machine()
    assert text.startswith("2 cores of Sand, 16 GB memory, no GPU, ")
    monkeypatch.setattr(machine, "usable_cores", lambda: 1)
    monkeypatch.setattr(machine, "memory_bytes", lambda: None)
    text = machine.describe_machine(["A", "B"])
    assert text.startswith("1 core of Sand, A and B, ")


def test_processor(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nmodel name\t: Fast  One @ 2 GHz\n")
    assert machine.processor_name(path) == "Fast One @ 2 GHz"
    for text in ("", "model name:\n"):
        path.write_text(text)
        assert machine.processor_name(path)
    assert machine.processor_name(tmp_path / "none")


def test_this_machine():
    assert machine.usable_cores() >= 1
    assert machine.memory_bytes() is None or machine.memory_bytes() > 1e8
