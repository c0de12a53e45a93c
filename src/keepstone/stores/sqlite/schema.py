"""The tables, as numbered migrations; each is one transaction, safe under kill -9.

Every table is clustered by partition: a key is `partition << 32 | sequence`, and a partition is a tenant with an owner.
Ids are unique in a tenant: an archive may be loaded into two tenants of one store.
"""

from __future__ import annotations

import apsw

from keepstone.errors import StoreCorruptError, StoreVersionError

APPLICATION_ID = 0x4B53544E
VERSION = 3

_VERSION_1 = """
CREATE TABLE meta(
    name TEXT PRIMARY KEY, value TEXT NOT NULL
) WITHOUT ROWID;

-- A number is never given again: another process may still hold the index of the partition that had it.
CREATE TABLE partitions(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL, owner_kind TEXT NOT NULL, owner TEXT NOT NULL, bucket INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0,
    scopes INTEGER NOT NULL DEFAULT 0, messages INTEGER NOT NULL DEFAULT 0,
    memories INTEGER NOT NULL DEFAULT 0, units INTEGER NOT NULL DEFAULT 0,
    UNIQUE(tenant, owner_kind, owner)
);

-- The exact scopes of a partition; each is one conversation. An id that is not given is ''.
CREATE TABLE scopes(
    key INTEGER PRIMARY KEY, partition INTEGER NOT NULL,
    user_id TEXT NOT NULL, agent_id TEXT NOT NULL, app_id TEXT NOT NULL, run_id TEXT NOT NULL,
    messages INTEGER NOT NULL DEFAULT 0,
    UNIQUE(partition, user_id, agent_id, app_id, run_id)
);
CREATE INDEX scopes_agent ON scopes(agent_id) WHERE agent_id <> '';
CREATE INDEX scopes_app ON scopes(app_id) WHERE app_id <> '';
CREATE INDEX scopes_run ON scopes(run_id) WHERE run_id <> '';

-- The ledger. Times are microseconds since 1970 in UTC, offsets minutes.
CREATE TABLE messages(
    key INTEGER PRIMARY KEY, id BLOB NOT NULL, scope INTEGER NOT NULL, position INTEGER NOT NULL,
    role TEXT NOT NULL, name TEXT, content TEXT NOT NULL, metadata TEXT,
    occurred_at INTEGER, occurred_offset INTEGER, recorded_at INTEGER NOT NULL,
    external_id TEXT, replay_key BLOB
);
CREATE INDEX messages_id ON messages(id);
CREATE UNIQUE INDEX messages_position ON messages(scope, position);
CREATE UNIQUE INDEX messages_external ON messages(scope, external_id) WHERE external_id IS NOT NULL;
CREATE UNIQUE INDEX messages_replay ON messages(scope, replay_key) WHERE replay_key IS NOT NULL;

-- `unit_revision` is the revision whose units index the memory; `changed` the sequence of its last change.
CREATE TABLE memories(
    key INTEGER PRIMARY KEY, id BLOB NOT NULL, scope INTEGER NOT NULL,
    kind INTEGER NOT NULL, status INTEGER NOT NULL, revision INTEGER NOT NULL, unit_revision INTEGER NOT NULL,
    role TEXT, name TEXT, categories TEXT,
    occurred_at INTEGER, occurred_offset INTEGER, valid_from INTEGER, valid_to INTEGER,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, expires_at INTEGER,
    importance REAL NOT NULL, trust REAL NOT NULL, strength REAL NOT NULL DEFAULT 0,
    recency INTEGER NOT NULL, changed INTEGER NOT NULL, superseded_by INTEGER, review INTEGER,
    statement_key BLOB
);
CREATE INDEX memories_id ON memories(id);
-- Few memories are not episodes; lists of their kinds must not walk over all the others.
CREATE INDEX memories_distilled ON memories(key) WHERE kind <> 0;
CREATE INDEX memories_statement ON memories(scope, statement_key);

-- `text` is NULL where it is that of the memory's only source: an episode does not copy its message.
CREATE TABLE revisions(
    memory INTEGER NOT NULL, number INTEGER NOT NULL, text TEXT, metadata TEXT, expires_at INTEGER,
    language TEXT NOT NULL, at INTEGER NOT NULL, unit_revision INTEGER NOT NULL, statement_key BLOB,
    PRIMARY KEY(memory, number)
) WITHOUT ROWID;

-- `first` is -1 for a whole message, -2 for one that only echoes the memory.
CREATE TABLE sources(
    memory INTEGER NOT NULL, message INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY(memory, message, first)
) WITHOUT ROWID;
CREATE INDEX sources_message ON sources(message);

CREATE TABLE derived_from(
    memory INTEGER NOT NULL, parent INTEGER NOT NULL, PRIMARY KEY(memory, parent)
) WITHOUT ROWID;
CREATE INDEX derived_from_parent ON derived_from(parent);

CREATE TABLE changes(
    key INTEGER PRIMARY KEY, id BLOB NOT NULL, batch BLOB NOT NULL, action INTEGER NOT NULL,
    memory INTEGER NOT NULL, old_revision INTEGER, new_revision INTEGER, related INTEGER,
    actor TEXT NOT NULL, reason TEXT, at INTEGER NOT NULL, inverse_of BLOB
);
CREATE INDEX changes_id ON changes(id);
CREATE INDEX changes_batch ON changes(batch);
CREATE INDEX changes_memory ON changes(memory);

-- `terms` holds sorted 32-bit term numbers, then one byte of count for each.
CREATE TABLE units(
    key INTEGER PRIMARY KEY, memory INTEGER NOT NULL, revision INTEGER NOT NULL, number INTEGER NOT NULL,
    view INTEGER NOT NULL DEFAULT 0, first INTEGER NOT NULL, last INTEGER NOT NULL, length INTEGER NOT NULL,
    traits INTEGER NOT NULL, terms BLOB NOT NULL
);
CREATE INDEX units_memory ON units(memory);

-- Half precision, little endian, unit length, all in the space that meta names; the next space is made beside it.
CREATE TABLE vectors(key INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE next_vectors(key INTEGER PRIMARY KEY, vector BLOB NOT NULL);

CREATE TABLE batches(
    scope INTEGER NOT NULL, idempotency_key TEXT NOT NULL, batch BLOB NOT NULL, fingerprint BLOB NOT NULL,
    outcomes TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY(scope, idempotency_key)
) WITHOUT ROWID;

CREATE TABLE entities(
    key INTEGER PRIMARY KEY, id BLOB NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, merged_into INTEGER,
    created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX entities_id ON entities(id);
CREATE TABLE links(
    entity INTEGER NOT NULL, memory INTEGER NOT NULL, relation TEXT NOT NULL DEFAULT '', weight REAL NOT NULL,
    PRIMARY KEY(entity, memory, relation)
) WITHOUT ROWID;
CREATE INDEX links_memory ON links(memory);
CREATE TABLE feedback(
    key INTEGER PRIMARY KEY, id BLOB NOT NULL, memory INTEGER NOT NULL, value INTEGER NOT NULL, reason TEXT,
    actor TEXT NOT NULL, at INTEGER NOT NULL
);
CREATE INDEX feedback_memory ON feedback(memory);

CREATE TABLE jobs(
    key INTEGER PRIMARY KEY, id BLOB NOT NULL, tenant TEXT NOT NULL, partition INTEGER NOT NULL,
    bucket INTEGER NOT NULL, scope INTEGER NOT NULL, kind TEXT NOT NULL, lane TEXT NOT NULL, payload TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, due_at INTEGER, lease_until INTEGER, error TEXT, created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX jobs_id ON jobs(id);
CREATE INDEX jobs_due ON jobs(kind, due_at);
CREATE INDEX jobs_lane ON jobs(tenant, lane) WHERE lane <> '';
"""

