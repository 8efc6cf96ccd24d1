package proxy

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
	"sync"
)

const (
	// gramSize is the length of what is looked up, and no more than minNeedle.
	gramSize = 8
	// maxStride bounds the steps between look-ups, and so the grams of a needle.
	maxStride = 32
)

// matcher finds needles in text. It looks at one gram of eight bytes every
// stride bytes: each needle's first grams are indexed, as many as a stride is
// long, so that one of them is always among those looked at. The cost depends
// on the shortest needle, and hardly on the number of them.
type matcher struct {
	needles [][]byte // sorted, distinct
	longest int
	stride  int
	inside  []int32 // the longest other needle that the needle begins with, or -1
	first   [256]bool
	shift   int
	filter  []uint64 // a bit for each hash of a gram
	heads   []uint32 // 1 + index of the first gram with a hash
	grams   []gram
}

// gram is eight bytes that stand at offset in some needle.
type gram struct {
	text   uint64
	offset int
	next   uint32 // the same hash, a lesser or equal offset
}

// newMatcher takes sorted needles, none shorter than minNeedle. It returns nil
// when there is nothing to look for.
func newMatcher(needles [][]byte) *matcher {
	if len(needles) == 0 {
		return nil
	}
	m := &matcher{needles: needles}
	shortest := len(needles[0])
	for _, needle := range needles {
		m.longest, shortest = max(m.longest, len(needle)), min(shortest, len(needle))
		m.first[needle[0]] = true
	}
	m.stride = min(shortest-gramSize+1, maxStride)
	m.nest()
	m.index()
	return m
}

// nest fills in inside. What begins with a needle stands right behind it.
func (m *matcher) nest() {
	m.inside = make([]int32, len(m.needles))
	for n, needle := range m.needles {
		outer := int32(n - 1)
		for outer >= 0 && !bytes.HasPrefix(needle, m.needles[outer]) {
			outer = m.inside[outer]
		}
		m.inside[n] = outer
	}
}

// index files the grams. Those of the greatest offset come first in a chain:
// they belong to the needle that begins first.
func (m *matcher) index() {
	size := bits.Len(uint(16 * len(m.needles) * m.stride))
	m.shift = 64 - size
	m.filter, m.heads = make([]uint64, 1<<size/64+1), make([]uint32, 1<<size)
	for offset := range m.stride {
		for _, needle := range m.needles {
			m.file(gram{text: binary.LittleEndian.Uint64(needle[offset:]), offset: offset})
		}
	}
}

func (m *matcher) file(g gram) {
	h := m.hash(g.text)
	for i := m.heads[h]; i > 0; i = m.grams[i-1].next {
		if m.grams[i-1].text == g.text && m.grams[i-1].offset == g.offset {
			return
		}
	}
	g.next = m.heads[h]
	m.grams = append(m.grams, g)
	m.heads[h] = uint32(len(m.grams))
	m.filter[h/64] |= 1 << (h % 64)
}

// hash multiplies with the golden ratio (Knuth, volume 3, section 6.4).
func (m *matcher) hash(text uint64) uint64 { return text * 0x9e3779b97f4a7c15 >> m.shift }

// find returns where the first needle in text is, the longest one there.
func (m *matcher) find(text []byte) (start, end int, found bool) {
	for at := m.stride - 1; at+gramSize <= len(text); at += m.stride {
		g := binary.LittleEndian.Uint64(text[at:])
		h := m.hash(g)
		if m.filter[h/64]&(1<<(h%64)) == 0 {
			continue
		}
		for i := m.heads[h]; i > 0; i = m.grams[i-1].next {
			if start := at - m.grams[i-1].offset; m.grams[i-1].text == g && start >= 0 {
				if length := m.at(text[start:]); length > 0 {
					return start, start + length, true
				}
			}
		}
	}
	return 0, 0, false
}

// at returns the length of the longest needle that text begins with, or 0.
func (m *matcher) at(text []byte) int {
	text = text[:min(len(text), m.longest)]
	n := sort.Search(len(m.needles), func(i int) bool { return bytes.Compare(m.needles[i], text) >= 0 }) // text stays on the stack
	if n < len(m.needles) && bytes.Equal(m.needles[n], text) {
		return len(text)
	}
	for n--; n >= 0; n = int(m.inside[n]) {
		if bytes.HasPrefix(text, m.needles[n]) {
			return len(m.needles[n])
		}
	}
	return 0
}

// partial returns where the longest end of text begins that could be the
// beginning of a needle, len(text) if none could.
func (m *matcher) partial(text []byte) int {
	for i := max(0, len(text)-m.longest+1); i < len(text); i++ {
		if !m.first[text[i]] {
			continue
		}
		n, exact := slices.BinarySearchFunc(m.needles, text[i:], bytes.Compare)
		if exact {
			n++ // it is whole; a longer one may begin with it
		}
		if n < len(m.needles) && bytes.HasPrefix(m.needles[n], text[i:]) {
			return i
		}
	}
	return len(text)
}

// maxSecrets bounds what is looked for in one run; what was added first is
// given up first.
const maxSecrets = 256

// matchers has the matcher for every secret that a request of this run
// carried: an answer must not repeat another host's either.
type matchers struct {
	mu      sync.Mutex // guards what follows
	secrets []string
	known   map[string]bool
	matcher *matcher
}

// get returns the matcher for secrets and all before them, nil when there is
// nothing to look for.
func (m *matchers) get(secrets []string) *matcher {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed := false
	for _, s := range secrets {
		if len(s) >= minNeedle && !m.known[s] {
			m.remember(s)
			changed = true
		}
	}
	if changed {
		m.matcher = newMatcher(needles(m.secrets))
	}
	return m.matcher
}

func (m *matchers) remember(s string) {
	if m.known == nil {
		m.known = make(map[string]bool)
	}
	if len(m.secrets) >= maxSecrets {
		delete(m.known, m.secrets[0])
		m.secrets = slices.Delete(m.secrets, 0, 1)
	}
	m.known[s] = true
	m.secrets = append(m.secrets, s)
}
