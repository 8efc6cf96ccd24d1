package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// minRange is the shortest part of a body that may be asked for, other than
// from its beginning or to its end.
const minRange = 2 * minNeedle

// limitRange drops a Range that could fetch a secret in pieces too short to be
// recognised, and one for several parts. A server may always answer with the
// whole.
func limitRange(h http.Header) {
	if h["Range"] == nil {
		return
	}
	from, to, ok := strings.Cut(strings.TrimPrefix(lower(h.Get("Range")), "bytes="), "-")
	first, err1 := strconv.ParseInt(strings.TrimSpace(from), 10, 64)
	last, err2 := strconv.ParseInt(strings.TrimSpace(to), 10, 64)
	toEnd := err1 == nil && strings.TrimSpace(to) == ""
	fromEnd := strings.TrimSpace(from) == "" && err2 == nil
	bounded := err1 == nil && err2 == nil && (first == 0 || last-first >= minRange-1)
	if len(h["Range"]) > 1 || !ok || !toEnd && !fromEnd && !bounded {
		delete(h, "Range")
		delete(h, "If-Range")
	}
}

// newPartScanner is for a part of a body: a secret can be cut off at both of
// its ends. Pieces of minNeedle bytes and more are blanked.
func (d *redactor) newPartScanner(body io.Reader) io.Reader {
	head := make([]byte, d.longest)
	n, err := io.ReadFull(body, head)
	head = head[:n]
	whole := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	d.blank(head[:d.tailOfNeedle(head, whole)])
	return &scanner{d: d, src: io.MultiReader(bytes.NewReader(head), body), sameLength: true, part: true}
}

// tailOfNeedle returns the length of the longest end of a needle that head
// begins with, or of all of head, when it is whole and inside one.
func (d *redactor) tailOfNeedle(head []byte, whole bool) int {
	longest := 0
	for _, needle := range d.needles {
		if whole && len(head) >= minNeedle && bytes.Contains(needle, head) {
			return len(head)
		}
		for n := min(len(head), len(needle)-1); n >= minNeedle && n > longest; n-- {
			if bytes.HasSuffix(needle, head[:n]) {
				longest = n
			}
		}
	}
	return longest
}

func (d *redactor) blank(text []byte) {
	for i := range text {
		text[i], d.replaced = '*', true
	}
}
