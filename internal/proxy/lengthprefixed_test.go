package proxy

import (
	"encoding/binary"
	"io"
	"testing"
)

// prefixed is a gRPC message.
func prefixed(message string) string {
	prefix := make([]byte, messagePrefix)
	binary.BigEndian.PutUint32(prefix[1:], uint32(len(message)))
	return string(prefix) + message
}

// TestMessageEnds: where a message ends is the same however the stream is cut.
func TestMessageEnds(t *testing.T) {
	var stream string
	ends := map[int]bool{0: true}
	for _, message := range []string{"", "a", prefixed("nested"), string(make([]byte, 300))} {
		stream += prefixed(message)
		ends[len(stream)] = true
	}
	for first := range len(stream) {
		for second := first; second <= len(stream); second++ {
			var m messageEnds
			for _, piece := range [][2]int{{0, first}, {first, second}} {
				if got := m.at([]byte(stream[piece[0]:piece[1]])); got != ends[piece[1]] {
					t.Fatalf("cut at %d and %d: %v at %d", first, second, got, piece[1])
				}
			}
		}
	}
}

// TestMessagesStream: a whole message is passed on even if it ends like the
// beginning of a secret; a secret in a message is replaced however it comes.
func TestMessagesStream(t *testing.T) {
	reader, writer := io.Pipe()
	s := &scanner{d: testRedactor(canary), src: reader, sameLength: true, messages: new(messageEnds)}
	buffer := make([]byte, 4096)
	half := len(messagePrefixed) / 2
	for _, step := range []struct{ in, out string }{
		{prefixed("C"), prefixed("C")},
		{prefixed("CANARY-"), prefixed("CANARY-")},
		{prefixed("") + prefixed(canary[:9]), prefixed("") + prefixed(canary[:9])},
		{messagePrefixed[:half], messagePrefixed[:messagePrefix+1]},
		{messagePrefixed[half:] + prefixed("C"), (placeholder + "********************************")[:len(canary)] + "!" + prefixed("C")},
	} {
		go func() { _, _ = io.WriteString(writer, step.in) }()
		n, err := s.Read(buffer)
		must(t, err)
		if string(buffer[:n]) != step.out {
			t.Errorf("after %q: %q, want %q", step.in, buffer[:n], step.out)
		}
	}
	_ = writer.Close()
}

var messagePrefixed = prefixed("x" + canary + "!")