_VERSION_2 = """
-- JSON of an object, NULL for an empty one.
ALTER TABLE changes ADD COLUMN details TEXT;

ALTER TABLE jobs ADD COLUMN dedupe TEXT;
ALTER TABLE jobs ADD COLUMN reply TEXT;
CREATE INDEX jobs_dedupe ON jobs(tenant, kind, dedupe) WHERE dedupe IS NOT NULL;
CREATE INDEX jobs_scope ON jobs(scope);

-- What calls of chat models cost.
CREATE TABLE calls(
    key INTEGER PRIMARY KEY, id BLOB NOT NULL, partition INTEGER NOT NULL, scope INTEGER NOT NULL,
    model TEXT NOT NULL, purpose TEXT NOT NULL, prompt TEXT NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, milliseconds REAL NOT NULL,
    at INTEGER NOT NULL, price_usd REAL, estimated INTEGER NOT NULL, attempts INTEGER NOT NULL
);
CREATE INDEX calls_id ON calls(id);
CREATE INDEX calls_at ON calls(partition, at);

-- 1 for what was distilled and taken back alone: the messages that it came from are not suppressed by it.
ALTER TABLE memories ADD COLUMN keeps_sources INTEGER;
CREATE INDEX memories_categories ON memories(key) WHERE categories IS NOT NULL;

-- What a memory mentions, by the revision whose units index it; place 0 is the name of a mention, 1 and up its aliases.
-- Entities are told from these rows; nothing else holds a name.
CREATE TABLE mentions(
    memory INTEGER NOT NULL, revision INTEGER NOT NULL, number INTEGER NOT NULL, place INTEGER NOT NULL,
    name TEXT NOT NULL, folded TEXT NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY(memory, revision, number, place)
) WITHOUT ROWID;
-- Names are given by their ids, which are hashes.
CREATE TABLE merges(
    partition INTEGER NOT NULL, one BLOB NOT NULL, target BLOB NOT NULL,
    actor TEXT NOT NULL, reason TEXT, at INTEGER NOT NULL,
    PRIMARY KEY(partition, one, target)
) WITHOUT ROWID;
-- Were never filled.
DROP TABLE entities;
DROP TABLE links;
"""

