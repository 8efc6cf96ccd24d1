package proxy

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// build is a frame as a client or a server sends it.
func build(opcode byte, fromClient bool, payload []byte) []byte {
	var key []byte
	if fromClient {
		key = []byte{0xa1, 0xb2, 0xc3, 0xd4}
	}
	b := appendFrame(nil, opcode, key, len(payload))
	head := len(b)
	b = append(b, payload...)
	if key != nil {
		mask(b[head:], key)
	}
	return b
}

// fragment is a frame that is not the last of its message.
func fragment(opcode byte, fromClient bool, payload []byte) []byte {
	b := build(opcode, fromClient, payload)
	b[0] &^= 0x80
	return b
}

// shatter is a server's message in fragments of that size.
func shatter(opcode byte, payload []byte, size int) []byte {
	var b []byte
	for len(payload) > size {
		b = append(b, fragment(opcode, false, payload[:size])...)
		opcode, payload = opContinuation, payload[size:]
	}
	return append(b, build(opcode, false, payload)...)
}

// filled is what stands for s where lengths have to stay.
func filled(s string) string {
	return (placeholder + strings.Repeat("*", len(s)))[:len(s)]
}

// conversation is what one end sends, in the categories of the Autobahn test
// suite: good frames, and one that no rule allows.
type conversation struct {
	name      string
	good, bad []byte
	overtaken []byte // good where pings overtake the message they stand in
}

func join(frames ...[]byte) []byte { return slices.Concat(frames...) }

// conversations are written for one side. Category and number are Autobahn's.
func conversations(client bool) []conversation {
	text := func(s string) []byte { return build(opText, client, []byte(s)) }
	of := func(n int) []byte { return bytes.Repeat([]byte("*"), n) }
	ping := func(s string) []byte { return build(0x9, client, []byte(s)) }
	closing := func(payload string) []byte { return build(opClose, client, []byte(payload)) }
	part := func(opcode byte, s string) []byte { return fragment(opcode, client, []byte(s)) }
	last := func(s string) []byte { return build(opContinuation, client, []byte(s)) }
	var all []conversation
	good := func(name string, frames ...[]byte) {
		all = append(all, conversation{name: name, good: join(frames...)})
	}
	bad := func(name string, frame []byte, before ...[]byte) {
		all = append(all, conversation{name: name, good: join(before...), bad: frame})
	}
	for _, n := range []int{0, 125, 126, 127, 128, 65535, 65536, 1 << 20} {
		good(fmt.Sprintf("1.1 text of %d", n), build(opText, client, of(n)), closing("\x03\xe8"))
		good(fmt.Sprintf("1.2 binary of %d", n), build(opBinary, client, of(n)), closing("\x03\xe8"))
	}
	good("1.1.0 a length longer than need be", long(text("hello"), client))
	good("2.1 ping", ping(""), ping("payload"), ping("\x00\xff\xfe\xfd"), ping(strings.Repeat("x", 125)))
	good("2.7 unsolicited pong", build(opPong, client, []byte("x")), text("x"))
	good("2.11 ping flood", bytes.Repeat(ping("flood"), 10000))
	bad("2.5 long ping", build(0x9, client, of(126)), text("x"))
	for bits := byte(1); bits < 8; bits++ {
		frame := text("hello")
		frame[0] |= bits << 4
		bad(fmt.Sprintf("3.%d reserved bits", bits), frame, text("before"), ping("x"))
	}
	for _, opcode := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		bad(fmt.Sprintf("4 opcode %d", opcode), build(opcode, client, []byte("x")), text("before"))
	}
	good("5.3 fragments", part(opText, "fragment1"), last("fragment2"), part(opBinary, "a"), part(opContinuation, ""), last(""))
	good("5.6 ping between", part(opText, "fragment1"), ping("x"), part(opContinuation, ""), build(opPong, client, nil), last("fragment2"))
	all[len(all)-1].overtaken = join(ping("x"), build(opPong, client, nil), part(opText, "fragment1"), part(opContinuation, ""), last("fragment2"))
	good("5.20 fragments of one byte", oneByte(client, 10000), text("after"))
	bad("5.1 fragmented ping", part(0x9, "x"), text("before"))
	bad("5.9 continuation of nothing", last("x"), text("before"))
	bad("5.10 continuation after the end", part(opContinuation, "x"), part(opText, "a"), last("b"))
	bad("5.18 message in a message", text("x"), part(opText, "a"))
	good("6.1 empty fragments", part(opText, ""), part(opContinuation, ""), last(""))
	good("6.2 UTF-8 across fragments", part(opText, "κόσμε\xe2"), part(opContinuation, "\x82"), last("\xac"))
	good("6.3 no UTF-8 at all", text("\xce\xba\xe1\xbd\xb9\xed\xa0\x80\xff"), text("after"))
	for _, payload := range []string{"", "\x03", "\x03\xe8", "\x03\xe8reason", "\x03\xe8" + strings.Repeat("r", 123), "\x00\x00", "\x03\xec", "\xff\xff", "\x03\xe8\xff\xfe"} {
		good(fmt.Sprintf("7 close %q", payload), text("before"), closing(payload))
	}
	good("7.1.2 two closes", closing("\x03\xe8"), closing("\x03\xe8"))
	good("7.1.3 data after close", closing("\x03\xe8"), text("after"))
	bad("7.3.6 long close", build(opClose, client, of(126)), text("before"))
	good("9.1 text of 4 MiB", build(opText, client, of(4<<20)))
	good("9.3 in fragments of 256", pieces(opText, client, of(1<<20), 256))
	good("9.5 in fragments of 64 KiB", pieces(opBinary, client, of(4<<20), 1<<16))
	good("10.1 in fragments of 1300", pieces(opText, client, of(65536), 1300))
	bad("W006 no such length", append([]byte{0x81, mask127(client)}, "\xff\xff\xff\xff\xff\xff\xff\xffmask"...), text("before"))
	bad("W006 masked or not", build(opText, !client, []byte("x")), text("before"))
	return all
}

