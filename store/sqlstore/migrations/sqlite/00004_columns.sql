-- The values of one parameter in a block of trials, in the order of their
-- numbers: what is sorted or filtered by a parameter is found here. They are
-- copies of trials.params, which never change, made when a block is full and
-- wanted. The parameter '' is the time when the trials were created.

-- +goose Up
CREATE TABLE trial_columns (
	study_id INTEGER NOT NULL,
	param    TEXT    NOT NULL,
	block    INTEGER NOT NULL,
	data     BLOB    NOT NULL,
	PRIMARY KEY (study_id, param, block)
) STRICT;

-- +goose Down
DROP TABLE trial_columns;
