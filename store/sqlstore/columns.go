package sqlstore

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"gorm.io/gorm"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// columnBlock is how many trials share a row of trial_columns.
const columnBlock = 2048

// columnForm is the first byte of a block's data: then come the kinds of the
// values, one byte each, the values, eight bytes each, and the texts.
const columnForm = 1

// createdColumn is the name of the column of times.
const createdColumn = ""

// The kinds of values.
const (
	noValue byte = iota
	intValue
	floatValue
	textValue
	boolValue
)

// paramColumn is a parameter's values by trial number. A text is its place in texts.
type paramColumn struct {
	kinds []byte
	bits  []uint64
	texts []string
	known map[string]uint64
}

func (c *paramColumn) len() int { return len(c.kinds) }

// value is the value of the trial n; nil is inactive.
func (c *paramColumn) value(n int) any {
	switch c.kinds[n] {
	case intValue:
		return int64(c.bits[n])
	case floatValue:
		return math.Float64frombits(c.bits[n])
	case textValue:
		return c.texts[c.bits[n]]
	case boolValue:
		return c.bits[n] == 1
	}
	return nil
}

func (c *paramColumn) add(v any) {
	kind, bits := noValue, uint64(0)
	switch v := v.(type) {
	case int64:
		kind, bits = intValue, uint64(v)
	case float64:
		kind, bits = floatValue, math.Float64bits(v)
	case string:
		kind, bits = textValue, c.text(v)
	case bool:
		kind = boolValue
		if v {
			bits = 1
		}
	}
	c.kinds, c.bits = append(c.kinds, kind), append(c.bits, bits)
}

func (c *paramColumn) text(s string) uint64 {
	if c.known == nil {
		c.known = map[string]uint64{}
	}
	i, ok := c.known[s]
	if !ok {
		i = uint64(len(c.texts))
		c.texts = append(c.texts, s)
		c.known[s] = i
	}
	return i
}

// pad adds trials where the parameter is inactive.
func (c *paramColumn) pad(to int) {
	for c.len() < to {
		c.add(nil)
	}
}

