"""Which folder of the code refers to which, by the names of the types that each declares."""

import collections
import re

from repository import code, files

_TYPE = re.compile(
    r"^(?:(?:public|package|internal|final|indirect|nonisolated|@\w+(?:\([^)]*\))?) +)*"
    r"(?:struct|class|enum|actor|protocol|typealias) +(\w+)", re.MULTILINE)
_NAME = re.compile(r"\b[A-Z]\w+")


def folder(path, root):
    """The first folder below `root`; the root itself where a file stands there."""
    inside = path.relative_to(root).parts
    return inside[0] if len(inside) > 1 else "."


def arrows(root, written=None):
    """References between the folders below `root`: (from, to) -> ["file:line: Type", ...].

    Types that two folders declare are left out, and so are members, since a text does not tell whose
    they are; those the compiler keeps apart where the folders are modules. `written` stands in for
    files: {path: code}.
    """
    sources = written or {path: code(path) for path in files(f"{root}/*.swift")}
    homes = collections.defaultdict(set)
    for path, lines in sources.items():
        for name in _TYPE.findall(lines):
            homes[name].add(folder(path, root))
    found = collections.defaultdict(list)
    for path, lines in sources.items():
        here = folder(path, root)
        for number, line in enumerate(lines.splitlines(), 1):
            for name in sorted(set(_NAME.findall(line))):
                home = homes.get(name, set())
                if len(home) == 1 and here not in home:
                    found[here, *home].append(f"{path}:{number}: {name}")
    return found
