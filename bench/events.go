package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// events measures the delay of each event: from before the upstream writes it
// until the client has it. late is the share that came when the next was
// already sent.
func events(ctx context.Context, s *scene, r *running) (figures, error) {
	request := r.client.head(http.MethodGet, claimed, "/events")
	conns, err := open(ctx, r.client, claimed, 1, r.client.head(http.MethodGet, claimed, "/v1/models"))
	if err != nil {
		return nil, err
	}
	defer closeAll(conns)
	_ = conns[0].SetDeadline(time.Now().Add(patience))
	start := monotonic()
	if _, err := conns[0].Write(request); err != nil {
		return nil, err
	}
	var arrivals eventTimes
	if _, err := conns[0].answer(&arrivals); err != nil {
		return nil, err
	}
	return arrivals.figures(start)
}

// eventTimes notes when each event was sent and when it arrived.
type eventTimes struct {
	rest          string
	sent, arrived []int64
}

func (e *eventTimes) Write(p []byte) (int, error) {
	now := monotonic()
	e.rest += string(p)
	for {
		event, rest, ok := strings.Cut(e.rest, "\n\n")
		if !ok {
			return len(p), nil
		}
		e.rest = rest
		t, err := strconv.ParseInt(strings.TrimPrefix(event, "data: "), 10, 64)
		if err != nil {
			return 0, err
		}
		e.sent, e.arrived = append(e.sent, t), append(e.arrived, now)
	}
}

func (e *eventTimes) figures(start int64) (figures, error) {
	if len(e.sent) < 2 {
		return nil, errors.New("no events")
	}
	var delays []time.Duration
	late := 0.0
	for i := range e.sent {
		delays = append(delays, time.Duration(e.arrived[i]-e.sent[i]))
		if i+1 < len(e.sent) && e.arrived[i] >= e.sent[i+1] {
			late++
		}
	}
	f := figures{"first": float64(e.arrived[0]-start) / 1e6, "late": late / float64(len(e.sent)-1)}
	f.latencies(delays)
	return f, nil
}