_VERSION_3 = """
-- How many memories are visible, and how many messages are in the ledger.
ALTER TABLE partitions ADD COLUMN visible INTEGER NOT NULL DEFAULT 0;
ALTER TABLE partitions ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
ALTER TABLE scopes ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
CREATE INDEX partitions_tenant ON partitions(tenant);
UPDATE scopes SET kept = (SELECT count(*) FROM messages x WHERE x.scope = scopes.key);
UPDATE partitions SET
    kept = (SELECT ifnull(sum(s.kept), 0) FROM scopes s WHERE s.partition = partitions.id),
    visible = (SELECT count(*) FROM memories m
               WHERE m.key BETWEEN partitions.id << 32 AND partitions.id << 32 | 4294967295 AND m.status < 2);
-- When it was leased last.
ALTER TABLE jobs ADD COLUMN claimed_at INTEGER;

-- `scope` is NULL for a whole tenant. The last event is never removed, so that no number is given again: who follows
-- the events counts on it, and AUTOINCREMENT would cost a page more in every transaction.
CREATE TABLE events(
    sequence INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL, scope INTEGER, kind INTEGER NOT NULL, batch BLOB, job BLOB, at INTEGER NOT NULL
);
CREATE INDEX events_tenant ON events(tenant) WHERE tenant <> '';
CREATE INDEX events_scope ON events(scope);
CREATE INDEX events_batch ON events(batch) WHERE batch IS NOT NULL;
CREATE INDEX events_job ON events(job) WHERE job IS NOT NULL;

-- What was written on each day (UTC, counted from 1970), by partition, and by tenant (partition 0).
CREATE TABLE days(
    tenant TEXT NOT NULL, partition INTEGER NOT NULL, day INTEGER NOT NULL, messages INTEGER NOT NULL DEFAULT 0,
    a0 INTEGER NOT NULL DEFAULT 0, a1 INTEGER NOT NULL DEFAULT 0, a2 INTEGER NOT NULL DEFAULT 0,
    a3 INTEGER NOT NULL DEFAULT 0, a4 INTEGER NOT NULL DEFAULT 0, a5 INTEGER NOT NULL DEFAULT 0,
    a6 INTEGER NOT NULL DEFAULT 0, a7 INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY(tenant, partition, day)
) WITHOUT ROWID;
INSERT INTO days
SELECT p.tenant, p.id, w.day, sum(w.messages), sum(w.action = 0), sum(w.action = 1), sum(w.action = 2),
       sum(w.action = 3), sum(w.action = 4), sum(w.action = 5), sum(w.action = 6), sum(w.action = 7)
FROM (
    SELECT key >> 32 AS partition, (recorded_at - (recorded_at % 86400000000 + 86400000000) % 86400000000) / 86400000000
           AS day, 1 AS messages, -1 AS action FROM messages
    UNION ALL
    SELECT key >> 32, (at - (at % 86400000000 + 86400000000) % 86400000000) / 86400000000, 0, action FROM changes
) w JOIN partitions p ON p.id = w.partition GROUP BY p.id, w.day;
INSERT INTO days
SELECT tenant, 0, day, sum(messages), sum(a0), sum(a1), sum(a2), sum(a3), sum(a4), sum(a5), sum(a6), sum(a7)
FROM days GROUP BY tenant, day;

CREATE TABLE tenants(id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at INTEGER NOT NULL) WITHOUT ROWID;
-- It was never made, and is there from the start.
INSERT INTO tenants VALUES('', '', 0);

-- Secrets are kept as SHA-256 digests. Ids that a pin does not give are ''.
CREATE TABLE api_keys(
    key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, digest BLOB NOT NULL UNIQUE,
    tenant TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, prefix TEXT NOT NULL,
    user_id TEXT NOT NULL, agent_id TEXT NOT NULL, app_id TEXT NOT NULL, run_id TEXT NOT NULL,
    created_at INTEGER NOT NULL, expires_at INTEGER, revoked_at INTEGER, last_used_at INTEGER, replaces TEXT
);
CREATE INDEX api_keys_tenant ON api_keys(tenant);

CREATE TABLE browser_sessions(
    digest BLOB PRIMARY KEY, key_id TEXT NOT NULL, csrf_token TEXT NOT NULL,
    created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX browser_sessions_expiry ON browser_sessions(expires_at);
CREATE INDEX browser_sessions_key ON browser_sessions(key_id);

CREATE TABLE audit(
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, tenant TEXT NOT NULL, key_id TEXT,
    operation TEXT NOT NULL, surface TEXT NOT NULL, status INTEGER NOT NULL,
    user_id TEXT NOT NULL, agent_id TEXT NOT NULL, app_id TEXT NOT NULL, run_id TEXT NOT NULL,
    target TEXT, request_id TEXT
);
CREATE INDEX audit_tenant ON audit(tenant);
CREATE INDEX audit_key ON audit(key_id) WHERE key_id IS NOT NULL;
CREATE INDEX audit_at ON audit(at);

-- `since` is the last event before it was made.
CREATE TABLE webhooks(
    key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, tenant TEXT NOT NULL, name TEXT NOT NULL,
    url TEXT NOT NULL, secret TEXT NOT NULL, kinds TEXT NOT NULL,
    user_id TEXT NOT NULL, agent_id TEXT NOT NULL, app_id TEXT NOT NULL, run_id TEXT NOT NULL,
    created_at INTEGER NOT NULL, is_active INTEGER NOT NULL, since INTEGER NOT NULL,
    UNIQUE(tenant, id)
);

-- An event is copied, so that it may be trimmed. `leased` is 1 from a lease until its attempt is settled.
CREATE TABLE deliveries(
    key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, webhook INTEGER NOT NULL,
    event INTEGER NOT NULL, kind INTEGER NOT NULL, tenant TEXT NOT NULL,
    user_id TEXT NOT NULL, agent_id TEXT NOT NULL, app_id TEXT NOT NULL, run_id TEXT NOT NULL,
    batch BLOB, job BLOB, at INTEGER NOT NULL,
    state INTEGER NOT NULL, leased INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, due_at INTEGER,
    updated_at INTEGER NOT NULL, status INTEGER, error TEXT
);
CREATE UNIQUE INDEX deliveries_once ON deliveries(webhook, event);
CREATE INDEX deliveries_due ON deliveries(due_at) WHERE state = 0;
CREATE INDEX deliveries_ended ON deliveries(updated_at) WHERE state <> 0;

CREATE TABLE replies(
    key INTEGER PRIMARY KEY, tenant TEXT NOT NULL, request BLOB NOT NULL, fingerprint BLOB NOT NULL,
    status INTEGER NOT NULL DEFAULT 0, headers TEXT, body BLOB NOT NULL DEFAULT x'',
    at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    UNIQUE(tenant, request)
);
CREATE INDEX replies_expiry ON replies(expires_at);
CREATE INDEX replies_at ON replies(at);
"""

