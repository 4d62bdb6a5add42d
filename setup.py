"""Installs planet_tf2.

The version ranges are the ones that the tests ran against. `dm_control` and
`mujoco` have to match each other, and `tensorflow-probability` does not import
without `tf-keras`, so all of them are pinned to what was seen to work.
"""

import pathlib

import setuptools

# The predecessor of Gymnasium, for environments that were never moved.
GYM = "gym>=0.26.2,<0.27"
# Suites of environments. Memory Maze does not say that it needs gym.
ATARI = ["ale-py>=0.12,<0.13"]
CRAFTER = ["crafter>=1.8.3,<1.9"]
MEMORY_MAZE = ["memory-maze>=1.0.3,<1.1", GYM]
# CarRacing and other games of Gymnasium. There are no wheels for Linux on ARM;
# there box2d-py can be built with swig, see docs/faq.md.
BOX2D = [
    "box2d>=2.3.10,<2.4; platform_machine == 'x86_64' or"
    " sys_platform == 'darwin'",
]
TABULATE = "tabulate>=0.9,<1"  # For tables of benchmarks.
# Other people's engines and formats: docs/scaling.md, docs/sharing.md.
RAY = ["ray[train,tune]>=2.60,<2.61", "optuna>=4,<6"]
WANDB = ["wandb>=0.31,<0.32"]
MLFLOW = ["mlflow>=3.17,<4"]
EXPORT = ["onnx>=1.20,<2", "onnxruntime>=1.30,<2", "tf2onnx>=1.17,<1.18"]
MINARI = ["minari[hdf5]>=0.5.4,<0.6"]
SITE = [
    "ipykernel>=7,<8",
    "mkdocs>=1.6,<1.7",
    "mkdocs-material>=9.8,<9.9",
    "nbconvert>=7.17,<8",
]

HERE = pathlib.Path(__file__).parent
# Those of scripts/ that are commands: `planet-train` and so on.
PROGRAMS = sorted(
    path.stem
    for path in (HERE / "scripts").glob("[a-z]*.py")
    if path.stem != "write_parameters"
)


def read_version() -> str:
    namespace: dict[str, str] = {}
    exec((HERE / "planet_tf2" / "version.py").read_text(), namespace)
    return namespace["__version__"]


setuptools.setup(
    name="planet_tf2",
    version=read_version(),
    description=(
        "World-model agents in TensorFlow 2 and Keras: PlaNet and DreamerV3, "
        "faithful to the originals"
    ),
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=[
        *setuptools.find_packages(include=["planet_tf2", "planet_tf2.*"]),
        "planet_tf2.programs",
    ],
    package_dir={"planet_tf2.programs": "scripts"},
    entry_points={
        "console_scripts": [
            f"planet-{name.replace('_', '-')} = planet_tf2.programs:{name}"
            for name in PROGRAMS
        ]
    },
    package_data={
        "planet_tf2.configs": ["templates/*"],
        "planet_tf2.evaluation": ["findings.yaml", "templates/*"],
        "planet_tf2.evaluation.report": ["templates/*"],
    },
    python_requires=">=3.11,<3.13",
    install_requires=[
        "absl-py>=2.1,<3",
        "dm_control>=1.0.50,<1.0.51",
        "gymnasium[mujoco]>=1.4,<1.5",
        "imageio>=2.37,<3",
        "imageio-ffmpeg>=0.6,<1",
        "jinja2>=3.1.4,<4",
        "keras>=3.15,<3.16",
        "lazy-loader>=0.4,<1",
        "markupsafe>=3,<4",
        "matplotlib>=3.10,<3.12",
        "mujoco>=3.17,<3.18",
        "numpy>=2.0,<2.5",
        "packaging>=24,<27",
        "pillow>=11,<14",
        "pydantic>=2.11,<3",
        "pygame-ce>=2.5,<3",
        "psutil>=6,<8",
        "PyYAML>=6.0.1,<7",
        "rich>=14,<16",
        "scipy>=1.15,<1.18",
        "tensorboard>=2.20,<2.22",
        "tensorflow>=2.21,<2.22",
        "tensorflow-probability[tf]>=0.25,<0.26",
        "tf-keras>=2.21,<2.22",
        "tqdm>=4.66,<5",
        "typing-extensions>=4.12,<5",
        "wrapt>=1.17,<3",
    ],
    extras_require={
        "atari": ATARI,
        "box2d": BOX2D,
        "crafter": CRAFTER,
        "export": EXPORT,
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
        "gym": [GYM],
        "memorymaze": MEMORY_MAZE,
        "minari": MINARI,
        "mlflow": MLFLOW,
        "ray": RAY,
        "site": SITE,
        "wandb": WANDB,
        "test": [
            *ATARI,
            *BOX2D,
            *CRAFTER,
            *EXPORT,
            *MEMORY_MAZE,
            *MINARI,
            *MLFLOW,
            *RAY,
            *SITE,
            *WANDB,
            GYM,
            "pytest>=8.4,<10",
            "pytest-timeout>=2.4,<3",
            "pytest-xdist>=3.6,<4",
            "ruff>=0.17,<0.18",
            "scipy>=1.11,<2",
            TABULATE,
        ],
        "bench": [TABULATE, "torch==2.13.0"],
    },
)
