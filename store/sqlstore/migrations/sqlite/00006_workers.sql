-- The name of a worker belongs to the owner of the token that used it first; ''
-- is nobody's yet.

-- +goose Up
ALTER TABLE workers ADD COLUMN owner TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE workers DROP COLUMN owner;
