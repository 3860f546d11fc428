"""The rules of the code that a machine can check."""

import re

import pytest

from repository import ROOT, code, files, swift_sources, text

FILE_LINES = 400
FUNCTION_LINES = 70
README_LINES = 40

FORBIDDEN = {
    "fatalError": r"\bfatalError\s*\(",
    "try!": r"\btry!",
    "as!": r"\bas!",
    "force unwrap": r"[\w)\]]!(?=[\s.,:;)\]\[(?]|$)",
    "Task.detached": r"\bTask\.detached\b",
    "print": r"(?<![\w.])(debugP|p)rint\s*\(",
    "nonisolated(unsafe)": r"\bnonisolated\(unsafe\)",
}

IMPORTS = {
    "CLibPQ": ["Sources/TenancyCore/PostgresClient/"],
    "COpenSSL": [
        "Sources/HTTPLite/TLS/", "Sources/TenancyCore/Support/", "Sources/TenancyCore/Tenants/",
    ],
    "HTTPLite": ["Sources/ControlAPI/", "Sources/MigrationDaemon/"],
    "PrivatePostgres": ["Sources/MigrationDaemon/"],
    "ArgumentParser": ["Sources/MigrationDaemon/"],
}

FUNCTION = re.compile(r"^( *)(?:[@\w()<>, ]+ )?(?:func\b|init[?(<]|deinit\b|subscript\b)")


def test_no_source_file_is_longer_than_can_be_read():
    lengths = {str(path): text(path).count("\n") for path in swift_sources()}
    assert {path: n for path, n in lengths.items() if n > FILE_LINES} == {}


def functions(path):
    """Name and length of each function; formatted code ends one at its own indentation."""
    lines = code(path).splitlines()
    for start, line in enumerate(lines):
        found = FUNCTION.match(line)
        if not found:
            continue
        end = found.group(1) + "}"
        for number in range(start, min(start + 1000, len(lines))):
            if lines[number].rstrip() == end or (number == start and line.rstrip().endswith("}")):
                yield f"{path}:{start + 1}", number - start + 1
                break


def test_no_function_is_longer_than_a_screen():
    long = {
        name: length for path in swift_sources() for name, length in functions(path)
        if length > FUNCTION_LINES
    }
    assert long == {}


@pytest.mark.parametrize("word", FORBIDDEN)
def test_sources_do_without(word):
    pattern = re.compile(FORBIDDEN[word])
    found = [
        f"{path}:{number}: {line.strip()}" for path in swift_sources()
        for number, line in enumerate(code(path).splitlines(), 1) if pattern.search(line)
    ]
    assert found == []


def test_nothing_is_left_for_later():
    everything = files("Sources", "Tests/*.swift", "docs", "*.md", "Makefile", "scripts", "deploy")
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert [str(path) for path in everything if marks.search(text(path))] == []


def test_unchecked_sendable_says_who_serialises_access():
    silent = []
    for path in swift_sources():
        lines = text(path).splitlines()
        for number, line in enumerate(lines):
            around = lines[max(0, number - 6):number + 4]
            if "@unchecked Sendable" in line and not any("// Safety:" in near for near in around):
                silent.append(f"{path}:{number + 1}")
    assert silent == []


@pytest.mark.parametrize("module", IMPORTS)
def test_a_module_is_imported_only_where_it_may_be(module):
    pattern = re.compile(rf"^\s*(?:@\w+ )?(?:\w+ )?import (?:\w+ )?{module}\b", re.MULTILINE)
    elsewhere = [
        str(path) for path in swift_sources()
        if pattern.search(text(path)) and not str(path).startswith(tuple(IMPORTS[module]))
    ]
    assert elsewhere == []


def test_c_modules_stay_inside():
    leaks = [
        str(path) for path in swift_sources()
        if re.search(r"^(?:public|package) import C[A-Z]|^import C[A-Z]", text(path), re.MULTILINE)
    ]
    assert leaks == []


def test_every_folder_of_sources_explains_itself_shortly():
    folders = {path.parent for path in swift_sources()}
    missing = sorted(str(f) for f in folders if not (ROOT / f / "README.md").is_file())
    assert missing == []
    lengths = {str(path): text(path).count("\n") for path in files("Sources/*README.md")}
    assert {path: n for path, n in lengths.items() if n > README_LINES} == {}


def test_text_reaches_a_terminal_by_one_door_only():
    """`StandardStream` lets no control character through; nobody else writes to its streams, and
    only the log, which escapes them itself, writes bytes there as they are."""
    streams = re.compile(r"\bSTD(?:OUT|ERR)_FILENO\b|\bf?puts\s*\(|\bFileHandle\.standard(?:Out|Err)")
    door = "Sources/MigrationDaemon/Terminal/StandardStream.swift"
    elsewhere = [
        str(path) for path in swift_sources() if str(path) != door and streams.search(code(path))]
    assert elsewhere == []
    raw = re.compile(r"\bStandardStream\.\w+\.write\((?!\s*(?:lines|json):)")
    users = [str(path) for path in swift_sources() if raw.search(code(path))]
    assert users == ["Sources/MigrationDaemon/Wiring/LogHandlers.swift"]


# Required by a protocol, which says what they do.
WITNESSES = {
    "<", "==", "hash", "enqueue", "asUnownedSerialExecutor", "asUnownedTaskExecutor",
    "checkIsolated", "handle", "bounds", "page", "find", "count", "run", "readRows", "stamp", "end",
    "write", "remove", "acquireBuildPlace", "releaseBuildPlace",
}
DECLARATION = re.compile(
    r"^ *(?:@\w+(?:\([^)]*\))? +)*(?:package|public) (?!import)"
    r"(?:(?:static|final|mutating|nonisolated|indirect|convenience) )*"
    r"(?:struct|class|enum|actor|protocol|typealias|func) ([\w<=]+)")


def undocumented(lines):
    """The types and functions for other modules without a summary above them: (line, name)."""
    for number, line in enumerate(lines):
        found = DECLARATION.match(line)
        if not found or found.group(1) in WITNESSES:
            continue
        above = number - 1
        while above >= 0 and lines[above].lstrip().startswith("@"):
            above -= 1
        if not lines[above].lstrip().startswith("///"):
            yield number + 1, found.group(1)


def test_what_other_modules_may_use_says_what_it_is():
    silent = [f"{path}:{number}: {name}" for path in swift_sources()
              for number, name in undocumented(text(path).splitlines())]
    assert silent == []
    planted = ["/// Said.", "package struct Said {", "    package func silent() {}", "}"]
    assert list(undocumented(planted)) == [(3, "silent")]
