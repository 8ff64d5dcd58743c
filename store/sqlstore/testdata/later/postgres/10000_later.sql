-- What a later version may do without a word to this one: new tables, columns
-- with defaults, indexes.

-- +goose Up
CREATE TABLE colours (
	study_id bigint PRIMARY KEY,
	colour   text NOT NULL
);
ALTER TABLE studies ADD COLUMN colour text NOT NULL DEFAULT 'blue';
ALTER TABLE trials ADD COLUMN colour text;
ALTER TABLE attempts ADD COLUMN cost double precision NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN colour text;
ALTER TABLE events ADD COLUMN colour text;
ALTER TABLE commands ADD COLUMN colour text;
ALTER TABLE tokens ADD COLUMN colour text NOT NULL DEFAULT '';
CREATE INDEX trials_by_colour ON trials (study_id, colour);

-- +goose Down
SELECT 1;