// long writes a length in eight bytes.
func long(frame []byte, client bool) []byte {
	return join([]byte{frame[0], mask127(client), 0, 0, 0, 0, 0, 0, 0, frame[1] & 0x7f}, frame[2:])
}

func mask127(client bool) byte {
	if client {
		return 0xff
	}
	return 0x7f
}

func oneByte(client bool, n int) []byte {
	return pieces(opText, client, bytes.Repeat([]byte("C"), n), 1)
}

func pieces(opcode byte, client bool, payload []byte, size int) []byte {
	var b []byte
	for len(payload) > size {
		b = append(b, fragment(opcode, client, payload[:size])...)
		opcode, payload = opContinuation, payload[size:]
	}
	return append(b, build(opcode, client, payload)...)
}

// TestWebSocketConformance_W006: what one end sends, the other gets, byte for
// byte, in both directions and under each policy. Where frames are read, what
// breaks the rules ends the connection: nothing from there on is passed on,
// and a client is told with status 1002.
func TestWebSocketConformance_W006(t *testing.T) {
	for name, policy := range policies() {
		l := newSocketLab(t, policy)
		for _, client := range []bool{true, false} {
			reads := name == "replaced" || name == "redacted" && !client
			for _, talk := range conversations(client) {
				t.Run(fmt.Sprintf("%s/client=%v/%s", name, client, talk.name), func(t *testing.T) {
					s := l.open(handshake, "")
					defer s.close()
					want := talk.good
					if talk.overtaken != nil && name == "replaced" && client {
						want = talk.overtaken
					} else if !reads {
						want = join(talk.good, talk.bad)
					} else if talk.bad != nil && !client {
						want = join(talk.good, protocolError())
					}
					piece := 1 << 16
					if len(talk.good) < 1000 {
						piece = 1
					}
					got := s.sends(t, client, join(talk.good, talk.bad), piece)
					if !bytes.Equal(got, want) {
						t.Errorf("%d bytes, want %d: %.200q", len(got), len(want), got)
					}
				})
			}
		}
	}
}

// TestWebSocketTruncated: an end in the middle of a frame is passed on as one.
func TestWebSocketTruncated(t *testing.T) {
	for name, policy := range policies() {
		l := newSocketLab(t, policy)
		for _, client := range []bool{true, false} {
			for _, end := range []int{1, 3, 5, 9, 20, 40} {
				sent := join(fragment(opText, client, []byte("CANARY-sk")), build(opContinuation, client, []byte(strings.Repeat("x", 200))))[:end]
				s := l.open(handshake, "")
				if got := s.sends(t, client, sent, 1); !bytes.HasPrefix(sent, got) || name == "copied" && len(got) < len(sent) {
					t.Errorf("%s, client %v, %d bytes: %q", name, client, end, got)
				}
				s.close()
			}
		}
	}
}

// TestWebSocketReported: a frame that ended a connection is written down.
func TestWebSocketReported(t *testing.T) {
	l := newSocketLab(t, policies()["redacted"])
	s := l.open(handshake, "")
	defer s.close()
	s.sends(t, false, []byte{0xf1, 0}, 1)
	e := l.reported("websocket_frame")
	if e.Host != "alpha.test" || e.Path != "/ws" || e.Kind != KindRefused {
		t.Errorf("%+v", e)
	}
}

