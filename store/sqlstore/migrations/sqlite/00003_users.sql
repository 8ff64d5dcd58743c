-- Who may do what on a server: tokens have an owner and projects, and a study
-- says who made it (which is not studies.owner, the process that writes it).

-- +goose Up
ALTER TABLE tokens ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN projects TEXT NOT NULL DEFAULT '';
ALTER TABLE studies ADD COLUMN created_by TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE studies DROP COLUMN created_by;
ALTER TABLE tokens DROP COLUMN projects;
ALTER TABLE tokens DROP COLUMN owner;
