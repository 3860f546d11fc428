"""The folders know each other in one direction, as ARCHITECTURE.md has it."""

import pathlib
import re

from repository import text
from structure import arrows

CORE = "Sources/TenancyCore"


def floors():
    """The folders of TenancyCore, from the ground up, as the table in ARCHITECTURE.md has them."""
    table = text(pathlib.Path("ARCHITECTURE.md")).split("The folders of `TenancyCore`")[1]
    table = table.split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def upward(found, order):
    """The references that lead from a lower folder to a higher one."""
    return [place for (here, there), places in found.items() for place in places
            if order.index(here) < order.index(there)]


def test_the_table_has_every_folder():
    folders = {path.name for path in pathlib.Path(CORE).resolve().iterdir() if path.is_dir()}
    assert set(floors()) == folders


def test_no_folder_knows_a_higher_one():
    assert upward(arrows(CORE), floors()) == []


def test_an_arrow_that_should_not_be_is_found():
    planted = {
        pathlib.Path(CORE, "Support/Low.swift"): "struct Low {\n    let high: High\n}\n",
        pathlib.Path(CORE, "Fleet/High.swift"): "package struct High {}\n",
    }
    assert upward(arrows(CORE, planted), floors()) == [f"{CORE}/Support/Low.swift:2: High"]
