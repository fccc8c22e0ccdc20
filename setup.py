"""The packages, which pyproject.toml cannot say: what is found under tuner/, and the presets that lie beside it."""

from setuptools import find_namespace_packages, setup

setup(packages=[*find_namespace_packages(include=["tuner", "tuner.*"]), "tuner.search_spaces"])
