-- The whole schema of tuner. Times are microseconds since 1970 in UTC; a JSON
-- document is TEXT; "kind" of a value is 0 finite, 1 NaN (then value is NULL,
-- for SQLite has no NaN), 2 +infinity, 3 -infinity. A study's ID is unique over
-- all projects and never used again, so the tables below studies are keyed by it.

-- +goose Up
CREATE TABLE schema_meta (
	one        INTEGER PRIMARY KEY CHECK (one = 1),
	-- The lowest schema version that a build must know to use this database.
	min_reader INTEGER NOT NULL
) STRICT;
INSERT INTO schema_meta (one, min_reader) VALUES (1, 1);

CREATE TABLE projects (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	name    TEXT    NOT NULL UNIQUE,
	created INTEGER NOT NULL
) STRICT;

CREATE TABLE studies (
	id            INTEGER PRIMARY KEY AUTOINCREMENT,
	project_id    INTEGER NOT NULL REFERENCES projects (id),
	name          TEXT    NOT NULL,
	epoch         INTEGER NOT NULL,
	next_seq      INTEGER NOT NULL,
	next_number   INTEGER NOT NULL,
	space_version INTEGER NOT NULL,
	lease_until   INTEGER,
	owner         TEXT    NOT NULL,
	owner_addr    TEXT    NOT NULL,
	created       INTEGER NOT NULL,
	state         TEXT    NOT NULL,
	reason        TEXT    NOT NULL,
	spec          TEXT    NOT NULL,
	UNIQUE (project_id, name)
) STRICT;

CREATE TABLE spaces (
	study_id INTEGER NOT NULL,
	version  INTEGER NOT NULL,
	created  INTEGER NOT NULL,
	json     TEXT    NOT NULL,
	PRIMARY KEY (study_id, version)
) STRICT;

CREATE TABLE trials (
	id            INTEGER PRIMARY KEY AUTOINCREMENT,
	study_id      INTEGER NOT NULL,
	number        INTEGER NOT NULL,
	state         TEXT    NOT NULL,
	reason        TEXT    NOT NULL,
	space_version INTEGER NOT NULL,
	priority      INTEGER NOT NULL,
	attempts      INTEGER NOT NULL,
	lost          INTEGER NOT NULL,
	step          INTEGER NOT NULL,
	created       INTEGER NOT NULL,
	started       INTEGER,
	finished      INTEGER,
	parent        INTEGER NOT NULL,
	budget        REAL    NOT NULL,
	origin        TEXT    NOT NULL,
	arm           TEXT    NOT NULL,
	params        TEXT    NOT NULL,
	basis         TEXT    NOT NULL,
	explain       TEXT
) STRICT;
CREATE UNIQUE INDEX trials_by_number ON trials (study_id, number);
-- Few trials are open at a time, so this index stays small, and a trial enters
-- each of the other two once, when it finishes.
CREATE INDEX trials_open ON trials (study_id, number) WHERE finished IS NULL;
CREATE INDEX trials_by_state ON trials (study_id, state, number) WHERE finished IS NOT NULL;
CREATE INDEX trials_by_finish ON trials (study_id, finished, number) WHERE finished IS NOT NULL;

