-- What no earlier version could use: it says so.

-- +goose Up
ALTER TABLE studies RENAME COLUMN owner TO holder;
UPDATE schema_meta SET min_reader = 10001;

-- +goose Down
SELECT 1;
