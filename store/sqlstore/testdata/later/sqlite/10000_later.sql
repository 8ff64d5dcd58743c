-- What a later version may do without a word to this one: new tables, columns
-- with defaults, indexes.

-- +goose Up
CREATE TABLE colours (
	study_id INTEGER PRIMARY KEY,
	colour   TEXT NOT NULL
) STRICT;
ALTER TABLE studies ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue';
ALTER TABLE trials ADD COLUMN colour TEXT;
ALTER TABLE attempts ADD COLUMN cost REAL NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN colour TEXT;
ALTER TABLE events ADD COLUMN colour TEXT;
ALTER TABLE commands ADD COLUMN colour TEXT;
ALTER TABLE tokens ADD COLUMN colour TEXT NOT NULL DEFAULT '';
CREATE INDEX trials_by_colour ON trials (study_id, colour);

-- +goose Down
SELECT 1;
