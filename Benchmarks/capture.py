"""Reads from PostgreSQL's statement log what a client sent for each tenant."""

import collections
import json
import re

BEGINS = re.compile(r"\s*BEGIN\b", re.IGNORECASE)
ENDS = re.compile(r"\b(COMMIT|ROLLBACK)\s*;?\s*$", re.IGNORECASE)


def captured_messages(folder, database, schemas):
    """The messages of every committed transaction in `database`, by the schema that they name.

    `folder` holds the files of `log_destination = jsonlog` with `log_statement = all`. A message
    is what one simple query carried, however many statements. A transaction belongs to the one
    schema of `schemas` whose name occurs in it; transactions that name none, such as reads over
    the whole fleet, are left out.
    """
    tenants = {}
    for messages in _transactions(_statements(folder, database)):
        text = "\n".join(messages)
        named = {word for word in re.findall(r"\w+", text) if word in schemas}
        if len(named) == 1:
            tenants.setdefault(named.pop(), []).extend(messages)
    return tenants


def _statements(folder, database):
    """Each session's messages, one (session, text) pair after another as they were logged."""
    for path in sorted(folder.glob("*.json")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            kind, _, text = record.get("message", "").partition(": ")
            if record.get("dbname") != database:
                continue
            # Statements with parameters ("execute") are the daemon's questions about the fleet;
            # its transactions are simple queries. Were one not, the two sides would end up with
            # different tables, which the comparison finds.
            if kind == "statement":
                yield record["session_id"], text


def _transactions(statements):
    """The messages from BEGIN to COMMIT of one session; rolled back ones are dropped."""
    open_ones = collections.defaultdict(list)
    for session, text in statements:
        if BEGINS.match(text):
            open_ones[session] = []
        elif not open_ones[session]:
            continue
        open_ones[session].append(text)
        end = ENDS.search(text)
        if end:
            messages = open_ones.pop(session)
            if end.group(1).upper() == "COMMIT":
                yield messages
