package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writes notes the lengths of what is written to it, and fails after some.
type writes struct {
	net.Conn
	lengths []int
	fail    int
}

var errBroken = errors.New("broken")

func (w *writes) Write(p []byte) (int, error) {
	if w.lengths = append(w.lengths, len(p)); len(w.lengths) == w.fail {
		return 0, errBroken
	}
	return len(p), nil
}

// TestTogether: several records are one write, and after an error there is
// none.
func TestTogether(t *testing.T) {
	for name, c := range map[string]struct {
		fail int
		want []int
	}{
		"whole":  {0, []int{bulkSize, 300, 3}},
		"broken": {1, []int{bulkSize}},
	} {
		t.Run(name, func(t *testing.T) {
			conn := &writes{fail: c.fail}
			s := newPollable(conn)
			o := newOutput(s, s)
			_, _ = o.Write(make([]byte, 300))
			_, err := o.Write(make([]byte, bulkSize))
			if flushed := o.Flush(); err != flushed || (err != nil) != (c.fail > 0) {
				t.Errorf("%v, flushed %v", err, flushed)
			}
			_, _ = o.Write(make([]byte, 3))
			_ = o.Flush()
			if d := cmp.Diff(c.want, conn.lengths); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestTogetherInParts: what does not fit is written before, in order.
func TestTogetherInParts(t *testing.T) {
	conn := &writes{}
	s := newPollable(conn)
	must(t, s.together(func() error {
		for _, n := range []int{10, bulkSize, 20, 2 * bulkSize, 30} {
			if _, err := s.Write(make([]byte, n)); err != nil {
				return err
			}
		}
		return nil
	}))
	if d := cmp.Diff([]int{10 + bulkSize + 20, 2 * bulkSize, 30}, conn.lengths); d != "" {
		t.Error(d)
	}
}

// TestBulk: a long body arrives byte for byte in either direction, but for the
// secret, wherever that stands among records and pieces.
func TestBulk(t *testing.T) {
	l := newLab(t, func(_ *lab, p *Proxy) {
		p.Authorize = func(context.Context, *http.Request) (Grant, error) {
			return Grant{Pool: "alpha", Redact: []string{canary}, Placeholder: placeholder}, nil
		}
	})
	body := make([]byte, 3<<20+777)
	_, _ = rand.NewChaCha8([32]byte{}).Read(body)
	want := bytes.Clone(body)
	hidden := []byte(placeholder + strings.Repeat("*", len(canary)))[:len(canary)]
	for at := recordSize - len(canary) + 1; at < len(body)-len(canary); at += recordSize + 1 {
		copy(body[at:], canary)
		copy(want[at:], hidden)
	}
	uploaded := make(chan []byte, 1)
	l.serve("alpha.test:443", false, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			got, _ := io.ReadAll(r.Body)
			uploaded <- got
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body)
	})
	c := l.tunnel("alpha.test")
	c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
	if got := c.answer("GET").body; got != string(want) {
		t.Errorf("X007: %d bytes down, and other ones than %d", len(got), len(want))
	}
	c.say(fmt.Sprintf("POST / HTTP/1.1\nHost: alpha.test\nContent-Length: %d\n\n", len(body)))
	_, err := c.Conn.Write(body)
	must(t, err)
	if got := <-uploaded; !bytes.Equal(got, body) {
		t.Errorf("%d bytes up, and other ones than %d", len(got), len(body))
	}
	if a := c.answer("POST"); a.StatusCode != http.StatusOK {
		t.Errorf("%v", a)
	}
}
