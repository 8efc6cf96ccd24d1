package sqlite

import (
	"encoding/binary"
	"fmt"
)

// Sizes of section 4.1 of the format.
const (
	logHeader   = 32
	frameHeader = 24
)

// readLog returns the newest committed state of the pages in a write-ahead
// log. The first frame that does not belong to the log ends it, as it does for
// SQLite: behind it are leftovers.
func readLog(log []byte, pageSize int) (map[uint32][]byte, error) {
	if len(log) < logHeader {
		return nil, nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch binary.BigEndian.Uint32(log) {
	case 0x377f0682:
	case 0x377f0683:
		order = binary.BigEndian
	default:
		return nil, fmt.Errorf("%w: write-ahead log", ErrFormat)
	}
	sum := checksum{order: order}
	sum.add(log[:24])
	if !sum.is(log[24:32]) { // its writer was interrupted before the first commit
		return nil, nil
	}
	if int(binary.BigEndian.Uint32(log[8:])) != pageSize || !isPageSize(pageSize) {
		return nil, fmt.Errorf("%w: page size of the write-ahead log", ErrFormat)
	}
	salt := string(log[16:24])
	committed, pending := map[uint32][]byte{}, map[uint32][]byte{}
	for rest := log[logHeader:]; len(rest) >= frameHeader+pageSize; rest = rest[frameHeader+pageSize:] {
		head, page := rest[:frameHeader], rest[frameHeader:frameHeader+pageSize]
		sum.add(head[:8])
		sum.add(page)
		if string(head[8:16]) != salt || !sum.is(head[16:24]) {
			break
		}
		pending[binary.BigEndian.Uint32(head)] = page
		if binary.BigEndian.Uint32(head[4:]) != 0 {
			for number, page := range pending {
				committed[number] = page
			}
			clear(pending)
		}
	}
	return committed, nil
}

// checksum is that of section 4.2.
type checksum struct {
	order binary.ByteOrder
	a, b  uint32
}

// add takes data of a length that is a multiple of 8.
func (c *checksum) add(data []byte) {
	for ; len(data) >= 8; data = data[8:] {
		c.a += c.order.Uint32(data) + c.b
		c.b += c.order.Uint32(data[4:]) + c.a
	}
}

func (c *checksum) is(stored []byte) bool {
	return binary.BigEndian.Uint32(stored) == c.a && binary.BigEndian.Uint32(stored[4:]) == c.b
}