CREATE TABLE attempts (
	study_id       INTEGER NOT NULL,
	trial          INTEGER NOT NULL,
	number         INTEGER NOT NULL,
	state          TEXT    NOT NULL,
	token          TEXT    NOT NULL,
	worker         TEXT    NOT NULL,
	executor       TEXT    NOT NULL,
	node           TEXT    NOT NULL,
	handle         TEXT    NOT NULL,
	handle_version INTEGER NOT NULL,
	dir            TEXT    NOT NULL,
	stopping       TEXT    NOT NULL,
	reason         TEXT    NOT NULL,
	cursor         TEXT    NOT NULL,
	exit_code      INTEGER,
	exit_signal    TEXT    NOT NULL,
	leased         INTEGER NOT NULL,
	expires        INTEGER,
	ended          INTEGER,
	request_key    TEXT    NOT NULL,
	PRIMARY KEY (study_id, trial, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE trial_metrics (
	study_id INTEGER NOT NULL,
	trial    INTEGER NOT NULL,
	metric   TEXT    NOT NULL,
	value    REAL,
	kind     INTEGER NOT NULL,
	PRIMARY KEY (study_id, trial, metric)
) STRICT, WITHOUT ROWID;
CREATE INDEX trial_metrics_by_value ON trial_metrics (study_id, metric, value, trial);

-- A report is the event of its seq; it has no row in events.
CREATE TABLE reports (
	study_id INTEGER NOT NULL,
	trial    INTEGER NOT NULL,
	seq      INTEGER NOT NULL,
	attempt  INTEGER NOT NULL,
	step     INTEGER NOT NULL,
	created  INTEGER NOT NULL,
	kind     INTEGER NOT NULL,
	value    REAL,
	metric   TEXT    NOT NULL,
	PRIMARY KEY (study_id, trial, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE decisions (
	study_id INTEGER NOT NULL,
	seq      INTEGER NOT NULL,
	trial    INTEGER NOT NULL,
	step     INTEGER NOT NULL,
	kind     TEXT    NOT NULL,
	reason   TEXT    NOT NULL,
	created  INTEGER NOT NULL,
	PRIMARY KEY (study_id, trial, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
	study_id      INTEGER NOT NULL,
	seq           INTEGER NOT NULL,
	kind          TEXT    NOT NULL,
	trial         INTEGER NOT NULL,
	created       INTEGER NOT NULL,
	space_version INTEGER NOT NULL,
	payload       TEXT,
	PRIMARY KEY (study_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE commands (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	study_id    INTEGER NOT NULL,
	kind        TEXT    NOT NULL,
	request_key TEXT,
	payload     BLOB    NOT NULL,
	created     INTEGER NOT NULL,
	response    BLOB,
	answered    INTEGER
) STRICT;
CREATE UNIQUE INDEX commands_by_key ON commands (study_id, request_key) WHERE request_key IS NOT NULL;
CREATE INDEX commands_open ON commands (study_id, id) WHERE answered IS NULL;

CREATE TABLE outbox_cursors (
	study_id INTEGER NOT NULL,
	name     TEXT    NOT NULL,
	seq      INTEGER NOT NULL,
	PRIMARY KEY (study_id, name)
) STRICT, WITHOUT ROWID;

-- The owner of an attribute is a trial, or the study itself: trial -1.
CREATE TABLE attributes (
	study_id  INTEGER NOT NULL,
	trial     INTEGER NOT NULL,
	namespace TEXT    NOT NULL,
	key       TEXT    NOT NULL,
	value     BLOB    NOT NULL,
	PRIMARY KEY (study_id, trial, namespace, key)
) STRICT;

CREATE TABLE suggester_state (
	study_id INTEGER PRIMARY KEY,
	seq      INTEGER NOT NULL,
	name     TEXT    NOT NULL,
	version  INTEGER NOT NULL,
	state    BLOB    NOT NULL
) STRICT;

CREATE TABLE request_keys (
	study_id  INTEGER NOT NULL,
	key       TEXT    NOT NULL,
	body_hash BLOB    NOT NULL,
	response  BLOB    NOT NULL,
	created   INTEGER NOT NULL,
	PRIMARY KEY (study_id, key)
) STRICT;

CREATE TABLE tokens (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	project_id INTEGER NOT NULL REFERENCES projects (id),
	name       TEXT    NOT NULL,
	hash       BLOB    NOT NULL UNIQUE,
	scopes     TEXT    NOT NULL,
	created    INTEGER NOT NULL,
	expires    INTEGER,
	last_used  INTEGER,
	UNIQUE (project_id, name)
) STRICT;

CREATE TABLE workers (
	project_id INTEGER NOT NULL REFERENCES projects (id),
	name       TEXT    NOT NULL,
	info       TEXT    NOT NULL,
	created    INTEGER NOT NULL,
	seen       INTEGER NOT NULL,
	PRIMARY KEY (project_id, name)
) STRICT;

-- +goose Down
DROP TABLE workers;
DROP TABLE tokens;
DROP TABLE request_keys;
DROP TABLE suggester_state;
DROP TABLE attributes;
DROP TABLE outbox_cursors;
DROP TABLE commands;
DROP TABLE events;
DROP TABLE decisions;
DROP TABLE reports;
DROP TABLE trial_metrics;
DROP TABLE attempts;
DROP TABLE trials;
DROP TABLE spaces;
DROP TABLE studies;
DROP TABLE projects;
DROP TABLE schema_meta;
