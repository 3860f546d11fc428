"""Old words of the project do not come back: each has a standard term, which people search for."""

import re

import pytest

from repository import files, text

# What must not be read anywhere, and what to write instead.
OLD = {
    r"\bWakeWords?\b|\bWordSignals?\b|\bwords? of other\b": "notification",
    r"\b[Oo]ther daemons?\b": "replica, other replicas",
    r"\bareThere\b": "hasPeers",
    r"\btakeBack\b|\bownAgain\b|\badoptElsewhere\b": "reclaim, claim, hand over",
    r"\bdoubtful lease\b|\blease is doubtful\b": "expiring",
    r"\bdead daemon\b": "a replica that has died; takes over",
    r"\bboredFrom\b|\b(?:[Ii]m)?patience\b": "timeout, idle deadline",
    r"\b(?:can|may) pass\b(?! over)|\bpassing errors?\b": "transient",
    r"\b(?:set|sets|setting|puts?) (?:\w+ ){0,2}aside\b|\bsetAside\b": "defer, deferred",
    r"\bmayTry\b|\bserver_away\b|\bserver (?:is|was) away\b": "circuit breaker, unavailable",
    r"(?<![A-Za-z])[Ss]teer": "control, job control",
    r"\bSetReader\b|\b[Ss]et-wise\b": "BatchReader, in batches",
    r"\bPassages?\b": "batch",
    r"\bOutsideCommand\b": "non-transactional statement",
    r"\bLeftovers\b|\btookEffect\b|\b(?:strik|str[iu]ck)\w* (?:\w+ ){0,2}out\b": "applied, clear",
    r"\b[Cc]ircles?\b|\bfindCircles?\b": "cycle",
    r"\bSchemaPlace\b": "schema placeholder",
    r"\bNearness\b": "edit distance",
    r"\bAskedOperation\b": "RequestedOperation",
    r"\btakeOrFail\b|\binsistOnOneRow\b": "tryAcquire, requireOneRow",
    r"\bNamelessFile\b|\bFinishedProgram\b": "MemoryFile, ProcessResult",
    r"\bJobShare\b|\bisWorkless\b": "quota, isIdle",
    r"\bJobRun\b|\bJobEnvironment\b": "ActiveJob; what a type uses, by name",
    r"\b(?:go|goes|went|going) on\b": "resume, continue",
    r"\b(?:what (?:came|comes|became|becomes) of)\b": "the outcome of",
    r"\bstand(?:s|ing)? at\b": "is at",
    r"\bfor ever\b": "forever, without bound",
    r"\bor alike\b|\ball alike\b": "a derivative; the same",
    r"\bbeats?\b": "heartbeat",
    r"\bnought\b": "zero",
}

# Where a word means something else: a drawing's circles.
ELSEWHERE = {"Tests/House/test_words.py"}


def prose():
    everything = files(
        "Sources", "docs", "*.md", "deploy", "scripts", "Makefile", "Package.swift",
        "config.example.json", "Tests/*.swift", "Tests/*.py", "findings", "Benchmarks/*")
    return [
        path for path in everything
        if str(path) not in ELSEWHERE and "Tests/Fixtures" not in str(path)
        and path.suffix not in (".png", ".ico")]


@pytest.mark.parametrize("word", OLD)
def test_an_old_word_stays_away(word):
    pattern = re.compile(word)
    found = [
        f"{path}:{number}: write {OLD[word]!r}: {line.strip()[:120]}" for path in prose()
        for number, line in enumerate(text(path).splitlines(), 1) if pattern.search(line)]
    assert found == []
