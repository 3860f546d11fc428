"""Compares several renders of a project: which steps are the same each time, and which are once
the schema's name is taken out of them."""

import json
import re

import migrationd_servers as servers

PLAIN = "migrationd_probe"
QUOTED = "Zq Nas-ty"
IDENTIFIER = "\uf8f0"
BARE = "\uf8f1"


def directions(plain, again, quoted, without, keys, translates, translated):
    """By (revision, direction) what the daemon is told; see `direction`.

    `translates` says that the project has a `schema_translate_map`, which only its connection knows,
    and `translated` has the schemas that env.py's connection was seen to put others in the place of.
    """
    project = plain.project.get("python") or _project_reason(plain, quoted)
    steps = {}
    for key in keys:
        schemas = plain.schemas.get(key, set())
        reason = project or _seen_translated(schemas, translated) or (
            translates and _translated(schemas))
        steps[key] = {"python": reason} if reason else direction(
            plain.steps.get(key), again.get(key), quoted.steps.get(key),
            without and without.get(key))
    return steps


def _translated(schemas):
    """Why a step whose constructs name these schemas cannot be rendered under such a map."""
    others = sorted(set(schemas) - {PLAIN, ""})
    return others and (
        f"it names the schema {others[0]}, and the project's schema_translate_map may put another "
        "in its place")


def _seen_translated(schemas, translated):
    """The same under a map that was seen to be in force."""
    found = sorted(set(schemas) & set(translated))
    if not found:
        return None
    named = f"the schema {found[0]}" if found[0] else "no schema"
    return f"it names {named}, and env.py's connection puts another one in its place"


def direction(plain, again, quoted, without):
    """One step: its statements with places for the schema, or why Python has to run it; each of them
    for some of the servers where it is not the same for all.

    Each argument is a list of [sql, is_autocommit, named type], a reason, or a dictionary of these by
    major version; `without` may be None where env.py cannot do without a schema.
    """
    renders = plain, again, quoted, without
    majors = {major for each in renders if isinstance(each, dict) for major in each}
    if not majors:
        return _direction(*renders)
    return _by_server([
        (major, _direction(*(
            each[str(major)] if isinstance(each, dict) else each for each in renders)))
        for major in sorted(map(int, majors))])


def _by_server(steps):
    """Steps by the server's major version, those of neighbours together where they are the same."""
    ranges = []
    for major, step in steps:
        if ranges and ranges[-1][2] == step:
            ranges[-1][1] = major
        else:
            ranges.append([major, major, step])
    if len(ranges) == 1 or all("python" in step for _, _, step in ranges):
        return ranges[-1][2]
    # One that is there for servers to come alone is a guess at where it begins.
    return {"servers": [
        {"first": first, "last": None if last == servers.LATER else last, **step}
        for first, last, step in ranges if first != servers.LATER]}


def _direction(plain, again, quoted, without):
    for render in (plain, quoted, again):
        if not isinstance(render, list):
            return {"python": render or "it was not rendered"}
    if plain != again:
        return {"python": "it renders otherwise each time: by the time, at random, or by the order "
                "of a set"}
    if plain == quoted:
        step = {"statements": _statements(plain)}
        if isinstance(without, list) and without != plain:
            step["without_schema"] = _statements(without)
        return step
    templates = _templates(plain, quoted)
    if templates is None:
        return {"python": "it depends on the schema in a way that no name can be put in for"}
    step = {"statements": _statements(templates)}
    if isinstance(without, list):
        step["without_schema"] = _statements(without)
    return step


def version_table_schema(plain, quoted):
    """What the daemon is told of `version_table_schema`: BARE for the tenant's own."""
    first, second = (each.project.get("version_table_schema") for each in (plain, quoted))
    return BARE if (first, second) == (PLAIN, QUOTED) else first


def _project_reason(plain, quoted):
    """Why the project as a whole cannot be replayed, found by comparing two schemas."""
    if quoted.project.get("python"):
        return quoted.project["python"]
    if plain.project.get("version_table") != quoted.project.get("version_table"):
        return "the version table's name depends on the tenant"
    schemas = [each.project.get("version_table_schema") for each in (plain, quoted)]
    if schemas != [PLAIN, QUOTED] and schemas[0] != schemas[1]:
        return "version_table_schema depends on the tenant and is not its schema"
    return None


def _statements(render):
    statements = []
    for sql, is_autocommit, named_type in render:
        statement = {"sql": sql}
        if is_autocommit:
            statement["autocommit"] = True
        if named_type:
            statement["named_type"] = json.loads(named_type)
        statements.append(statement)
    return statements


def _templates(plain, quoted):
    if [auto for _, auto, _ in plain] != [auto for _, auto, _ in quoted]:
        return None
    found = [
        (_template(one, other), auto, named_type and _template(named_type, other_type or ""))
        for (one, auto, named_type), (other, _, other_type) in zip(plain, quoted)]
    return None if any(sql is None for sql, _, _ in found) else found


def _template(plain, quoted):
    """The text with a place wherever one name stands in `plain` and the other in `quoted`; None
    where the texts differ in another way."""
    text, position = [], 0
    for part in re.split(f'("{QUOTED}"|{QUOTED})', quoted):
        rest = plain[position:]
        if QUOTED not in part:
            taken, place = part, part
        elif part == QUOTED:
            taken, place = PLAIN, BARE
        elif rest.startswith(f'"{PLAIN}"'):
            taken, place = f'"{PLAIN}"', f'"{BARE}"'
        else:
            taken, place = PLAIN, IDENTIFIER
        if not rest.startswith(taken):
            return None
        position += len(taken)
        text.append(place)
    return "".join(text) if position == len(plain) else None
