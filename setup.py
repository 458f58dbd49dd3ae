"""What pyproject.toml cannot say: two optional C extensions, and what travels inside the wheel from elsewhere.

Without a compiler everything installs and gives the same bytes, slower. `assets/` is installed as `backends/_assets`.
"""

from setuptools import Extension, find_namespace_packages, find_packages, setup

FLAGS = ["-O3", "-fno-math-errno"]
ASSETS = ["backends._assets", *(f"backends._assets.{name}" for name in find_namespace_packages("assets"))]

setup(
    packages=[
        *find_packages(include=["backends", "backends.*", "r3d_tui", "r3d_tui.*"]),
        *ASSETS,
    ],
    package_dir={"backends._assets": "assets"},
    package_data={
        "": ["*.toml", "*.tcss", "*.html", "py.typed"],
        "r3d_tui": ["locale/*/LC_MESSAGES/*.po"],
        **{name: ["*.pth", "*.json", "*.txt"] for name in ASSETS},
    },
    ext_modules=[
        Extension(
            "backends.data._resize",
            ["backends/data/_resize.c"],
            depends=["backends/data/_resize.h"],
            extra_compile_args=FLAGS,
            optional=True,
        ),
        Extension(
            "backends.device._feed",
            ["backends/device/_feed.c"],
            depends=["backends/device/_feed.h"],
            extra_compile_args=FLAGS,
            optional=True,
        ),
    ],
)
