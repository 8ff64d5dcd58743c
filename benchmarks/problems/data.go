package problems

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"

	"github.com/gotuner/tuner/api/types"
)

// folder is the data folder; what was read stays in memory and is shared by all
// instances. Safe for concurrent use.
type folder struct {
	dir      string
	shared   cache[prototype]
	networks cache[*network]
}

// prototype is what the instances of one data problem share.
type prototype interface {
	instance() (*Instance, error)
}

// cache loads each key once; a failure is tried again.
type cache[T any] struct {
	mu  sync.Mutex
	got map[string]T
}

func (c *cache[T]) get(key string, load func() (T, error)) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.got[key]; ok {
		return v, nil
	}
	v, err := load()
	if err != nil {
		return v, err
	}
	if c.got == nil {
		c.got = map[string]T{}
	}
	c.got[key] = v
	return v, nil
}

// opener opens the only instance of a data problem.
func (d *folder) opener(name string, load func() (prototype, error)) func(int) (*Instance, error) {
	return func(int) (*Instance, error) {
		p, err := d.shared.get(name, load)
		if err != nil {
			return nil, err
		}
		return p.instance()
	}
}

func (d *folder) has(name string) bool {
	_, err := os.Stat(filepath.Join(d.dir, filepath.FromSlash(name)))
	return err == nil
}

// read gives the content of a file, unpacked if its name ends in .gz.
func (d *folder) read(name string) (_ []byte, err error) {
	f, err := os.Open(filepath.Join(d.dir, filepath.FromSlash(name)))
	if err != nil {
		code := types.Internal
		if errors.Is(err, fs.ErrNotExist) {
			code = types.NotFound
		}
		return nil, types.Errorf(code, "the benchmark data cannot be read: %w", err).WithField(name).
			WithRemedy("name the folder with the data by --data or TUNER_BENCH_DATA")
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var r io.Reader = f
	if filepath.Ext(name) == ".gz" {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, badData(name, "it is not in gzip's format: %w", err)
		}
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, badData(name, "it cannot be unpacked: %w", err)
	}
	return b, nil
}

func (d *folder) json(name string, into any) error {
	b, err := d.read(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return badData(name, "%w", err)
	}
	return nil
}

// floats reads little-endian float32; want < 0 takes any number of them.
func (d *folder) floats(name string, want int) ([]float32, error) {
	b, err := d.read(name)
	if err != nil {
		return nil, err
	}
	if len(b)%4 != 0 || want >= 0 && len(b) != 4*want {
		return nil, badData(name, "it has %d bytes; %d numbers of 4 bytes were expected", len(b), want)
	}
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out, nil
}

func badData(name, format string, args ...any) error {
	return types.Errorf(types.Invalid, "the benchmark data is damaged: "+format, args...).WithField(name).
		WithRemedy("get the file again")
}
