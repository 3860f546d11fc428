"""Documents name what is there."""

import re

from repository import ROOT, code, files, swift_sources, text

DOCUMENTS = files("*.md", ":!Tests/Fixtures")

# Of Swift itself, of PostgreSQL, or of HTTP.
FOREIGN = {"SerialExecutor", "TaskExecutor", "Mutex", "Allow"}


def without_code(document):
    return re.sub(r"```.*?```", "", text(document), flags=re.DOTALL)


def anchors(document):
    """What a heading's link is called."""
    headings = re.findall(r"^#+ (.+)$", without_code(document), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return set(plain)


def test_links_lead_somewhere():
    broken = []
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^)\s]+)\)", without_code(document)):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (ROOT / document.parent / name).resolve() if name else ROOT / document
            if not target.exists():
                broken.append(f"{document}: {link}")
            elif anchor and anchor not in anchors(target.relative_to(ROOT)):
                broken.append(f"{document}: {link}")
    assert broken == []


def test_paths_exist():
    pattern = re.compile(r"`((?:Sources|Tests|docs|deploy|examples|scripts|Benchmarks)/[\w./+-]+)`")
    missing = [
        f"{document}: {path}" for document in DOCUMENTS
        for path in pattern.findall(text(document)) if not (ROOT / path).exists()
    ]
    assert missing == []


def test_symbols_exist():
    """`Type` and `Type.member` in what is written about the code are declared in it."""
    written = [*swift_sources(), *files("Tests/*.swift")]
    sources = "\n".join(code(path) for path in written)
    declared = set(re.findall(
        r"\b(?:struct|enum|class|actor|protocol|typealias|extension|case) (\w+)", sources))
    members = set(re.findall(r"\b(?:func|var|let|case|init) (\w+)", sources))
    unknown = []
    places = {part for path in written for part in [*path.parts, path.stem]}
    places |= {path.name for path in (ROOT / "Sources").iterdir()}
    for document in files("ARCHITECTURE.md", "Sources/*README.md"):
        for name, member in re.findall(r"`([A-Z]\w*[a-z]\w*)(?:\.(\w+))?(?:\([^`]*\))?`",
                                       without_code(document)):
            if name in FOREIGN | places:
                continue
            if name not in declared or (member and member not in members | declared):
                unknown.append(f"{document}: {name}.{member}" if member else f"{document}: {name}")
    assert unknown == []


def test_every_problem_of_a_folder_is_documented():
    names = ["SQLFile", "SQLFolder", "SQLHeader", "SQLStatement", "StepRules"]
    sources = "".join(text(f"Sources/TenancyCore/Revisions/{name}.swift") for name in names)
    codes = set(re.findall(r'"([a-z0-9]+(?:_[a-z0-9]+)+)"', sources))
    codes -= {"down_revision", "depends_on", "branch_labels", "search_path",
              "standard_conforming_strings"}
    documented = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`", text("docs/revisions.md")))
    assert codes - documented == set()
