"""Installs planet_tf2.

The version ranges are the ones that the tests ran against. `dm_control` and
`mujoco` have to match each other, and `tensorflow-probability` does not import
without `tf-keras`, so all of them are pinned to what was seen to work.
"""

import pathlib

import setuptools

HERE = pathlib.Path(__file__).parent


def read_version() -> str:
    namespace: dict[str, str] = {}
    exec((HERE / "planet_tf2" / "version.py").read_text(), namespace)
    return namespace["__version__"]


setuptools.setup(
    name="planet_tf2",
    version=read_version(),
    description=(
        "PlaNet (Learning Latent Dynamics for Planning from Pixels) in "
        "TensorFlow 2 and Keras, faithful to the original"
    ),
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=setuptools.find_packages(include=["planet_tf2", "planet_tf2.*"]),
    python_requires=">=3.10",
    install_requires=[
        "absl-py>=2.1,<3",
        "dm_control>=1.0.50,<1.0.51",
        "gymnasium>=1.2,<1.5",
        "keras>=3.15,<3.16",
        "lazy-loader>=0.4,<1",
        "mujoco>=3.17,<3.18",
        "numpy>=2.0,<2.5",
        "pillow>=11,<14",
        "PyYAML>=6.0.1,<7",
        "rich>=14,<16",
        "tensorboard>=2.20,<2.22",
        "tensorflow>=2.21,<2.22",
        "tensorflow-probability[tf]>=0.25,<0.26",
        "tf-keras>=2.21,<2.22",
        "tqdm>=4.66,<5",
    ],
    extras_require={
        "test": ["pytest>=8,<10", "ruff>=0.17,<0.18"],
        "bench": ["tabulate>=0.9,<1", "torch==2.13.0"],
    },
)