// encode is the form in which a block is stored.
func (c *paramColumn) encode() []byte {
	b := append(make([]byte, 0, 1+9*c.len()), columnForm)
	b = append(b, c.kinds...)
	for _, v := range c.bits {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	for _, s := range c.texts {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}

var errColumn = errors.New("unreadable column")

// decode adds the values of a block.
func (c *paramColumn) decode(b []byte, size int) error {
	if len(b) < 1+9*size || b[0] != columnForm {
		return errColumn
	}
	kinds, bits, rest := b[1:1+size], b[1+size:1+9*size], b[1+9*size:]
	var texts []uint64 // their places here
	for len(rest) > 0 {
		n, k := binary.Uvarint(rest)
		if k <= 0 || n > uint64(len(rest)-k) {
			return errColumn
		}
		texts = append(texts, c.text(string(rest[k:k+int(n)])))
		rest = rest[k+int(n):]
	}
	for i, kind := range kinds {
		v := binary.LittleEndian.Uint64(bits[8*i:])
		if kind == textValue {
			if v >= uint64(len(texts)) {
				return errColumn
			}
			v = texts[v]
		}
		if kind > boolValue {
			return errColumn
		}
		c.kinds, c.bits = append(c.kinds, kind), append(c.bits, v)
	}
	return nil
}

func (s *Store) blockSize() int { return cmp.Or(s.block, columnBlock) }

// columns reads the columns of a study's first n trials. Blocks that are full
// and not there yet are made, and returned to be stored.
func (s *Store) columns(db *gorm.DB, study int64, n int, names []string) (out map[string]*paramColumn, made []columnRow, err error) {
	size := s.blockSize()
	var last []int64
	err = db.Raw("SELECT block FROM trial_columns WHERE study_id = ? AND param = ? ORDER BY block", study, createdColumn).Scan(&last).Error
	if err != nil {
		return nil, nil, err
	}
	full := 0 // blocks from 0 on without gap
	for full < len(last) && last[full] == int64(full) && (full+1)*size <= n {
		full++
	}
	out = map[string]*paramColumn{}
	for _, name := range names {
		if out[name], err = s.stored(db, study, name, full); err != nil {
			if !errors.Is(err, errColumn) {
				return nil, nil, err
			}
			// What cannot be read is made anew.
			full, out = 0, map[string]*paramColumn{}
			for _, name := range names {
				out[name] = &paramColumn{}
			}
			break
		}
	}
	for from := full * size; from < n; from += size {
		block, err := s.scan(db, study, from, min(from+size, n))
		if err != nil {
			return nil, nil, err
		}
		if from+size <= n {
			for name, c := range block {
				made = append(made, columnRow{StudyID: study, Param: store.Text(name), Block: int64(from / size), Data: c.encode()})
			}
		}
		for name, c := range out {
			if b := block[name]; b != nil {
				for i := range b.len() {
					c.add(b.value(i))
				}
			}
			c.pad(min(from+size, n))
		}
	}
	return out, made, nil
}

// stored reads the first full blocks of a column.
func (s *Store) stored(db *gorm.DB, study int64, name string, full int) (_ *paramColumn, err error) {
	size := s.blockSize()
	c := &paramColumn{kinds: make([]byte, 0, full*size), bits: make([]uint64, 0, full*size)}
	rows, err := db.Raw("SELECT block, data FROM trial_columns WHERE study_id = ? AND param = ? AND block < ? ORDER BY block",
		study, store.Text(name), full).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	for rows.Next() {
		var block int64
		var data []byte
		if err := rows.Scan(&block, &data); err != nil {
			return nil, err
		}
		c.pad(int(block) * size)
		if err := c.decode(data, size); err != nil {
			return nil, err
		}
	}
	c.pad(full * size)
	return c, rows.Err()
}

// scan makes the columns of the trials from … to-1 out of their rows.
func (s *Store) scan(db *gorm.DB, study int64, from, to int) (_ map[string]*paramColumn, err error) {
	rows, err := db.Raw("SELECT number, created, params FROM trials WHERE study_id = ? AND number >= ? AND number < ? ORDER BY number", study, from, to).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	out := map[string]*paramColumn{createdColumn: {}}
	next := from
	for ; rows.Next(); next++ {
		var number, created int64
		var text string
		if err := rows.Scan(&number, &created, &text); err != nil {
			return nil, err
		}
		if number != int64(next) {
			return nil, types.Errorf(types.Invalid, "trial %d of study %d is missing", next, study).WithRemedy("restore a backup")
		}
		var params types.Params
		if err := params.UnmarshalJSON([]byte(text)); err != nil {
			return nil, damaged("the parameters of a trial", err)
		}
		for _, p := range params {
			c := out[p.Name]
			if c == nil {
				c = &paramColumn{}
				out[p.Name] = c
			}
			c.pad(next - from)
			c.add(p.Value)
		}
		out[createdColumn].add(created)
	}
	for _, c := range out {
		c.pad(next - from)
	}
	if next != to && err == nil {
		return nil, cmp.Or(rows.Err(), error(types.Errorf(types.Unavailable, "study %d was removed", study)))
	}
	return out, rows.Err()
}

// prepareColumns makes the columns of the blocks that were full one block ago,
// when a batch begins a new one: so whoever sorts by a parameter first does not
// wait for all of them.
func (s *Store) prepareColumns(b *store.Batch) {
	size := int64(s.blockSize())
	study, full := b.Study, b.FromNumber/size
	if b.ToNumber/size == full || full == 0 || s.closed.Load() || !s.preparing.CompareAndSwap(false, true) {
		return
	}
	s.background.Go(func() {
		defer s.preparing.Store(false)
		ctx := context.Background()
		var made []columnRow
		err := s.read(ctx, func(db *gorm.DB) (err error) {
			_, made, err = s.columns(db, study, int(full*size), nil)
			return err
		})
		if err == nil { // else a later call makes them, or says what is wrong
			s.keepColumns(ctx, study, made[:min(len(made), keptColumns)])
		}
	})
}

// keepColumns stores blocks that a reader has made. Those of a study that is
// gone are not stored; that a block is not stored harms nobody.
func (s *Store) keepColumns(ctx context.Context, study int64, made []columnRow) {
	for some := range slices.Chunk(made, 64) {
		err := s.writer.do(ctx, func(tx *gorm.DB) error {
			var there int64
			if err := tx.Model(&studyRow{}).Where("id = ?", study).Count(&there).Error; err != nil || there == 0 {
				return err
			}
			return tx.Save(some).Error
		})
		if err != nil {
			s.log.Warn("could not store what was sorted out; it will be made again", "study", study, "error", err)
			return
		}
	}
}
