"""Interpreters with other packages than the tests' own has."""

import os
import pathlib
import sys
import venv

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
DRIVERS = ROOT / ".build-drivers"
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


def make_interpreter(folder, *others, modules=None):
    """The path of one with this one's packages, those of other folders, and modules by their text."""
    venv.create(folder, symlinks=True)
    packages = folder / "lib" / VERSION / "site-packages"
    for place in (*others, pathlib.Path(sys.prefix) / "lib" / VERSION / "site-packages"):
        for each in place.iterdir():
            if not (packages / each.name).exists():
                os.symlink(each, packages / each.name)
    for name, text in (modules or {}).items():
        (packages / f"{name}.py").write_text(text)
    return folder / "bin" / "python"


def drivers():
    """The folder with drivers that the tests' own interpreter does not have."""
    if not (DRIVERS / ".installed").exists():
        pytest.skip("other drivers are not installed here: make .build-drivers/.installed")
    return DRIVERS
