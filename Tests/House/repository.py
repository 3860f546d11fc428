"""The files of the repository, as git knows them."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def files(*patterns):
    """Tracked and new files that match a git pathspec, as paths relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = sorted(set(map(pathlib.Path, names.splitlines())))
    return [path for path in paths if (ROOT / path).is_file()]


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def swift_sources():
    return files("Sources/*.swift")


_STRING = re.compile(r'#*"""(?:\\.|[^\\])*?"""#*|#*"(?:\\.|[^"\\\n])*"#*', re.DOTALL)
_COMMENT = re.compile(r"//[^\n]*")


def code(path):
    """Swift code with the same lines, without the contents of strings and comments."""
    def blank(found):
        return '""' + "\n" * found.group().count("\n")

    return _COMMENT.sub("", _STRING.sub(blank, text(path)))
