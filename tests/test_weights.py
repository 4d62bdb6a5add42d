import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tf_fakes import tiny_params

import planet_tf2
from planet_tf2.agents.planet.build import make_model
from planet_tf2.nets import FeedForward, weights


@pytest.fixture
def head():
    head = FeedForward((), 1, 4)
    head.build(3)
    return head


SHAPES = {
    "dense/kernel": (3, 4),
    "dense/bias": (4,),
    "dense_1/kernel": (4, 1),
    "dense_1/bias": (1,),
}


@pytest.fixture(scope="module", params=["rssm", "ssm", "drnn"])
def model(request):
    params = tiny_params(
        model=request.param, reward_head_stddev="learned", model_layers=2
    )
    return make_model(params, 2)


def parts(model):
    """The parts of a model, with their scopes in a whole one."""
    cell = f"graph/rnn/{type(model.cell).__name__.lower()}"
    return {
        cell: model.cell,
        "graph/encoder": model.encoder,
        "graph/head_image": model.heads["image"],
        "graph/head_reward": model.heads["reward"],
        "": model,
    }


def random_arrays(module, seed=0, **kwargs):
    random = np.random.default_rng(seed)
    return {
        name: random.normal(size=array.shape).astype(np.float32)
        for name, array in weights.save_weights(module, **kwargs).items()
    }


def check_loaded(module, arrays):
    actual = weights.save_weights(module)
    assert len(actual) == len(arrays)
    for (name, value), expected in zip(
        actual.items(), arrays.values(), strict=True
    ):
        np.testing.assert_array_equal(value, expected, name)


class TestNames:
    def test_every_weight_has_one(self, model):
        named = model.original_variables()
        assert all(name.startswith("graph/") for name in named)
        trained = {id(variable) for variable in model.groups["main"]}
        assert {id(variable) for variable in named.values()} == trained
        assert len(named) == len(trained)

    def test_of_a_part_begin_with_its_scope_in_the_whole(self, model):
        names = []
        for scope, module in parts(model).items():
            if scope:
                names += weights.save_weights(module, scope)
        assert names == list(weights.save_weights(model))


@pytest.mark.parametrize("block_names", [False, True])
class TestRoundTrip:
    def test_through_a_file(self, model, block_names, tmp_path):
        for module in parts(model).values():
            arrays = random_arrays(module, block_names=block_names)
            recurrent = type(model.cell).__name__ != "SSM"
            if module in (model, model.cell) and recurrent:
                assert block_names == any(n.endswith("/w_ru") for n in arrays)
            np.savez(tmp_path / "weights.npz", **arrays)
            with np.load(tmp_path / "weights.npz") as file:
                planet_tf2.load_weights(module, file)
            check_loaded(module, arrays)
            again = planet_tf2.save_weights(module, block_names=block_names)
            assert list(again) == list(arrays)

    def test_with_any_prefix(self, model, block_names):
        for scope, module in parts(model).items():
            arrays = random_arrays(module, block_names=block_names)
            for prefix in {scope, "graph", "my/own", ""}:
                bare = {
                    name.removeprefix("graph/"): value
                    for name, value in arrays.items()
                }
                full = weights.prefix_names(prefix, bare) if prefix else bare
                weights.load_weights(module, full)
                check_loaded(module, arrays)
                weights.load_weights(module, full, scope=prefix)

    def test_of_a_part_of_the_whole(self, model, block_names):
        arrays = random_arrays(model, 3, block_names=block_names)
        for scope, module in parts(model).items():
            weights.load_weights(module, arrays, scope)
            expected = {
                name: value
                for name, value in arrays.items()
                if name.startswith(f"{scope}/" if scope else "")
            }
            check_loaded(module, expected)


class TestSwappedRevision:
    SWAPPED = {"w_ru": "w_c", "w_c": "w_ru", "b_ru": "b_c", "b_c": "b_ru"}

    def swap(self, arrays, names):
        result = {}
        for name, value in arrays.items():
            scope, _, last = name.rpartition("/")
            last = self.SWAPPED[last] if last in names else last
            result[f"{scope}/{last}"] = value
        return result

    @pytest.mark.parametrize(
        "names", [("w_ru", "w_c"), ("b_ru", "b_c"), tuple(SWAPPED), ()]
    )
    @pytest.mark.parametrize("kind", ["rssm", "drnn"])
    def test_is_told_by_the_shapes(self, kind, names):
        cell = make_model(tiny_params(model=kind), 2).cell
        arrays = random_arrays(cell, block_names=True)
        given = self.swap(arrays, names)
        assert (given.keys() == arrays.keys()) and len(given) == len(arrays)
        changed = [n for n in given if given[n].shape != arrays[n].shape]
        assert len(changed) == len(names) * (2 if kind == "drnn" else 1)
        weights.load_weights(cell, given)
        check_loaded(cell, arrays)


