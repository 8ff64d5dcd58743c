-- Copies of events in a form that is quick to read; what is in them is in the
-- other tables too.

-- +goose Up
CREATE TABLE digests (
	study_id bigint NOT NULL,
	from_seq bigint NOT NULL,
	to_seq   bigint NOT NULL,
	data     bytea  NOT NULL,
	PRIMARY KEY (study_id, from_seq)
);

-- +goose Down
DROP TABLE digests;
