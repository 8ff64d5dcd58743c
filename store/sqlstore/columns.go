package sqlstore

import (
	"encoding/binary"
	"errors"
	"math"
)

// columnBlock is how many trials share a row of trial_columns.
const columnBlock = 2048

// columnForm is the first byte of a block's data: then come the kinds of the
// values, one byte each, the values, eight bytes each, and the texts.
const columnForm = 1

// The names of columns that are not parameters, whose names have no control
// characters. A block of these columns but the first is stored when its trials are
// finished, for then they do not change any more; the column of states tells that
// it is there, as the column of times does for the parameters.
const (
	createdColumn  = ""
	stateColumn    = "\x01state"
	finishedColumn = "\x01finished"
	metricColumn   = "\x01metric:" // and the metric's name
)

// The kinds of values.
const (
	noValue byte = iota
	intValue
	floatValue
	textValue
	boolValue
)

// paramColumn is a column of a block that is being made. A text is its place in
// texts.
type paramColumn struct {
	kinds []byte
	bits  []uint64
	texts []string
	known map[string]uint64
}

func (c *paramColumn) len() int { return len(c.kinds) }

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

// block is a column of the trials of one block. It is read where the database
// has it, and valid as long as that is.
type block struct {
	kinds, bits []byte
	texts       []string
}

// parseBlock reads a block of size trials.
func parseBlock(data []byte, size int) (block, error) {
	if len(data) < 1+9*size || data[0] != columnForm {
		return block{}, errColumn
	}
	b := block{kinds: data[1 : 1+size], bits: data[1+size : 1+9*size]}
	for rest := data[1+9*size:]; len(rest) > 0; {
		n, k := binary.Uvarint(rest)
		if k <= 0 || n > uint64(len(rest)-k) {
			return block{}, errColumn
		}
		b.texts = append(b.texts, string(rest[k:k+int(n)]))
		rest = rest[k+int(n):]
	}
	for i, kind := range b.kinds {
		if kind > boolValue || kind == textValue && b.raw(i) >= uint64(len(b.texts)) {
			return block{}, errColumn
		}
	}
	return b, nil
}

func (b *block) raw(i int) uint64 { return binary.LittleEndian.Uint64(b.bits[8*i:]) }

// value is the value of the block's trial i; nil is inactive.
func (b *block) value(i int) any {
	switch b.kinds[i] {
	case intValue:
		return int64(b.raw(i))
	case floatValue:
		return math.Float64frombits(b.raw(i))
	case textValue:
		return b.texts[b.raw(i)]
	case boolValue:
		return b.raw(i) == 1
	}
	return nil
}

// number is the value as a number; ok is false if it is none.
func (b *block) number(i int) (v float64, ok bool) {
	switch b.kinds[i] {
	case intValue:
		return float64(int64(b.raw(i))), true
	case floatValue:
		return math.Float64frombits(b.raw(i)), true
	}
	return 0, false
}
