package cli

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestWarnOfEnd: a run that lasts is told once, an hour before its certificates
// end; one that ends before that never.
func TestWarnOfEnd(t *testing.T) {
	for name, test := range map[string]struct {
		certificates, run time.Duration
		warned            time.Duration // after the start, -1 for never
	}{
		"long":        {24 * time.Hour, 30 * time.Hour, 23 * time.Hour},
		"short":       {24 * time.Hour, 22 * time.Hour, -1},
		"odd_minutes": {24*time.Hour + 7*time.Minute + time.Second, 30 * time.Hour, 23*time.Hour + 7*time.Minute + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, warned := time.Now(), time.Duration(-1)
				ctx, cancel := context.WithTimeout(t.Context(), test.run)
				defer cancel()
				end := begin.Add(test.certificates)
				warnOfEnd(ctx, end, func(format string, args ...any) {
					if warned != -1 || fmt.Sprint(args...) != end.Format("15:04") {
						t.Errorf(format, args...)
					}
					warned = time.Since(begin)
				})
				if warned != test.warned {
					t.Errorf("warned after %v, want %v", warned, test.warned)
				}
			})
		})
	}
}
