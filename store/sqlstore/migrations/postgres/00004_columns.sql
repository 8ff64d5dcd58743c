-- The values of one parameter in a block of trials, in the order of their
-- numbers: what is sorted or filtered by a parameter is found here. They are
-- copies of trials.params, which never change, made when a block is full and
-- wanted. The parameter '' is the time when the trials were created.

-- +goose Up
CREATE TABLE trial_columns (
	study_id bigint  NOT NULL,
	param    text    NOT NULL,
	block    bigint  NOT NULL,
	data     bytea   NOT NULL,
	PRIMARY KEY (study_id, param, block)
);

-- +goose Down
DROP TABLE trial_columns;
