"""The modules and folders know each other in one direction, as ARCHITECTURE.md has it."""

import functools
import json
import pathlib
import re
import subprocess

import pytest

from repository import ROOT, files, text
from structure import arrows

_IMPORT = re.compile(r"^(?:@\w+ )*(?:\w+ )?import (\w+)$", re.MULTILINE)


@functools.cache
def manifest():
    """Package.swift as SwiftPM reads it: name of a module -> where it lies and what it uses."""
    command = ["swift", "package", "--package-path", str(ROOT), "dump-package"]
    dumped = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    return {
        target["name"]: (
            target.get("path") or f"Sources/{target['name']}",
            {needed["byName"][0] for needed in target["dependencies"] if "byName" in needed})
        for target in json.loads(dumped)["targets"] if target["type"] in ("regular", "executable")
        and not (target.get("path") or "").startswith("Tests/")}


def table():
    """The modules as ARCHITECTURE.md lists them, from the ground up, and what each uses."""
    page = text(pathlib.Path("ARCHITECTURE.md")).split("\n## Modules\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) ?\|$", page, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", uses)) for name, uses in rows}



def upward(uses):
    """The uses of a module that stands higher in the table."""
    ranks = list(uses)
    return [f"{name} -> {used}" for name, needed in uses.items() for used in needed
            if used in ranks and ranks.index(used) >= ranks.index(name)]


def test_package_swift_is_the_table():
    everything = {name: uses for name, (_, uses) in manifest().items()}
    written = table()
    last = list(written)[-1]
    assert set(everything) == set(written)
    # What joins the modules uses them all.
    assert everything.pop(last) >= set(written) - {last, "ChildProcesses"}
    written.pop(last)
    assert everything == written


def test_no_module_uses_a_higher_one():
    assert upward(table()) == []
    assert upward({"Low": {"High"}, "High": set()}) == ["Low -> High"]


@pytest.mark.parametrize("module", [name for name in table() if name != "MigrationDaemon"])
def test_a_module_imports_what_it_declares(module):
    """No more, which the compiler may not notice, and no less."""
    path, uses = manifest()[module]
    imported = {name for source in files(f"{path}/*.swift")
                for name in _IMPORT.findall(text(source))}
    modules = set(manifest()) | {used for _, needed in manifest().values() for used in needed}
    assert imported & modules == uses


def against(found, rank):
    """The references between folders that lead to one of the same rank or a higher one."""
    return [place for (here, there), places in found.items() for place in places
            if rank[here] <= rank[there]]


def test_a_reference_between_folders_is_found():
    root = "Sources/Planted"
    planted = {
        pathlib.Path(root, "Ground/Low.swift"): "struct Low {\n    let high: High\n}\n",
        pathlib.Path(root, "Above/High.swift"): "package struct High {}\n",
    }
    found = arrows(root, planted)
    assert found == {("Ground", "Above"): [f"{root}/Ground/Low.swift:2: High"]}
    assert against(found, {"Ground": 0, "Above": 1}) == [f"{root}/Ground/Low.swift:2: High"]


def test_the_daemon_s_folders_know_each_other_in_one_direction():
    floors = [{"Terminal"}, {"Client", "Demo", "Wiring"}, {"Commands"}]
    rank = {name: number for number, names in enumerate(floors) for name in names}
    found = arrows("Sources/MigrationDaemon")
    assert {name for pair in found for name in pair} <= set(rank)
    assert against(found, rank) == []


def test_the_folders_of_the_server_know_those_above_them_in_its_readme():
    table = text(pathlib.Path("Sources/HTTPLite/README.md"))
    rank = {name: number for number, name in enumerate(re.findall(r"^\| `(\w+)/`", table, re.M))}
    found = arrows("Sources/HTTPLite")
    assert {name for pair in found for name in pair} <= set(rank)
    assert against(found, rank) == []


def test_each_station_of_the_walks_is_where_it_is_said_to_be():
    walks = text(pathlib.Path("ARCHITECTURE.md")).split("### Two walks")[1].split("\n## ")[0]
    stations = re.findall(r"^\| \d \| `(\w+)\.(\w+)` \(([\w/]+)\)", walks, re.MULTILINE)
    assert 8 <= len(stations) <= 16
    roots = [ROOT / "Sources", ROOT / "Sources/TenancyCore"]
    lost = []
    for owner, member, place in stations:
        folder = next((root / place for root in roots if (root / place).is_dir()), None)
        declared = folder and any(
            re.search(rf"\b(?:class|struct|enum|actor|extension) {owner}\b", source)
            and re.search(rf"\b(?:func|let|init) ?{member}\b", source)
            for source in map(pathlib.Path.read_text, sorted(folder.glob("*.swift"))))
        if not declared:
            lost.append(f"{owner}.{member} ({place})")
    assert lost == []
