"""The floors of the house: one table, module -> floor. A new file under src/answerable must be entered here.

A module imports only from its own floor and the floors below, and no imports run in a circle. Imports inside
functions and for types count too. Package `__init__` files are empty and not entered, except the face.
"""

from __future__ import annotations

FLOORS = ("ground", "nouns", "rules", "adapters", "shell", "apps", "doors")  # lowest first

MODULES: dict[str, str] = {
    # ground: what everything may use
    "encoding": "ground",
    "errors": "ground",
    "formats": "ground",
    # nouns: frozen values and all ports
    "decisions.answer": "nouns",
    "decisions.case": "nouns",
    "decisions.decider": "nouns",
    "decisions.deciders": "nouns",
    "decisions.decision": "nouns",
    "decisions.fields": "nouns",
    "decisions.outcome": "nouns",
    "decisions.rule_sql": "nouns",
    "decisions.rule_table": "nouns",
    "decisions.stakes": "nouns",
    "ledger.entry": "nouns",
    "ports": "nouns",
    # rules: pure; no clock, no I/O, no logging
    "decisions.acceptance": "rules",
    "decisions.manifest": "rules",
    "ledger.envelope": "rules",
    "ledger.leaf": "rules",
    "ledger.note": "rules",
    "ledger.tlog": "rules",
    # adapters: what touches a database, a file or a vendor
    "integrations.tables": "adapters",
    "integrations.tables_core": "adapters",
    "integrations.tables_csv": "adapters",
    "integrations.tables_excel": "adapters",
    "integrations.tables_json": "adapters",
    "integrations.tables_parquet": "adapters",
    "integrations.tables_sql": "adapters",
    "integrations.tables_text": "adapters",
    "integrations.tables_write": "adapters",
    "ledger.group_commit": "adapters",
    "ledger.journal_memory": "adapters",
    "ledger.journal_sqlite": "adapters",
    "ledger.keys": "adapters",
    "ledger.listing": "adapters",
    "ledger.rows": "adapters",
    "ledger.sqlite": "adapters",
    "ledger.turns": "adapters",
    "state.cases": "adapters",
    "state.roles": "adapters",
    "state.segments": "adapters",
    "state.statements": "adapters",
    "state.tables": "adapters",
    "system": "adapters",
    # shell: the composer, the road and the roles
    "callers": "shell",
    "home": "shell",
    # apps: complete small applications
    "examples.support_tickets.generator": "apps",
    "examples.support_tickets.words": "apps",
    "examples.support_tickets.words_more": "apps",
    # doors: where people and programs come in
    "__init__": "doors",
}

# Imports that the table forbids and we allow: (floor, module) -> why. May only get shorter.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("apps", "__init__"): "an app shows how a user writes one, and a user imports the face",
}
