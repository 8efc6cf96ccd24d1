package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// figures are what one measurement gave, by name.
type figures map[string]float64

// workload is one kind of traffic.
type workload struct {
	name    string
	about   string
	fits    func(contestant) bool
	measure func(context.Context, *scene, *running) (figures, error)
}

// scene is where workloads are measured.
type scene struct {
	*world
	scale float64 // of the durations
	fresh []string
	taken map[*running]int // of fresh, by whom it has seen
}

func (s *scene) seconds(n float64) time.Duration {
	return time.Duration(n * s.scale * float64(time.Second))
}

func everyone(contestant) bool      { return true }
func speaksHTTP2(c contestant) bool { return c.http2 }
func tunnels(c contestant) bool     { return c.blind }

const mebibyte = 1 << 20

// bodySize is a large body.
const bodySize = 100 * mebibyte

func workloads() []workload {
	return []workload{
		{"ka1", "GET over 1 keep-alive connection, 1 KiB JSON", everyone, keepAlive(claimed, 1)},
		{"ka16", "the same over 16", everyone, keepAlive(claimed, 16)},
		{"ka128", "the same over 128", everyone, keepAlive(claimed, 128)},
		{"paced", "100 requests/s over 16 connections", everyone, paced},
		{"new", "a new connection for each request, known host", everyone, reconnect},
		{"first", "a new connection to a host never seen before", everyone, firstSight},
		{"down", "100 MiB down", everyone, transfer(http.MethodGet)},
		{"up", "100 MiB up", everyone, transfer(http.MethodPost)},
		{"sse", "20 server-sent events, 25 ms apart", everyone, events},
		{"blind16", "ka16 to a host that nobody claims", tunnels, keepAlive(nobodys, 16)},
		{"blindnew", "new connections to a host that nobody claims", tunnels, reconnectTo(nobodys)},
		{"blinddown", "100 MiB down from a host that nobody claims", tunnels, transferTo(nobodys, http.MethodGet)},
		{"h2x1", "HTTP/2 to the client, 1 stream", speaksHTTP2, multiplexed(1)},
		{"h2x32", "HTTP/2 to the client, 32 streams of one connection", speaksHTTP2, multiplexed(32)},
	}
}

// to is the client for a host: nobody puts a credential on the requests to
// hosts that nobody claims.
func (s *scene) to(host string, r *running) *client {
	c := *r.client
	if host == nobodys {
		c.header = s.secret
	}
	return &c
}

// usage is what a measurement costs on all sides.
type usage struct {
	start              time.Time
	proxy, server, own time.Duration
}

func (s *scene) begin(r *running) usage {
	return usage{time.Now(), r.process.cpu(), s.upstream.cpu(), ownCPU()}
}

