package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"golang.org/x/net/http2"
)

// multiplexed drives n streams of one HTTP/2 connection.
func multiplexed(n int) func(context.Context, *scene, *running) (figures, error) {
	return func(ctx context.Context, s *scene, r *running) (figures, error) {
		conn, err := r.client.dial(ctx, claimed, "h2")
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		if state := conn.Conn.(*tls.Conn).ConnectionState(); state.NegotiatedProtocol != "h2" {
			return nil, fmt.Errorf("%q instead of HTTP/2", state.NegotiatedProtocol)
		}
		h2, err := new(http2.Transport).NewClientConn(conn.Conn)
		if err != nil {
			return nil, err
		}
		return s.timed(r, func(during time.Duration) ([]time.Duration, error) {
			return streams(ctx, h2, r.client.header, n, during)
		})
	}
}

func streams(ctx context.Context, h2 *http2.ClientConn, header string, n int, during time.Duration) ([]time.Duration, error) {
	end := time.Now().Add(during)
	each := make([][]time.Duration, n)
	err := parallel(n, func(i int) error {
		for time.Now().Before(end) {
			start := time.Now()
			if err := roundTrip(ctx, h2, header); err != nil {
				return err
			}
			each[i] = append(each[i], time.Since(start))
		}
		return nil
	})
	return slices.Concat(each...), err
}

func roundTrip(ctx context.Context, h2 *http2.ClientConn, header string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+claimed+"/v1/models", nil)
	if err != nil {
		return err
	}
	r.Header = http.Header{
		"Authorization": {header}, "Accept": {"application/json"}, "User-Agent": {"SDK/Python 1.54.0"}, "X-Stainless-Lang": {"python"},
		"X-Stainless-Package-Version": {"1.54.0"}, "X-Stainless-Os": {"Linux"}, "X-Stainless-Arch": {"x64"}, "X-Request-Id": {"1234567890"},
	}
	answer, err := h2.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}
