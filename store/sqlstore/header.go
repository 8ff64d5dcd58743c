package sqlstore

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/gotuner/tuner/api/types"
)

// Where the header of a SQLite file has what is read here; see
// https://sqlite.org/fileformat2.html#the_database_header.
const (
	headerMagic = "SQLite format 3\x00"
	headerID    = 68 // the application ID, four bytes
	// Behind the header is the first page of the table of all tables: two bytes
	// tell how many of them it has, or how many pages it leads to.
	headerCells = 103
	headerSize  = 100
)

// checkHeader refuses a file that is no database of ours before anything is made
// beside it. It reads only files that no process has opened as ours yet, which
// have no lock file: to close the file would drop the locks that another
// connection of this process has on it. What it does not see is found later.
func (f *sqliteFile) checkHeader() (err error) {
	if _, err := os.Stat(f.path + ".lock"); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return f.refuse(err)
	}
	defer func() { err = also(err, file.Close()) }()
	var header [headerCells + 2]byte
	n, err := io.ReadFull(file, header[:])
	if errors.Is(err, io.EOF) {
		return nil // an empty file is an empty database
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return f.refuse(err)
	}
	if n < headerSize || string(header[:len(headerMagic)]) != headerMagic {
		return types.Errorf(types.Invalid, "%s: the file is no SQLite database", f.path).WithField("db").
			WithRemedy("name another file, or move this one away")
	}
	tables := binary.BigEndian.Uint16(header[headerCells:]) != 0
	if id := binary.BigEndian.Uint32(header[headerID:]); id != applicationID && (id != 0 || tables) {
		return f.foreign()
	}
	return nil
}

// foreign is the error for the database of another program.
func (f *sqliteFile) foreign() error {
	return types.Errorf(types.Invalid, "%s is the SQLite database of another program", f.path).WithField("db").
		WithRemedy("name another file; this one was not touched")
}
