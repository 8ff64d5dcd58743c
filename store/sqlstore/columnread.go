package sqlstore

import (
	"cmp"
	"database/sql"
	"encoding/json"

	"gorm.io/gorm"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// family is what is stored together: the columns that the same rows tell.
type family int

const (
	ofParams  family = iota // and the times of creation
	ofResults               // states, times of finishing, metrics
	numFamilies
)

// maxUnsettled is how many blocks a listing reads results of from the rows, before
// the indices of the rows are the better way.
const maxUnsettled = 16

// columns are the columns of a study's first n trials.
type columns struct {
	store *Store
	db    *gorm.DB
	study int64
	n     int
	// distrust has all made anew, because some could not be read.
	distrust bool

	stored [numFamilies]map[int]bool              // blocks
	fresh  [numFamilies]map[int]map[string][]byte // by block and name
	made   []columnRow                            // to be stored
}

func newColumns(s *Store, db *gorm.DB, study int64, n int) *columns {
	c := &columns{store: s, db: db, study: study, n: n}
	for f := range numFamilies {
		c.fresh[f] = map[int]map[string][]byte{}
	}
	return c
}

func (s *Store) blockSize() int { return cmp.Or(s.block, columnBlock) }

// few is how many trials a study has that is listed by its rows.
func (s *Store) few() int {
	if s.block != 0 {
		return 2 * s.block
	}
	return fewTrials
}

// load gets the columns of a family ready. Blocks that are not there are made of
// the rows, unless there are more of them than limit: then ok is false.
func (c *columns) load(f family, limit int) (ok bool, err error) {
	if err := c.marked(f); err != nil {
		return false, err
	}
	size := c.store.blockSize()
	var missing []int
	for b := 0; b*size < c.n; b++ {
		if !c.stored[f][b] {
			missing = append(missing, b)
		}
	}
	if len(missing) > limit {
		return false, nil
	}
	for _, b := range missing {
		if err := c.makeBlock(f, b); err != nil {
			return false, err
		}
	}
	return true, nil
}

// makeBlock makes the columns of a block, which are to be stored if they are
// final.
func (c *columns) makeBlock(f family, b int) error {
	size := c.store.blockSize()
	from, to := b*size, min((b+1)*size, c.n)
	made, final, err := c.scan(f, from, to)
	if err != nil {
		return err
	}
	c.fresh[f][b] = map[string][]byte{}
	for name, column := range made {
		data := column.encode()
		c.fresh[f][b][name] = data
		if final && to-from == size {
			c.made = append(c.made, columnRow{StudyID: c.study, Param: store.Text(name), Block: int64(b), Data: data})
		}
	}
	return nil
}

// marked finds out which blocks are stored.
func (c *columns) marked(f family) error {
	c.stored[f] = map[int]bool{}
	if c.distrust {
		return nil
	}
	var blocks []int64
	err := c.db.Raw("SELECT block FROM trial_columns WHERE study_id = ? AND param = ? ORDER BY block", c.study,
		[]string{ofParams: createdColumn, ofResults: stateColumn}[f]).Scan(&blocks).Error
	for _, b := range blocks {
		c.stored[f][int(b)] = (int(b)+1)*c.store.blockSize() <= c.n
	}
	return err
}

// each calls do with the column's blocks, in order. do must not use the database.
func (c *columns) each(f family, name string, do func(first int, b *block)) (err error) {
	size := c.store.blockSize()
	blocks := (c.n + size - 1) / size
	rows, err := c.db.Raw("SELECT block, data FROM trial_columns WHERE study_id = ? AND param = ? AND block < ? ORDER BY block",
		c.study, store.Text(name), blocks).Rows()
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	next := 0
	for rows.Next() {
		var at int
		var data sql.RawBytes
		if err := rows.Scan(&at, &data); err != nil {
			return err
		}
		if !c.stored[f][at] {
			continue
		}
		if err := c.between(f, name, next, at, do); err != nil {
			return err
		}
		b, err := parseBlock(data, size)
		if err != nil {
			return err
		}
		do(at*size, &b)
		next = at + 1
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return c.between(f, name, next, blocks, do)
}

// between gives do the blocks from … to-1, of which none is stored: they have just
// been made, or have no value.
func (c *columns) between(f family, name string, from, to int, do func(first int, b *block)) (err error) {
	size := c.store.blockSize()
	for ; from < to; from++ {
		count := min(size, c.n-from*size)
		b := block{kinds: make([]byte, count), bits: make([]byte, 8*count)}
		if data, ok := c.fresh[f][from][name]; ok {
			if b, err = parseBlock(data, count); err != nil {
				return err
			}
		}
		do(from*size, &b)
	}
	return nil
}

// scan makes the columns of the trials from … to-1 out of their rows; final tells
// that they cannot change any more.
func (c *columns) scan(f family, from, to int) (out map[string]*paramColumn, final bool, err error) {
	if f == ofResults {
		return c.scanResults(from, to)
	}
	rows, err := c.db.Raw("SELECT number, created, finished IS NOT NULL, params FROM trials WHERE study_id = ? AND number >= ? AND number < ? ORDER BY number",
		c.study, from, to).Rows()
	if err != nil {
		return nil, false, err
	}
	out = map[string]*paramColumn{createdColumn: {}}
	final = true
	err = c.eachRow(rows, from, to, func(i int, scan func(...any) error) error {
		var created int64
		var finished bool
		var text sql.RawBytes
		if err := scan(&created, &finished, &text); err != nil {
			return err
		}
		var params types.Params
		if err := params.UnmarshalJSON(text); err != nil {
			return damaged("the parameters of a trial", err)
		}
		final = final && finished
		for _, p := range params {
			put(out, p.Name, i, p.Value)
		}
		put(out, createdColumn, i, created)
		return nil
	})
	pad(out, to-from)
	if err == nil && !final {
		final, err = c.closed()
	}
	return out, final, err
}

// closed reports that the study's points do not grow while its trials run.
func (c *columns) closed() (bool, error) {
	var text string
	if err := c.db.Raw("SELECT json FROM spaces WHERE study_id = ? ORDER BY version DESC LIMIT 1", c.study).Scan(&text).Error; err != nil {
		return false, err
	}
	var space struct {
		Open bool `json:"open"`
	}
	if err := json.Unmarshal([]byte(text), &space); err != nil {
		return false, nil //nolint:nilerr // no space that is known here: better not
	}
	return !space.Open, nil
}

func (c *columns) scanResults(from, to int) (out map[string]*paramColumn, final bool, err error) {
	out = map[string]*paramColumn{stateColumn: {}, finishedColumn: {}}
	rows, err := c.db.Raw("SELECT number, state, finished FROM trials WHERE study_id = ? AND number >= ? AND number < ? ORDER BY number",
		c.study, from, to).Rows()
	if err != nil {
		return nil, false, err
	}
	final = true
	err = c.eachRow(rows, from, to, func(i int, scan func(...any) error) error {
		var state string
		var finished *int64
		if err := scan(&state, &finished); err != nil {
			return err
		}
		put(out, stateColumn, i, state)
		if finished != nil {
			put(out, finishedColumn, i, *finished)
		}
		final = final && finished != nil
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	// After the states: a trial that was finished then has all its metrics.
	rows, err = c.db.Raw("SELECT trial, metric, value, kind FROM trial_metrics WHERE study_id = ? AND trial >= ? AND trial < ? ORDER BY trial",
		c.study, from, to).Rows()
	if err != nil {
		return nil, false, err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	for rows.Next() {
		var number, kind int64
		var metric string
		var value *float64
		if err := rows.Scan(&number, &metric, &value, &kind); err != nil {
			return nil, false, err
		}
		put(out, metricColumn+metric, int(number)-from, join(value, kind))
	}
	pad(out, to-from)
	return out, final, rows.Err()
}

// eachRow calls do for the rows of the trials from … to-1 with their places, and
// closes rows. What scan reads is valid until do returns.
func (c *columns) eachRow(rows *sql.Rows, from, to int, do func(i int, scan func(...any) error) error) (err error) {
	defer func() { err = cmp.Or(err, rows.Close()) }()
	next := from
	var number int64
	for ; rows.Next(); next++ {
		err := do(next-from, func(to ...any) error { return rows.Scan(append([]any{&number}, to...)...) })
		if err != nil {
			return err
		}
		if number != int64(next) {
			return types.Errorf(types.Invalid, "trial %d of study %d is missing", next, c.study).WithRemedy("restore a backup")
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if next != to {
		return types.Errorf(types.Unavailable, "study %d was removed", c.study)
	}
	return nil
}

// put sets the value of trial i in a column.
func put(columns map[string]*paramColumn, name string, i int, v any) {
	c := columns[name]
	if c == nil {
		c = &paramColumn{}
		columns[name] = c
	}
	c.pad(i)
	c.add(v)
}

func pad(columns map[string]*paramColumn, to int) {
	for _, c := range columns {
		c.pad(to)
	}
}
