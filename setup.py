"""The two C extensions. Both are optional: without a compiler everything installs and gives the same bytes, slower."""

from setuptools import Extension, setup

FLAGS = ["-O3", "-fno-math-errno"]

setup(
    ext_modules=[
        Extension(
            "backends.preprocess._resize", ["backends/preprocess/_resize.c"], extra_compile_args=FLAGS, optional=True
        ),
        Extension("backends.stores._feed", ["backends/stores/_feed.c"], extra_compile_args=FLAGS, optional=True),
    ]
)
