"""The statements of the audit. They are constants: every value is a parameter, and many rows are one JSON parameter.

A batch of any size is one statement, because Python's lock is given up and taken back at each one, which is slow in a
process whose event loop is busy.
"""

from typing import Final

VERSION: Final = 1
"""Of the tables, kept in the file as ``user_version``."""

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    worker TEXT NOT NULL,
    request_id TEXT NOT NULL,
    client_request_id TEXT NOT NULL DEFAULT '',
    started_at REAL NOT NULL,
    user TEXT NOT NULL DEFAULT '',
    subject TEXT NOT NULL DEFAULT '',
    issuer TEXT NOT NULL DEFAULT '',
    plan TEXT NOT NULL DEFAULT '',
    route TEXT NOT NULL DEFAULT '',
    dialect TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '',
    upstream TEXT NOT NULL DEFAULT '',
    streamed INTEGER NOT NULL DEFAULT 0,
    stream_id TEXT NOT NULL DEFAULT '',
    prompt TEXT,
    ending TEXT,
    ended_at REAL,
    status INTEGER,
    error TEXT,
    attempts INTEGER,
    upstream_request_id TEXT,
    upstream_model TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    estimated_tokens INTEGER,
    micro_usd INTEGER,
    first_byte REAL,
    duration REAL,
    on_disconnect TEXT
);
CREATE INDEX IF NOT EXISTS calls_request ON calls (request_id);
CREATE INDEX IF NOT EXISTS calls_subject ON calls (subject);
CREATE INDEX IF NOT EXISTS calls_open ON calls (worker) WHERE ending IS NULL;
CREATE TABLE IF NOT EXISTS workers (id TEXT PRIMARY KEY);
PRAGMA user_version = 1;
"""

START: Final = """
INSERT INTO calls (worker, request_id, client_request_id, started_at, user, subject, issuer, plan, route, dialect,
    model, upstream, streamed, stream_id, prompt)
SELECT :worker, json_extract(value, '$.request_id'), json_extract(value, '$.client_request_id'),
    json_extract(value, '$.at'), json_extract(value, '$.user'), json_extract(value, '$.subject'),
    json_extract(value, '$.issuer'), json_extract(value, '$.plan'), json_extract(value, '$.route'),
    json_extract(value, '$.dialect'), json_extract(value, '$.model'), json_extract(value, '$.upstream'),
    json_extract(value, '$.streamed'), json_extract(value, '$.stream_id'), json_extract(value, '$.prompt')
FROM json_each(:rows)
"""

END: Final = """
UPDATE calls INDEXED BY calls_request SET
    ending = json_extract(value, '$.ending'), ended_at = json_extract(value, '$.at'),
    status = json_extract(value, '$.status'), error = json_extract(value, '$.error'),
    attempts = json_extract(value, '$.attempts'),
    upstream_request_id = json_extract(value, '$.upstream_request_id'),
    upstream_model = json_extract(value, '$.upstream_model'),
    input_tokens = json_extract(value, '$.input_tokens'), output_tokens = json_extract(value, '$.output_tokens'),
    cache_read_tokens = json_extract(value, '$.cache_read_tokens'),
    cache_write_tokens = json_extract(value, '$.cache_write_tokens'),
    estimated_tokens = json_extract(value, '$.estimated_tokens'), micro_usd = json_extract(value, '$.micro_usd'),
    first_byte = json_extract(value, '$.first_byte'), duration = json_extract(value, '$.duration'),
    on_disconnect = json_extract(value, '$.on_disconnect')
FROM json_each(:rows)
WHERE calls.request_id = json_extract(value, '$.request_id') AND (calls.ending IS NULL OR calls.ending = 'lost')
"""

ADOPT: Final = """
INSERT INTO calls (worker, request_id, started_at)
SELECT :worker, json_extract(value, '$.request_id'), json_extract(value, '$.at')
FROM json_each(:rows)
WHERE json_extract(value, '$.orphan') AND NOT EXISTS
    (SELECT 1 FROM calls WHERE calls.request_id = json_extract(value, '$.request_id'))
"""
"""A row for each ending whose start was not written, so that no ending is dropped."""

LOSE: Final = """
UPDATE calls SET ending = 'lost', ended_at = :now, duration = max(0.0, :now - started_at), error = '', status = 0
WHERE ending IS NULL AND worker = :worker
"""
TRIM: Final = "DELETE FROM calls WHERE id <= (SELECT max(id) FROM calls) - :most AND ending IS NOT NULL"

JOIN: Final = "INSERT INTO workers (id) VALUES (:worker)"
LEAVE: Final = "DELETE FROM workers WHERE id = :worker"
OPEN: Final = "SELECT count(*) FROM calls WHERE ending IS NULL AND worker = :worker"
OTHERS: Final = "SELECT id FROM workers WHERE id <> :worker"

TAIL: Final = "SELECT * FROM calls ORDER BY id DESC LIMIT :limit"
SHOW: Final = "SELECT * FROM calls WHERE request_id = :id ORDER BY id DESC LIMIT :limit"
SHOW_FOREIGN: Final = """
SELECT * FROM calls WHERE client_request_id = :id OR upstream_request_id = :id OR stream_id = :id
ORDER BY id DESC LIMIT :limit
"""
BY_USER: Final = """
SELECT * FROM calls
WHERE subject IN (SELECT value FROM json_each(:subjects)) AND (subject = :name OR user = :name)
ORDER BY id DESC LIMIT :limit
"""
