package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"golang.org/x/net/http2"
)

// TestGRPCFailures: what goes wrong is a gRPC status, before and after the
// first message; never a JSON body, and never a clean end.
func TestGRPCFailures(t *testing.T) {
	refused := &Refusal{Status: http.StatusForbidden, Code: "not_connected", Message: "100 % gone", Hint: "authsome login x"}
	head := func(p *h2peer, stream uint32) {
		p.respond(stream, false, ":status", "200", "content-type", "application/grpc")
		_ = p.WriteData(stream, false, []byte("\x00\x00\x00\x00\x01x"))
	}
	for name, test := range map[string]struct {
		refusal error
		fault   func(p *h2peer, stream uint32)
		want    string // status, grpc-status, and grpc-message
	}{
		"not_authorized": {refused, nil, "200 7 authsome: 100 %25 gone: authsome login x"},
		"2009_refused_stream": {nil, func(p *h2peer, stream uint32) { _ = p.WriteRSTStream(stream, http2.ErrCodeRefusedStream) },
			"200 14 authsome: the server refused the request and did nothing with it"},
		"2009_calm": {nil, func(p *h2peer, stream uint32) { _ = p.WriteRSTStream(stream, http2.ErrCodeEnhanceYourCalm) },
			"200 8 authsome: the server reset the stream: ENHANCE_YOUR_CALM"},
		"2009_closed": {nil, func(p *h2peer, stream uint32) { _ = p.conn.Close() },
			"200 14 authsome: the server closed the connection without an answer"},
		"2009_cancel_in_the_middle": {nil, func(p *h2peer, stream uint32) { head(p, stream); _ = p.WriteRSTStream(stream, http2.ErrCodeCancel) },
			"200 1 authsome: the server reset the stream: CANCEL"},
		"2009_closed_in_the_middle": {nil, func(p *h2peer, stream uint32) { head(p, stream); _ = p.conn.Close() },
			"200 14 authsome: the server closed the connection without an answer"},
		"2011_trailers_only": {nil, func(p *h2peer, stream uint32) {
			p.respond(stream, true, ":status", "200", "content-type", "application/grpc", "grpc-status", "5", "grpc-message", "theirs")
		}, "200 5 theirs"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(l *lab, p *Proxy) {
				if test.refusal != nil {
					p.Authorize = func(context.Context, *http.Request) (Grant, error) { return Grant{}, test.refusal }
				}
			})
			l.frameServer(t, func(p *h2peer) {
				if head, ok := p.request(); ok && test.fault != nil {
					test.fault(p, head.StreamID)
					p.drain()
				}
			})
			r, err := http.NewRequest("POST", "https://alpha.test/s/m", io.NopCloser(http.NoBody))
			must(t, err)
			r.Header = http.Header{"Content-Type": {"application/grpc+proto"}, "Te": {"trailers"}}
			resp, err := (&http.Client{Transport: l.transport(true)}).Do(r)
			must(t, err)
			defer resp.Body.Close()
			if _, err := io.ReadAll(resp.Body); err != nil {
				t.Error(err)
			}
			field := func(name string) string { return resp.Header.Get(name) + resp.Trailer.Get(name) }
			got := fmt.Sprintf("%d %s %s", resp.StatusCode, field("Grpc-Status"), field("Grpc-Message"))
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