// add puts the rate and the processor time per unit (µs) into f.
func (u usage) add(f figures, s *scene, r *running, units float64) {
	wall := time.Since(u.start)
	f["rate"] = units / wall.Seconds()
	f["cpu"] = micro(r.process.cpu()-u.proxy) / units
	f["ends"] = micro(s.upstream.cpu()-u.server+ownCPU()-u.own) / units
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// latencies adds percentiles, in µs.
func (f figures) latencies(all []time.Duration) {
	slices.Sort(all)
	f["p50"] = micro(percentile(all, 0.50))
	f["p99"] = micro(percentile(all, 0.99))
}

func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

// open opens n connections and warms each with a few requests.
func open(ctx context.Context, c *client, host string, n int, request []byte) ([]*conn, error) {
	conns := make([]*conn, n)
	err := parallel(min(n, 16), func(worker int) error {
		for i := worker; i < n; i += min(n, 16) {
			var err error
			if conns[i], err = c.dial(ctx, host, "http/1.1"); err != nil {
				return err
			}
			if _, err := conns[i].do(request); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		closeAll(conns)
	}
	return conns, err
}

func closeAll(conns []*conn) {
	for _, c := range conns {
		if c != nil {
			_ = c.Close()
		}
	}
}

// parallel runs n workers to their end.
func parallel(n int, work func(int) error) error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = work(i) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// keepAlive is the closed loop: each connection sends its next request when
// the answer is there.
func keepAlive(host string, n int) func(context.Context, *scene, *running) (figures, error) {
	return func(ctx context.Context, s *scene, r *running) (figures, error) {
		c := s.to(host, r)
		request := c.head(http.MethodGet, host, "/v1/models")
		conns, err := open(ctx, c, host, n, request)
		if err != nil {
			return nil, err
		}
		defer closeAll(conns)
		return s.timed(r, func(during time.Duration) ([]time.Duration, error) { return loop(conns, request, during) })
	}
}

// timed lets drive make requests, a warm-up first, and returns what they took.
func (s *scene) timed(r *running, drive func(during time.Duration) ([]time.Duration, error)) (figures, error) {
	if _, err := drive(s.seconds(0.3)); err != nil {
		return nil, err
	}
	u := s.begin(r)
	all, err := drive(s.seconds(1))
	if err != nil {
		return nil, err
	}
	f := figures{}
	u.add(f, s, r, float64(len(all)))
	f.latencies(all)
	return f, nil
}

// loop drives all connections for a time.
func loop(conns []*conn, request []byte, during time.Duration) ([]time.Duration, error) {
	end := time.Now().Add(during)
	each := make([][]time.Duration, len(conns))
	err := parallel(len(conns), func(i int) error {
		_ = conns[i].SetDeadline(end.Add(patience))
		took := make([]time.Duration, 0, 4096)
		for now := time.Now(); now.Before(end); {
			if _, err := conns[i].do(request); err != nil {
				return err
			}
			next := time.Now()
			took, now = append(took, next.Sub(now)), next
		}
		each[i] = took
		return nil
	})
	return slices.Concat(each...), err
}

// paced sends at a fixed rate, so that what is measured is an answer's
// delay on a proxy with nothing else to do.
func paced(ctx context.Context, s *scene, r *running) (figures, error) {
	const interval, n = 10 * time.Millisecond, 16
	request := r.client.head(http.MethodGet, claimed, "/v1/models")
	conns, err := open(ctx, r.client, claimed, n, request)
	if err != nil {
		return nil, err
	}
	defer closeAll(conns)
	turns := max(2, int(s.seconds(1.5)/(interval*n)))
	u := s.begin(r)
	each := make([][]time.Duration, n)
	err = parallel(n, func(i int) error {
		for turn := range turns {
			due := u.start.Add(interval * time.Duration(turn*n+i))
			time.Sleep(time.Until(due))
			sent := time.Now()
			if _, err := conns[i].do(request); err != nil {
				return err
			}
			each[i] = append(each[i], time.Since(sent))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	f := figures{}
	all := slices.Concat(each...)
	u.add(f, s, r, float64(len(all)))
	f.latencies(all)
	delete(f, "rate")
	return f, nil
}

func reconnect(ctx context.Context, s *scene, r *running) (figures, error) {
	return reconnectTo(claimed)(ctx, s, r)
}

// reconnectTo makes one connection after the other, each with one request.
func reconnectTo(host string) func(context.Context, *scene, *running) (figures, error) {
	return func(ctx context.Context, s *scene, r *running) (figures, error) {
		c := s.to(host, r)
		request := c.head(http.MethodGet, host, "/v1/models")
		for range 5 { // until there are sessions and certificates
			if _, err := once(ctx, c, host, request); err != nil {
				return nil, err
			}
		}
		before, err := s.counters()
		if err != nil {
			return nil, err
		}
		f, resumed := figures{}, 0
		var all []time.Duration
		u := s.begin(r)
		for end := u.start.Add(s.seconds(1)); time.Now().Before(end); {
			start := time.Now()
			again, err := once(ctx, c, host, request)
			if err != nil {
				return nil, err
			}
			if all = append(all, time.Since(start)); again {
				resumed++
			}
		}
		n := float64(len(all))
		u.add(f, s, r, n)
		f.latencies(all)
		after, err := s.counters()
		f["resumed"], f["handshakes"] = float64(resumed)/n, float64(after.Handshakes-before.Handshakes)/n
		return f, err
	}
}

// once makes a connection for one request and reports whether its TLS session
// was resumed.
func once(ctx context.Context, c *client, host string, request []byte) (bool, error) {
	conn, err := c.dial(ctx, host, "http/1.1")
	if err != nil {
		return false, err
	}
	defer conn.Close()
	_, err = conn.do(request)
	return conn.resumed, err
}

// firstSight takes hosts that this contestant has not seen yet.
func firstSight(ctx context.Context, s *scene, r *running) (figures, error) {
	count := max(10, int(30*s.scale))
	from := s.taken[r]
	s.taken[r] += count
	if from+count > len(s.fresh) {
		return nil, errors.New("no fresh hosts left")
	}
	f := figures{}
	var all []time.Duration
	u := s.begin(r)
	for _, host := range s.fresh[from : from+count] {
		start := time.Now()
		if _, err := once(ctx, r.client, host, r.client.head(http.MethodGet, host, "/v1/models")); err != nil {
			return nil, err
		}
		all = append(all, time.Since(start))
	}
	u.add(f, s, r, float64(count))
	f.latencies(all)
	return f, nil
}

func transfer(method string) func(context.Context, *scene, *running) (figures, error) {
	return transferTo(claimed, method)
}

// transferTo moves one large body. Rate is in MiB/s, costs are per MiB.
func transferTo(host, method string) func(context.Context, *scene, *running) (figures, error) {
	return func(ctx context.Context, s *scene, r *running) (figures, error) {
		c := s.to(host, r)
		conns, err := open(ctx, c, host, 1, c.head(http.MethodGet, host, "/v1/models"))
		if err != nil {
			return nil, err
		}
		defer closeAll(conns)
		_ = conns[0].SetDeadline(time.Now().Add(max(5*time.Second, s.seconds(20))))
		u := s.begin(r)
		if err := move(conns[0], c, method, host); err != nil {
			return nil, err
		}
		f := figures{}
		u.add(f, s, r, bodySize/mebibyte)
		return f, nil
	}
}

// move sends one large body in the direction that the method says.
func move(conn *conn, c *client, method, host string) error {
	if method == http.MethodGet {
		return download(conn, c.head(method, host, "/down/"+strconv.Itoa(bodySize)))
	}
	return upload(conn, c.head(method, host, "/up", fmt.Sprintf("Content-Length: %d\r\n", bodySize)))
}

func download(c *conn, request []byte) error {
	n, err := c.do(request)
	if err == nil && n != bodySize {
		err = fmt.Errorf("%d bytes arrived", n)
	}
	return err
}

func upload(c *conn, head []byte) error {
	if _, err := c.Write(head); err != nil {
		return err
	}
	block := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	for range bodySize / len(block) {
		if _, err := c.Write(block); err != nil {
			return err
		}
	}
	_, err := c.answer(io.Discard)
	return err
}
