import pickle

from planet_tf2 import tools
from planet_tf2.tools.bind import bind


def scale(value, factor=1, offset=0):
    return value * factor + offset


class Callable:
    def __call__(self, value):
        return -value


def test_arguments_are_given_in_advance():
    assert bind(scale, factor=3)(2) == 6
    assert bind(scale, 2, offset=1)() == 3
    assert bind(scale, factor=3)(2, factor=5) == 10


def test_it_shows_name_and_arguments():
    bound = bind(scale, 2, factor=3)
    assert repr(bound) == "bind(scale, 2, factor=3)"
    assert bound.__name__ == "scale"


def test_binding_again_keeps_the_name():
    bound = bind(bind(scale, factor=3), offset=1)
    assert repr(bound) == "bind(scale, factor=3, offset=1)"
    assert bound(2) == 7


def test_callable_objects_are_named_by_class():
    bound = bind(Callable())
    assert bound.__name__ == "Callable"
    assert bound(2) == -2


def test_it_can_be_pickled():
    bound = pickle.loads(pickle.dumps(bind(scale, factor=3)))
    assert bound(2) == 6
    assert repr(bound) == "bind(scale, factor=3)"


def test_the_package_exports_the_function():
    assert tools.bind is bind
