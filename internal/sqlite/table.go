package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrNoTable is wrapped when the database has no table of a name.
var ErrNoTable = errors.New("no such table")

const (
	maxDepth   = 20
	maxPayload = 16 << 20 // bytes of a row
	leafTable  = 0x0d
	innerTable = 0x05
)

// Rows returns the rows of a table in the order of their ids, the columns as
// nil, int64, float64, string or []byte. The column of an INTEGER PRIMARY KEY
// is nil; a table WITHOUT ROWID is not read.
func (db *Database) Rows(table string) ([][]any, error) {
	schema, err := db.rows(1)
	if err != nil {
		return nil, err
	}
	for _, row := range schema { // type, name, tbl_name, rootpage, sql
		if len(row) < 5 || row[0] != "table" || row[1] != table {
			continue
		}
		root, ok := row[3].(int64)
		if !ok || root < 1 || root > math.MaxUint32 {
			return nil, fmt.Errorf("%w: root page of table %q", ErrFormat, table)
		}
		return db.rows(uint32(root))
	}
	return nil, fmt.Errorf("%w: %q", ErrNoTable, table)
}

func (db *Database) rows(root uint32) ([][]any, error) {
	w := walk{db: db, seen: map[uint32]bool{}}
	err := w.page(root, 0)
	return w.rows, err
}

// walk visits the pages of one table.
type walk struct {
	db   *Database
	seen map[uint32]bool
	rows [][]any
}

// visit returns a page that was not visited before.
func (w *walk) visit(number uint32) ([]byte, error) {
	if w.seen[number] {
		return nil, fmt.Errorf("%w: page %d is in use twice", ErrFormat, number)
	}
	w.seen[number] = true
	return w.db.page(number)
}

// page reads a page of the tree (section 1.6) and all below it.
func (w *walk) page(number uint32, depth int) error {
	page, err := w.visit(number)
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: tree is too deep", ErrFormat)
	}
	head := page
	if number == 1 {
		head = page[100:]
	}
	cells := int(binary.BigEndian.Uint16(head[3:]))
	switch head[0] {
	case leafTable:
		return w.cells(page, head[8:], cells, w.leaf)
	case innerTable:
		inner := func(cell []byte) error {
			if len(cell) < 4 {
				return fmt.Errorf("%w: cell is cut", ErrFormat)
			}
			return w.page(binary.BigEndian.Uint32(cell), depth+1)
		}
		if err := w.cells(page, head[12:], cells, inner); err != nil {
			return err
		}
		return w.page(binary.BigEndian.Uint32(head[8:]), depth+1)
	}
	return fmt.Errorf("%w: page %d is no table's", ErrFormat, number)
}

// cells calls f with what begins at each of the cell pointers.
func (w *walk) cells(page, pointers []byte, count int, f func(cell []byte) error) error {
	if len(pointers) < 2*count {
		return fmt.Errorf("%w: too many cells", ErrFormat)
	}
	for i := range count {
		at := int(binary.BigEndian.Uint16(pointers[2*i:]))
		if at >= w.db.usable {
			return fmt.Errorf("%w: cell is outside of its page", ErrFormat)
		}
		if err := f(page[at:w.db.usable]); err != nil {
			return err
		}
	}
	return nil
}

// leaf reads one row: its length, its id and its payload.
func (w *walk) leaf(cell []byte) error {
	length, cell, ok := varint(cell)
	_, cell, okID := varint(cell)
	if !ok || !okID || length > maxPayload {
		return fmt.Errorf("%w: row", ErrFormat)
	}
	payload, err := w.payload(cell, int(length))
	if err != nil {
		return err
	}
	row, err := record(payload)
	w.rows = append(w.rows, row)
	return err
}

// payload joins what is in the cell with what is on overflow pages.
func (w *walk) payload(cell []byte, length int) ([]byte, error) {
	usable := w.db.usable
	local := length
	if most := usable - 35; length > most {
		least := (usable-12)*32/255 - 23
		if local = least + (length-least)%(usable-4); local > most {
			local = least
		}
	}
	if len(cell) < local || local < length && len(cell) < local+4 {
		return nil, fmt.Errorf("%w: row is cut", ErrFormat)
	}
	if local == length {
		return cell[:local], nil
	}
	payload := append(make([]byte, 0, min(length, len(w.db.data))), cell[:local]...)
	for next := binary.BigEndian.Uint32(cell[local:]); len(payload) < length; {
		page, err := w.visit(next)
		if err != nil {
			return nil, err
		}
		next = binary.BigEndian.Uint32(page)
		payload = append(payload, page[4:min(usable, 4+length-len(payload))]...)
	}
	return payload, nil
}

// record splits a payload into its columns (section 2.1).
func record(payload []byte) ([]any, error) {
	size, rest, ok := varint(payload)
	if !ok || size > uint64(len(payload)) || int(size) < len(payload)-len(rest) {
		return nil, fmt.Errorf("%w: head of a row", ErrFormat)
	}
	types, values := payload[len(payload)-len(rest):size], payload[size:]
	var row []any
	for len(types) > 0 {
		var kind uint64
		if kind, types, ok = varint(types); !ok {
			return nil, fmt.Errorf("%w: head of a row", ErrFormat)
		}
		value, length, ok := column(kind, values)
		if !ok {
			return nil, fmt.Errorf("%w: column of a row", ErrFormat)
		}
		row, values = append(row, value), values[length:]
	}
	return row, nil
}

// column reads one value of a serial type.
func column(kind uint64, data []byte) (value any, length int, ok bool) {
	switch {
	case kind == 0:
		return nil, 0, true
	case kind == 8 || kind == 9:
		return int64(kind - 8), 0, true
	case kind == 10 || kind == 11:
		return nil, 0, false
	case kind >= 12:
		size := (kind - 12) / 2
		if size > uint64(len(data)) {
			return nil, 0, false
		}
		if kind%2 == 0 {
			return data[:size], int(size), true
		}
		return string(data[:size]), int(size), true
	}
	length = [...]int{0, 1, 2, 3, 4, 6, 8, 8}[kind]
	if length > len(data) {
		return nil, 0, false
	}
	n := int64(int8(data[0]))
	for _, b := range data[1:length] {
		n = n<<8 | int64(b)
	}
	if kind == 7 {
		return math.Float64frombits(uint64(n)), length, true
	}
	return n, length, true
}

// varint reads an integer of 1 to 9 bytes, the highest bits first.
func varint(data []byte) (n uint64, rest []byte, ok bool) {
	for i := range min(len(data), 9) {
		if i == 8 {
			return n<<8 | uint64(data[i]), data[9:], true
		}
		n = n<<7 | uint64(data[i]&0x7f)
		if data[i] < 0x80 {
			return n, data[i+1:], true
		}
	}
	return 0, nil, false
}
