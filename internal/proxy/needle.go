package proxy

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// minNeedle is the shortest string that is looked for: shorter ones turn up
// by chance.
const minNeedle = 8

// needles returns every spelling of secrets that is looked for, the shortest
// first: as it is, percent-encoded, as in JSON and HTML, in hexadecimal, and
// in base64 at each of the three offsets it can have inside a longer text.
func needles(secrets []string) [][]byte {
	var all []string
	for _, s := range secrets {
		if len(s) < minNeedle {
			continue
		}
		all = append(all, s, html.EscapeString(s), hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s))))
		for _, escaped := range []string{url.QueryEscape(s), url.PathEscape(s), strings.ReplaceAll(url.QueryEscape(s), "+", "%20")} {
			all = append(all, escaped, lowerEscapes(escaped))
		}
		all = append(all, jsonSpellings(s)...)
		all = append(all, base64Spellings(s)...)
	}
	all = slices.DeleteFunc(all, func(s string) bool { return len(s) < minNeedle })
	slices.SortFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	var found [][]byte
	for _, s := range slices.Compact(all) {
		found = append(found, []byte(s))
	}
	return found
}

// lowerEscapes spells %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
		}
	}
	return string(b)
}

// jsonSpellings are what encoders make of s: with and without HTML's
// characters escaped, with and without an escaped slash.
func jsonSpellings(s string) []string {
	var spellings []string
	for _, escapeHTML := range []bool{false, true} {
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(escapeHTML)
		if encoder.Encode(s) != nil {
			continue
		}
		text := strings.TrimSpace(b.String())
		text = text[1 : len(text)-1]
		spellings = append(spellings, text, strings.ReplaceAll(text, "/", `\/`))
	}
	return spellings
}

// base64Spellings are the characters of a base64 text that depend on s alone,
// when s begins at byte 0, 1 or 2 of a group of three.
func base64Spellings(s string) []string {
	var spellings []string
	for offset, skip := range []int{0, 2, 3} {
		text := append(make([]byte, offset), s...)
		whole := len(text) * 8 / 6
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			spellings = append(spellings, encoding.EncodeToString(text)[skip:whole])
		}
	}
	return spellings
}

// matcher finds needles in text, skipping most of it (Wu and Manber 1994 with
// blocks of two bytes).
type matcher struct {
	needles [][]byte // the shortest first
	shortest,
	longest int
	first [256]bool      // bytes a needle begins with
	shift [blocks]uint8  // how far the window can move when it ends in a block
	chain [blocks]uint16 // 1 + index of the longest needle whose window ends in a block
	next  []uint16       // the same for the next shorter one
}

// maxMatchers bounds the matchers kept between requests.
const maxMatchers = 64

// matchers keeps a matcher for each pool: making one costs more than a
// request.
type matchers struct {
	mu   sync.Mutex // guards kept
	kept map[string]keptMatcher
}

type keptMatcher struct {
	secrets []string
	matcher *matcher
}

func (m *matchers) get(grant Grant) *matcher {
	m.mu.Lock()
	defer m.mu.Unlock()
	if kept, ok := m.kept[grant.Pool]; ok && slices.Equal(kept.secrets, grant.Redact) {
		return kept.matcher
	}
	if m.kept == nil || len(m.kept) >= maxMatchers {
		m.kept = make(map[string]keptMatcher)
	}
	made := newMatcher(needles(grant.Redact))
	m.kept[grant.Pool] = keptMatcher{slices.Clone(grant.Redact), made}
	return made
}

const blocks = 1 << 12

func block(a, b byte) uint { return (uint(a)<<4 ^ uint(b)) % blocks }

// newMatcher returns nil when there is nothing to look for.
func newMatcher(needles [][]byte) *matcher {
	if len(needles) == 0 {
		return nil
	}
	m := &matcher{needles: needles, shortest: len(needles[0]), longest: len(needles[len(needles)-1])}
	m.next = make([]uint16, len(needles))
	window := m.shortest
	for i := range m.shift {
		m.shift[i] = uint8(min(window-1, 255))
	}
	for n, needle := range needles {
		m.first[needle[0]] = true
		for i := 1; i < window; i++ {
			b := block(needle[i-1], needle[i])
			m.shift[b] = min(m.shift[b], uint8(min(window-1-i, 255)))
		}
		last := block(needle[window-2], needle[window-1])
		m.next[n], m.chain[last] = m.chain[last], uint16(n+1)
	}
	return m
}

// find returns where the first needle in text is, the longest one there.
func (m *matcher) find(text []byte) (start, end int, found bool) {
	for i := m.shortest - 1; i < len(text); {
		b := block(text[i-1], text[i])
		if skip := m.shift[b]; skip > 0 {
			i += int(skip)
			continue
		}
		start := i - m.shortest + 1
		for n := m.chain[b]; n > 0; n = m.next[n-1] {
			if needle := m.needles[n-1]; bytes.HasPrefix(text[start:], needle) {
				return start, start + len(needle), true
			}
		}
		i++
	}
	return 0, 0, false
}

// partial returns where the longest end of text begins that could be the
// beginning of a needle, len(text) if none could.
func (m *matcher) partial(text []byte) int {
	for i := max(0, len(text)-m.longest+1); i < len(text); i++ {
		if !m.first[text[i]] {
			continue
		}
		for _, needle := range m.needles {
			if len(needle) > len(text)-i && bytes.HasPrefix(needle, text[i:]) {
				return i
			}
		}
	}
	return len(text)
}