// redactorFor is a redactor without a proxy around it.
func redactorFor(secrets ...string) *redactor {
	return new(matchers).redactor(Grant{Pool: "x", Redact: secrets, Placeholder: placeholder})
}

// TestCleanFrames: secrets anywhere, in fragments of any size, with control
// frames in between: heads stay, payloads lose them.
func TestCleanFrames(t *testing.T) {
	d := redactorFor(canary)
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var payload, want []byte
		for range 1 + random.IntN(4) {
			noise := bytes.Repeat([]byte("CANARY-sk-alpha-"), random.IntN(3))
			noise = noise[:random.IntN(len(noise)+1)]
			payload = append(append(payload, noise...), canary...)
			want = append(append(want, noise...), filled(canary)...)
		}
		payload, want = append(payload, canary[:20]...), append(want, canary[:20]...)
		var in, out []byte
		opcode := byte(opText)
		for at := 0; ; {
			end := min(len(payload), at+random.IntN(12))
			frame := build(opcode, false, payload[at:end])
			clean := build(opcode, false, want[at:end])
			if end < len(payload) {
				frame[0], clean[0] = frame[0]&^0x80, clean[0]&^0x80
			}
			in, out, opcode = append(in, frame...), append(out, clean...), opContinuation
			if at = end; at == len(payload) {
				break
			}
			if random.IntN(3) == 0 {
				pong := build(opPong, false, []byte("pong"))
				in, out = append(in, pong...), append(out, pong...)
			}
		}
		var got bytes.Buffer
		if err := copyClean(&got, io.Reader(bytes.NewReader(in)), d); err != nil || !bytes.Equal(got.Bytes(), out) {
			t.Fatalf("%v\n got %q\nwant %q", err, got.Bytes(), out)
		}
	}
}

// TestCleanFramesPending: a server can't make the proxy hold more than a bit.
func TestCleanFramesPending(t *testing.T) {
	in := fragment(opText, false, []byte(canary[:9]))
	in = append(in, bytes.Repeat(build(0x9, false, []byte("ping")), 20000)...)
	var got bytes.Buffer
	err := copyClean(&got, bytes.NewReader(in), redactorFor(canary))
	if _, ok := err.(frameError); !ok {
		t.Errorf("%v after %d bytes", err, got.Len())
	}
}

// TestCleanFramesAtOnce: the end of a message never waits, whatever it looks
// like, and neither does a fragment that can't be the beginning of a secret.
func TestCleanFramesAtOnce(t *testing.T) {
	l := newSocketLab(t, policies()["redacted"])
	s := l.open(handshake, "")
	defer s.close()
	for _, frame := range [][]byte{
		build(opText, false, []byte("data "+canary[:len(canary)-1])),
		fragment(opText, false, []byte(`{"n":1}`+"\n")),
		fragment(opContinuation, false, []byte(`C`+"\n")),
		build(0x9, false, []byte(canary[:8])),
		build(opContinuation, false, []byte(canary[:8])),
	} {
		_, err := s.server.Write(frame)
		must(t, err)
		got := make([]byte, len(frame))
		if _, err := io.ReadFull(s.client.br, got); err != nil || !bytes.Equal(got, frame) {
			t.Fatalf("%q %v", got, err)
		}
	}
}

// payloadsOf reads a client's frames to their end.
func payloadsOf(t *testing.T, stream []byte) (messages []string, controls int) {
	t.Helper()
	src, _ := parsed(io.Discard, bytes.NewReader(stream))
	frames := frameReader{src: src, masked: true}
	var text []byte
	for {
		f, err := frames.next()
		if err == io.EOF {
			return messages, controls
		}
		must(t, err)
		payload := make([]byte, f.length)
		_, err = io.ReadFull(src, payload)
		must(t, err)
		if mask(payload, f.key); f.isControl() {
			controls++
			continue
		}
		if text = append(text, payload...); f.fin {
			messages, text = append(messages, string(text)), nil
		}
	}
}

