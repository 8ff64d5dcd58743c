-- Copies of events in a form that is quick to read; what is in them is in the
-- other tables too.

-- +goose Up
CREATE TABLE digests (
	study_id INTEGER NOT NULL,
	from_seq INTEGER NOT NULL,
	to_seq   INTEGER NOT NULL,
	data     BLOB    NOT NULL,
	PRIMARY KEY (study_id, from_seq)
) STRICT;

-- +goose Down
DROP TABLE digests;