@pytest.fixture(scope="module")
def cell():
    return make_model(tiny_params(), 2).cell


class TestErrors:
    def check(self, cell, arrays, lines, **kwargs):
        before = weights.save_weights(cell)
        with pytest.raises(weights.WeightsError) as info:
            weights.load_weights(cell, arrays, **kwargs)
        expected = ["These weights do not fit RSSM:"]
        assert str(info.value).splitlines() == expected + [
            f"  {line}" for line in lines
        ]
        for name, array in weights.save_weights(cell).items():
            np.testing.assert_array_equal(array, before[name])

    def test_names_as_they_were_given(self, cell):
        scope = "graph/rnn/rssm"
        arrays = random_arrays(cell, scope=scope, block_names=True)
        gru = f"{scope}/transition/gru_block_cell"
        del arrays[f"{gru}/b_ru"]
        arrays[f"{gru}/w_c"] = np.ones((3, 3))
        arrays[f"{scope}/optimizer/beta1_power"] = np.ones(())
        arrays["global_step"] = np.ones((), int)
        self.check(
            cell,
            arrays,
            [
                f"missing: {gru}/gates/bias",
                "unused: global_step",
                f"unused: {scope}/optimizer/beta1_power",
                f"misshapen: {gru}/w_c is (3, 3), expected (8, 4)",
            ],
        )

    def test_the_same_under_two_names(self, cell):
        arrays = random_arrays(cell)
        name = "transition/gru_block_cell/b_c"
        arrays[name] = np.ones(4)
        other = "transition/gru_block_cell/candidate/bias"
        self.check(cell, arrays, [f"given twice: {name} and {other}"])

    def test_what_is_no_numbers(self, cell):
        """Even if it would be found out only in the middle of assigning."""
        arrays = random_arrays(cell)
        arrays["posterior/dense/bias"] = np.array(["x"] * 4)
        self.check(cell, arrays, ["no numbers: posterior/dense/bias is <U1"])

    def test_another_kind_of_cell(self, cell):
        arrays = random_arrays(make_model(tiny_params(model="ssm"), 2).cell)
        with pytest.raises(weights.WeightsError) as info:
            weights.load_weights(cell, arrays)
        assert "missing: transition/gru_block_cell/gates/kernel" in str(
            info.value
        )

    def test_nothing(self, cell):
        lines = [f"missing: {name}" for name in sorted(random_arrays(cell))]
        self.check(cell, {}, lines)
        arrays = random_arrays(cell, scope="a/b")
        lines = [line.replace(": ", ": c/") for line in lines]
        self.check(cell, arrays, lines, scope="c")


def test_checkpoint_of_tensorflow_1(model, tmp_path):
    """As the documentation says how to, with all that is beside the weights."""
    arrays = random_arrays(model, block_names=True)
    others = {"global_step": np.int64(3), "graph/beta1_power": np.float32(1)}
    for name, value in arrays.items():
        others[f"graph/optimizer_main/{name}/Adam"] = value
        others[f"graph/optimizer_main/{name}/Adam_1"] = value
    path = str(tmp_path / "model.ckpt-3")
    everything = {**arrays, **others}
    tf.raw_ops.SaveV2(
        prefix=path,
        tensor_names=list(everything),
        shape_and_slices=[""] * len(everything),
        tensors=list(everything.values()),
    )
    reader = tf.train.load_checkpoint(path)
    found = {
        n: reader.get_tensor(n) for n in reader.get_variable_to_shape_map()
    }
    ignore = ["*/Adam", "*/Adam_1", "*_power", "global_step"]
    planet_tf2.load_weights(model, found, ignore=ignore)
    check_loaded(model, arrays)
    with pytest.raises(planet_tf2.WeightsError, match="unused: global_step"):
        planet_tf2.load_weights(model, found, ignore=ignore[:-1])


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.float16])
def test_numbers_of_any_type(head, dtype):
    arrays = {name: np.ones(shape, dtype) for name, shape in SHAPES.items()}
    weights.load_weights(head, arrays)
    check_loaded(head, arrays)


def test_public_names_need_no_tensorflow():
    code = (
        "import sys, planet_tf2 as p; "
        "p.load_weights, p.save_weights, p.WeightsError; "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
