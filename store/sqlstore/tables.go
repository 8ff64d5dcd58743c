package sqlstore

import (
	"strconv"
	"strings"
)

// table is one that the hot path of a commit writes: whole rows, many at once.
type table int

// The tables, in the order in which a commit writes them.
const (
	trialsTable table = iota
	attemptsTable
	metricsTable
	reportsTable
	eventsTable
	numTables
)

type tableSpec struct {
	name    string
	columns []string
	// keys are the columns by which a row replaces another; none means that a
	// row is new for certain.
	keys int
}

// tableSpecs gives the columns in the order in which encode writes them.
var tableSpecs = [numTables]tableSpec{
	trialsTable: {name: "trials", columns: []string{
		"study_id", "number", "state", "reason", "space_version", "priority", "attempts", "lost", "step",
		"created", "started", "finished", "parent", "budget", "origin", "arm", "params", "basis", "explain",
	}},
	attemptsTable: {name: "attempts", keys: 3, columns: []string{
		"study_id", "trial", "number", "state", "token", "worker", "executor", "node", "handle", "handle_version",
		"dir", "stopping", "reason", "cursor", "exit_code", "exit_signal", "leased", "expires", "ended", "request_key",
	}},
	metricsTable: {name: "trial_metrics", keys: 3, columns: []string{
		"study_id", "trial", "metric", "value", "kind",
	}},
	reportsTable: {name: "reports", columns: []string{
		"study_id", "trial", "seq", "attempt", "step", "created", "kind", "value", "metric",
	}},
	eventsTable: {name: "events", columns: []string{
		"study_id", "seq", "kind", "trial", "created", "space_version", "payload",
	}},
}

// insertSQL is the statement that inserts n rows.
func (t table) insertSQL(d dialect, n int) string {
	spec := &tableSpecs[t]
	var b strings.Builder
	b.WriteString("INSERT INTO " + spec.name + " (" + strings.Join(spec.columns, ", ") + ") VALUES ")
	arg := 0
	for row := range n {
		if row > 0 {
			b.WriteString(", ")
		}
		for i := range spec.columns {
			b.WriteString([]string{"(", ", "}[min(i, 1)])
			arg++
			b.WriteString(d.placeholder(arg))
		}
		b.WriteString(")")
	}
	if spec.keys > 0 {
		b.WriteString(" ON CONFLICT (" + strings.Join(spec.columns[:spec.keys], ", ") + ") DO UPDATE SET ")
		for i, c := range spec.columns[spec.keys:] {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(c + " = excluded." + c)
		}
	}
	return b.String()
}

// statement is any other write of a commit. Each touches exactly one row, or
// else the batch fails with the error that belongs to it.
type statement int

const (
	fenceStatement statement = iota
	updateTrialStatement
	updatePointStatement
	putStudyStatement
	setSpaceStatement
	addSpaceStatement
	addDecisionStatement
	putStateStatement
	putDigestStatement
	putAttributeStatement
	dropAttributeStatement
	putRequestKeyStatement
	answerCommandStatement
	numStatements
)

// statementSQL is written with ? for arguments; dialect.rewrite turns them into
// what PostgreSQL wants.
var statementSQL = [numStatements]string{
	fenceStatement: `UPDATE studies SET next_seq = ?, next_number = ?
		WHERE id = ? AND epoch = ? AND next_seq = ? AND next_number = ?`,
	updateTrialStatement: `UPDATE trials SET state = ?, reason = ?, priority = ?, attempts = ?, lost = ?, step = ?, budget = ?,
		started = ?, finished = ? WHERE study_id = ? AND number = ?`,
	updatePointStatement: `UPDATE trials SET params = ?, space_version = ?, arm = ? WHERE study_id = ? AND number = ?`,
	putStudyStatement: `UPDATE studies SET spec = ?, state = ?, reason = ?
		WHERE id = ? AND name = ? AND project_id = (SELECT id FROM projects WHERE name = ?)`,
	setSpaceStatement: `UPDATE studies SET space_version = ? WHERE id = ? AND space_version = ?`,
	addSpaceStatement: `INSERT INTO spaces (study_id, version, created, json) VALUES (?, ?, ?, ?)`,
	addDecisionStatement: `INSERT INTO decisions (study_id, seq, trial, step, kind, reason, created)
		VALUES (?, ?, ?, ?, ?, ?, ?)`,
	putStateStatement: `INSERT INTO suggester_state (study_id, seq, name, version, state) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (study_id) DO UPDATE SET seq = excluded.seq, name = excluded.name, version = excluded.version,
		state = excluded.state WHERE excluded.seq >= suggester_state.seq`,
	putDigestStatement: `INSERT INTO digests (study_id, from_seq, to_seq, data) VALUES (?, ?, ?, ?)
		ON CONFLICT (study_id, from_seq) DO UPDATE SET to_seq = excluded.to_seq, data = excluded.data`,
	putAttributeStatement: `INSERT INTO attributes (study_id, trial, namespace, key, value) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (study_id, trial, namespace, key) DO UPDATE SET value = excluded.value`,
	dropAttributeStatement: `DELETE FROM attributes WHERE study_id = ? AND trial = ? AND namespace = ? AND key = ?`,
	putRequestKeyStatement: `INSERT INTO request_keys (study_id, key, body_hash, response, created) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (study_id, key) DO UPDATE SET body_hash = excluded.body_hash, response = excluded.response,
		created = excluded.created`,
	answerCommandStatement: `UPDATE commands SET response = ?, answered = ?
		WHERE id = ? AND study_id = ? AND answered IS NULL`,
}

// dialect is one of the two SQL dialects.
type dialect int

const (
	sqliteDialect dialect = iota
	postgresDialect
)

func (d dialect) String() string { return [...]string{"sqlite", "postgres"}[d] }

func (d dialect) placeholder(n int) string {
	if d == sqliteDialect {
		return "?"
	}
	return "$" + strconv.Itoa(n)
}

// rewrite replaces each ? of a statement without literals.
func (d dialect) rewrite(query string) string {
	parts := strings.Split(query, "?")
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString(d.placeholder(i))
		}
		b.WriteString(p)
	}
	return b.String()
}
