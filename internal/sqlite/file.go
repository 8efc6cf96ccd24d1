// Package sqlite reads tables of an SQLite database without the engine: enough
// of the file format (https://www.sqlite.org/fileformat2.html) to walk a table,
// with what its write-ahead log has committed.
//
// It writes nothing, locks nothing and makes no file. It knows no SQL. An
// attacker may have written the file: every length and page number is checked,
// each page of a table is visited once, and sizes are bounded.
package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrFormat is wrapped by errors about a file that is no database this package
// reads.
var ErrFormat = errors.New("not a readable SQLite database")

// ErrBusy is returned when the database did not stand still.
var ErrBusy = errors.New("database is being written to")

const (
	magic    = "SQLite format 3\x00"
	maxFile  = 256 << 20 // bytes, of the database and of its log
	attempts = 5
)

// Database is the content of a database at one time.
type Database struct {
	data     []byte
	log      map[uint32][]byte // pages that the write-ahead log has
	pageSize int
	usable   int // bytes of a page, less what extensions reserve
}

// Read reads the database at path with its write-ahead log, if it has one.
func Read(path string) (*Database, error) {
	for range attempts {
		before, err := readOptional(path + "-wal")
		if err != nil {
			return nil, err
		}
		data, err := readFile(path)
		if err != nil {
			return nil, err
		}
		after, err := readOptional(path + "-wal")
		if err != nil {
			return nil, err
		}
		if bytes.Equal(before, after) {
			return open(path, data, before)
		}
	}
	return nil, fmt.Errorf("%s: %w", path, ErrBusy)
}

func open(path string, data, log []byte) (*Database, error) {
	// A journal with a header is a transaction that was interrupted, and the
	// database holds half of it.
	journal, err := readOptional(path + "-journal")
	if err != nil {
		return nil, err
	}
	if len(bytes.Trim(journal, "\x00")) > 0 {
		return nil, fmt.Errorf("%s: %w: a transaction was interrupted; open it once with the program that wrote it", path, ErrFormat)
	}
	db, err := parse(data, log)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return db, nil
}

func parse(data, log []byte) (*Database, error) {
	if len(data) == 0 && len(log) > 0 { // nothing was ever moved out of the log
		return parseLogOnly(log)
	}
	if len(data) < 100 || string(data[:16]) != magic {
		return nil, ErrFormat
	}
	db := &Database{data: data}
	if err := db.header(data); err != nil {
		return nil, err
	}
	var err error
	if db.log, err = readLog(log, db.pageSize); err != nil {
		return nil, err
	}
	return db, nil
}

func parseLogOnly(log []byte) (*Database, error) {
	if len(log) < logHeader {
		return nil, ErrFormat
	}
	pages, err := readLog(log, int(binary.BigEndian.Uint32(log[8:])))
	if err != nil {
		return nil, err
	}
	db := &Database{log: pages}
	if len(pages[1]) < 100 || string(pages[1][:16]) != magic {
		return nil, ErrFormat
	}
	return db, db.header(pages[1])
}

// header reads section 1.3 of the format.
func (db *Database) header(data []byte) error {
	db.pageSize = int(binary.BigEndian.Uint16(data[16:]))
	if db.pageSize == 1 {
		db.pageSize = 1 << 16
	}
	db.usable = db.pageSize - int(data[20])
	encoding := binary.BigEndian.Uint32(data[56:])
	switch {
	case !isPageSize(db.pageSize) || db.usable < 480:
		return fmt.Errorf("%w: page size", ErrFormat)
	case encoding > 1:
		return fmt.Errorf("%w: text is not in UTF-8", ErrFormat)
	}
	return nil
}

func isPageSize(n int) bool { return n >= 512 && n <= 1<<16 && n&(n-1) == 0 }

// page returns a page by its number, which begins at 1.
func (db *Database) page(number uint32) ([]byte, error) {
	if page, ok := db.log[number]; ok {
		return page, nil
	}
	start := (int64(number) - 1) * int64(db.pageSize)
	if number == 0 || start+int64(db.pageSize) > int64(len(db.data)) {
		return nil, fmt.Errorf("%w: page %d does not exist", ErrFormat, number)
	}
	return db.data[start : start+int64(db.pageSize)], nil
}

func readOptional(path string) ([]byte, error) {
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return data, err
}
