package proxy

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// sink is a connection that keeps what is written.
type sink struct {
	net.Conn
	text bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) { return s.text.Write(p) }

// block encodes fields as the engine does.
func block(encoder *hpack.Encoder, buffer *bytes.Buffer, fields []hpack.HeaderField) []byte {
	buffer.Reset()
	for _, f := range fields {
		_ = encoder.WriteField(f) // to memory
	}
	return buffer.Bytes()
}

// TestNeverIndexed: whatever the pieces are in which a header block is written,
// the fields arrive as they were, each with the mark or from the static table.
func TestNeverIndexed(t *testing.T) {
	fields := []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":path", Value: "/?key=" + canary}, {Name: "authorization", Value: "Bearer " + canary},
		{Name: "x-api-key", Value: canary}, {Name: "cookie", Value: "a=b"}, {Name: "x-empty", Value: ""}, {Name: "x-long", Value: strings.Repeat("ü", 9000)},
	}
	for _, size := range []int{1, 2, 3, 7, 100, 1 << 20} {
		t.Run(fmt.Sprintf("2015_pieces_of_%d", size), func(t *testing.T) {
			wire, text := new(sink), new(bytes.Buffer)
			conn := &neverIndexed{Conn: wire}
			encoder := hpack.NewEncoder(text)
			encoder.SetMaxDynamicTableSizeLimit(1)
			var sent bytes.Buffer
			framer := http2.NewFramer(&sent, nil)
			sent.WriteString(http2.ClientPreface)
			for stream := uint32(1); stream < 7; stream += 2 {
				encoded := block(encoder, text, fields)
				must(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: encoded[:len(encoded)/2]}))
				must(t, framer.WriteContinuation(stream, true, encoded[len(encoded)/2:]))
				must(t, framer.WriteData(stream, true, []byte("data \x00\x40\x80 that stays")))
				must(t, framer.WriteData(stream, true, nil))
			}
			before := bytes.Clone(sent.Bytes())
			for rest := sent.Bytes(); len(rest) > 0; {
				n := min(size, len(rest))
				if wrote, err := conn.Write(rest[:n]); wrote != n || err != nil {
					t.Fatal(wrote, err)
				}
				rest = rest[n:]
			}
			if !bytes.Equal(before, sent.Bytes()) {
				t.Error("what was handed in was changed")
			}
			checkMarks(t, wire, fields)
		})
	}
}

func checkMarks(t *testing.T, wire *sink, fields []hpack.HeaderField) {
	t.Helper()
	want := append([]hpack.HeaderField{}, fields...)
	for i := range want {
		want[i].Sensitive = want[i].Name != ":method" // POST is in the static table
	}
	wire.text.Next(len(http2.ClientPreface))
	framer := http2.NewFramer(nil, &wire.text)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for range 3 {
		frame, err := framer.ReadFrame()
		must(t, err)
		if diff := cmp.Diff(want, frame.(*http2.MetaHeadersFrame).Fields); diff != "" {
			t.Error(diff)
		}
		for range 2 {
			if frame, err := framer.ReadFrame(); err != nil || frame.Header().Type != http2.FrameData {
				t.Fatal(frame, err)
			}
		}
	}
}

func TestNeverIndexedRefuses(t *testing.T) {
	frame := func(flags http2.Flags, payload string) string {
		return http2.ClientPreface + string([]byte{0, 0, byte(len(payload)), byte(http2.FrameHeaders), byte(flags), 0, 0, 0, 1}) + payload
	}
	for name, text := range map[string]string{
		"incremental":  frame(http2.FlagHeadersEndHeaders, "\x40\x01a\x01b"),
		"dynamic_name": frame(http2.FlagHeadersEndHeaders, "\x7f\x00\x01b"),
		"padded":       frame(http2.FlagHeadersEndHeaders|http2.FlagHeadersPadded, "\x00\x00\x01a\x01b"),
		"priority":     frame(http2.FlagHeadersEndHeaders|http2.FlagHeadersPriority, "\x00\x00\x00\x00\x00\x00\x01a\x01b"),
		"cut":          frame(http2.FlagHeadersEndHeaders, "\x00\x01a\x05b"),
		"long":         frame(http2.FlagHeadersEndHeaders, "\x00\x7f\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
	} {
		t.Run(name, func(t *testing.T) {
			wire := new(sink)
			if _, err := (&neverIndexed{Conn: wire}).Write([]byte(text)); err == nil || wire.text.Len() > 0 {
				t.Errorf("%v, %d bytes written", err, wire.text.Len())
			}
		})
	}
}

// FuzzFieldBlock: any bytes, in two pieces, leave the lengths as they are and
// set nothing but marks.
func FuzzFieldBlock(f *testing.F) {
	f.Add([]byte("\x82\x04\x01/\x0f\x08\x03abc\x00\x01a\x01b\x20"), 3)
	f.Add([]byte("\x00\x7f\x80\x01"), 1)
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		whole := bytes.Clone(text)
		errWhole := new(fieldBlock).mark(whole)
		for i := range whole {
			if whole[i]&^0x10 != text[i]&^0x10 || whole[i]&0x10 < text[i]&0x10 {
				t.Fatalf("byte %d: %x became %x", i, text[i], whole[i])
			}
		}
		cut = min(max(cut, 0), len(text))
		pieces := bytes.Clone(text)
		var b fieldBlock
		err := b.mark(pieces[:cut])
		if err == nil {
			err = b.mark(pieces[cut:])
		}
		if (err == nil) != (errWhole == nil) || err == nil && !bytes.Equal(pieces, whole) {
			t.Fatalf("whole %v, in pieces %v", errWhole, err)
		}
	})
}