// TestMessages: the placeholder in a text message, across fragments and with
// pings in between; not in binary ones, and not in long ones.
func TestMessages(t *testing.T) {
	replace := func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(placeholder), []byte(canary)) }
	with := `{"token":"` + placeholder + `"}`
	ping := build(0x9, true, []byte("x"))
	parts := [][]byte{fragment(opText, true, []byte(with[:15])), ping, fragment(opContinuation, true, nil), ping, build(opContinuation, true, []byte(with[15:]))}
	longText := strings.Repeat("x", maxMessage) + with
	for name, test := range map[string]struct {
		sent     []byte
		want     []string
		controls int
		same     bool
	}{
		"one frame":     {build(opText, true, []byte(with)), []string{`{"token":"` + canary + `"}`}, 0, false},
		"fragments":     {join(parts...), []string{`{"token":"` + canary + `"}`}, 2, false},
		"of one byte":   {pieces(opText, true, []byte(with), 1), []string{`{"token":"` + canary + `"}`}, 0, false},
		"two":           {join(build(opText, true, []byte(with)), build(opText, true, []byte("x"))), []string{`{"token":"` + canary + `"}`, "x"}, 0, false},
		"growing":       {build(opText, true, bytes.Repeat([]byte(placeholder), 2900)), []string{strings.Repeat(canary, 2900)}, 0, false},
		"without":       {pieces(opText, true, []byte(strings.Repeat("y", 500)), 7), []string{strings.Repeat("y", 500)}, 0, true},
		"binary":        {build(opBinary, true, []byte(with)), []string{with}, 0, true},
		"binary pieces": {pieces(opBinary, true, []byte(with), 3), []string{with}, 0, true},
		"long":          {build(opText, true, []byte(longText)), []string{longText}, 0, true},
		"long pieces":   {pieces(opText, true, []byte(longText), 100), []string{longText}, 0, true},
		"empty pieces":  {join(bytes.Repeat(fragment(opBinary, true, nil), 1), bytes.Repeat(fragment(opContinuation, true, nil), 50000), build(opContinuation, true, nil)), []string{""}, 0, true},
		"empty text":    {join(fragment(opText, true, nil), bytes.Repeat(fragment(opContinuation, true, nil), 50000), build(opContinuation, true, []byte(with))), []string{with}, 0, true},
		"after close":   {join(build(opClose, true, nil), build(opText, true, []byte(with))), []string{with}, 1, true},
		"close between": {join(fragment(opText, true, []byte(with[:3])), build(opClose, true, nil)), nil, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			must(t, copyMessages(&got, bytes.NewReader(test.sent), replace))
			messages, controls := payloadsOf(t, got.Bytes())
			if !slices.Equal(messages, test.want) || controls != test.controls {
				t.Errorf("%d messages, %d control frames: %.300q", len(messages), controls, messages)
			}
			if same := bytes.Equal(got.Bytes(), test.sent); same != test.same {
				t.Errorf("byte for byte the same: %v", same)
			}
		})
	}
}

// TestWebSocketMessage: by way of the proxy, with the answer redacted, and
// the mask is a new one each time.
func TestWebSocketMessage(t *testing.T) {
	l := newSocketLab(t, policies()["replaced"])
	masks := map[string]bool{}
	for range 3 {
		s := l.open(handshake, "")
		got := s.sends(t, true, build(opText, true, []byte("auth "+placeholder)), 5)
		if messages, _ := payloadsOf(t, got); !slices.Equal(messages, []string{"auth " + canary}) {
			t.Errorf("%q", messages)
		}
		masks[string(got[2:6])] = true
		if got := s.sends(t, false, build(opText, false, []byte("bad key "+canary)), 5); !bytes.Equal(got, build(opText, false, []byte("bad key "+filled(canary)))) {
			t.Errorf("%q", got)
		}
		s.close()
	}
	if len(masks) != 3 {
		t.Errorf("masks %q", slices.Collect(maps.Keys(masks)))
	}
}

func FuzzCleanFrames(f *testing.F) {
	d := redactorFor(canary)
	for _, talk := range conversations(false) {
		if len(talk.good) < 1000 {
			f.Add(join(talk.good, talk.bad))
		}
	}
	f.Add(shatter(opText, []byte("x"+canary+"y"), 2))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		err := copyClean(&out, bytes.NewReader(in), d)
		if err == nil && out.Len() != len(in) {
			t.Errorf("%d bytes of %d", out.Len(), len(in))
		}
		if out.Len() > len(in) || bytes.Contains(out.Bytes(), []byte(canary)) {
			t.Errorf("%q", out.Bytes())
		}
	})
}

func FuzzMessages(f *testing.F) {
	for _, talk := range conversations(true) {
		if len(talk.good) < 1000 {
			f.Add(join(talk.good, talk.bad))
		}
	}
	f.Add(pieces(opText, true, []byte("x"+placeholder+"y"), 2))
	same := func(text []byte) []byte { return text }
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		err := copyMessages(&out, bytes.NewReader(in), same)
		if err == nil && out.Len() != len(in) || out.Len() > len(in) {
			t.Errorf("%d bytes of %d: %v", out.Len(), len(in), err)
		}
	})
}
