package proxy

import "encoding/binary"

// messagePrefix is the length of what stands before each gRPC message: a flag
// and four bytes of length.
const messagePrefix = 5

// messageEnds follows a stream of length-prefixed messages (gRPC over HTTP/2).
type messageEnds struct {
	prefix []byte // of the message that begins, as far as it came
	left   uint32 // of the message's own bytes
}

// at takes the stream's next bytes and reports whether a message ends with
// them.
func (m *messageEnds) at(p []byte) bool {
	for len(p) > 0 {
		if len(m.prefix) < messagePrefix {
			n := min(messagePrefix-len(m.prefix), len(p))
			m.prefix, p = append(m.prefix, p[:n]...), p[n:]
			if len(m.prefix) == messagePrefix {
				m.left = binary.BigEndian.Uint32(m.prefix[1:])
			}
		}
		n := min(uint64(m.left), uint64(len(p)))
		m.left, p = m.left-uint32(n), p[n:]
		if len(m.prefix) == messagePrefix && m.left == 0 {
			m.prefix = m.prefix[:0]
		}
	}
	return len(m.prefix) == 0
}
