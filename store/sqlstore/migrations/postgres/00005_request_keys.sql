-- Keys of requests are forgotten after a while: those are found by their age.

-- +goose Up
CREATE INDEX request_keys_by_age ON request_keys (created);

-- +goose Down
DROP INDEX request_keys_by_age;
