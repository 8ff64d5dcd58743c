package main

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
)

// digitsCSV holds 1,797 lines of 64 grey values (0 … 16) and the label; see
// README.md for its origin and licence.
//
//go:embed digits.csv.gz
var digitsCSV []byte

const (
	side    = 8
	pixels  = side * side
	classes = 10

	// The split is the same in every run, whatever the seed, so that the errors
	// of different trials can be compared.
	trainSize      = 997
	validationSize = 400
	testSize       = 400
	splitSeed      = 20240229
)

// sample is one image: greys in [0,1], row by row, and the digit it shows.
type sample struct {
	grey  [pixels]float64
	label int
}

// load reads all images in the order of the file.
func load() ([]sample, error) {
	z, err := gzip.NewReader(bytes.NewReader(digitsCSV))
	if err != nil {
		return nil, fmt.Errorf("reading the embedded digits: %w", err)
	}
	r := csv.NewReader(z)
	r.FieldsPerRecord = pixels + 1
	r.ReuseRecord = true
	var all []sample
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the embedded digits: %w", err)
		}
		s, err := parse(record)
		if err != nil {
			return nil, fmt.Errorf("image %d of the embedded digits: %w", len(all), err)
		}
		all = append(all, s)
	}
}

func parse(record []string) (sample, error) {
	var s sample
	for i, field := range record[:pixels] {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil || v < 0 || v > 16 {
			return s, fmt.Errorf("pixel %d is %q, not a number from 0 to 16", i, field)
		}
		s.grey[i] = v / 16
	}
	label, err := strconv.Atoi(record[pixels])
	if err != nil || label < 0 || label >= classes {
		return s, fmt.Errorf("label %q is no digit", record[pixels])
	}
	s.label = label
	return s, nil
}

// split shuffles the images, which the file orders by writer, and divides them.
func split(all []sample) (train, validation, test []sample) {
	r := rand.New(rand.NewPCG(splitSeed, 0))
	shuffled := make([]sample, len(all))
	for to, from := range r.Perm(len(all)) {
		shuffled[to] = all[from]
	}
	return shuffled[:trainSize],
		shuffled[trainSize : trainSize+validationSize],
		shuffled[trainSize+validationSize : trainSize+validationSize+testSize]
}

// shifted sets s to from moved by up to most pixels in a random direction,
// interpolated between the four pixels around each point. Trained on such
// copies, a network learns that a digit stays the same when it moves.
func (s *sample) shifted(from *sample, most float64, r *rand.Rand) {
	s.label = from.label
	dx, dy := most*(2*r.Float64()-1), most*(2*r.Float64()-1)
	left, top := int(math.Floor(dx)), int(math.Floor(dy))
	fx, fy := dx-float64(left), dy-float64(top)
	at := func(x, y int) float64 {
		if x < 0 || x >= side || y < 0 || y >= side {
			return 0
		}
		return from.grey[y*side+x]
	}
	for y := range side {
		for x := range side {
			u, v := x+left, y+top
			s.grey[y*side+x] = (1-fy)*((1-fx)*at(u, v)+fx*at(u+1, v)) + fy*((1-fx)*at(u, v+1)+fx*at(u+1, v+1))
		}
	}
}