MIGRATIONS = (_VERSION_1, _VERSION_2, _VERSION_3)


def prepare(db: apsw.Connection, name: str) -> None:
    """Bring the file to the current version, from nothing or from an older one.

    Raises:
        StoreVersionError: the file is of a newer Keepstone.
        StoreCorruptError: the file is an SQLite database of something else.
    """
    found = found_version(db, name)
    if found == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have migrated between the look and the lock.
        for number in range(found_version(db, name) + 1, VERSION + 1):
            db.execute(MIGRATIONS[number - 1])
            db.execute(f"PRAGMA user_version={number}")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute("COMMIT")
    except BaseException:
        # Whatever went wrong, the file stays at the version it had.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def found_version(db: apsw.Connection, name: str) -> int:
    """Return the version that the file has, 0 for an empty one.

    Raises:
        StoreVersionError: the file is of a newer Keepstone.
        StoreCorruptError: the file is an SQLite database of something else.
    """
    # One snapshot: another process may make the store between two looks, and half of it would seem foreign.
    with db:
        application, version = _pragma(db, "application_id"), _pragma(db, "user_version")
        tables = _table_count(db)
    if application not in (0, APPLICATION_ID) or (application == 0 and tables):
        raise StoreCorruptError(f"{name} is an SQLite file, but not a Keepstone store.")
    if version > VERSION:
        raise StoreVersionError(
            f"{name} has schema version {version}, this Keepstone knows up to {VERSION}: install a newer Keepstone."
        )
    return version


def _pragma(db: apsw.Connection, name: str) -> int:
    return int(db.pragma(name))


def _table_count(db: apsw.Connection) -> int:
    return int(next(db.execute("SELECT count(*) FROM sqlite_master"))[0])
