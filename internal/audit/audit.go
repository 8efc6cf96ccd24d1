// Package audit is the append-only record of every use of a credential and of
// every change: JSON lines in one file, readable by the owner only.
//
// A use is written before the request leaves, so "no line, no use" holds:
// whoever gets an error from Append must not use the credential. Its answer is
// written after it, by Later, which need not hold anybody up. Lines are handed
// to the kernel, not fsynced: they survive a killed process, and the last ones
// may not survive a power cut.
//
// The package does not know what a credential, a provider or a request is; it
// is handed words. What an attacker could try: to forge a line through a path
// or a host (every field is escaped and cut), to fill the disk (the use is
// refused), to have the log written through a link or read by others (such
// files are refused). It does not stop a process of the same user from editing
// the file.
package audit

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Events. The set is open: any other word is recorded as it stands.
const (
	Use        = "use"    // a credential is about to be put on a request
	Answer     = "answer" // the status of the use with the same ID
	Refuse     = "refuse" // a request was answered by us instead of being sent
	Trust      = "trust"  // a routed host was verified by the authority in Detail, for the first time in the run
	Ambiguous  = "ambiguous"
	Login      = "login"
	Logout     = "logout"
	Revoke     = "revoke"
	Default    = "default"
	Register   = "register"
	Remove     = "remove"
	Export     = "export"
	ShowSecret = "show_secret"
	Install    = "ca_install"
	Uninstall  = "ca_uninstall"
	Rekey      = "rekey"
	Backup     = "backup"
	Restore    = "restore"
)

// Decisions.
const (
	Allow = "allow"
	Deny  = "deny"
)

// ErrUnsafe is wrapped when the file is not ours alone: not a regular file, a
// link, another owner, or a mode that lets others in.
var ErrUnsafe = errors.New("unsafe audit log")

// An Entry is one line. Append sets Time, Seq, Run and, for a Use, ID; the
// caller sets the rest. No field may hold a secret.
type Entry struct {
	Time       time.Time `json:"time"`         // UTC, microseconds
	Seq        uint64    `json:"seq"`          // 1, 2, … within Run, whatever the clock does
	Run        string    `json:"run"`          // random, one per Open
	Event      string    `json:"event"`        // Use, Answer, …
	ID         uint64    `json:"id,omitempty"` // of a Use, its Seq; of an Answer, the Use's ID
	Profile    string    `json:"profile,omitempty"`
	Provider   string    `json:"provider,omitempty"`
	Connection string    `json:"connection,omitempty"`
	Host       string    `json:"host,omitempty"` // host or host:port; userinfo is dropped
	Method     string    `json:"method,omitempty"`
	Path       string    `json:"path,omitempty"`   // query and fragment are dropped
	Status     int       `json:"status,omitempty"` // HTTP status code
	Decision   string    `json:"decision,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Detail     string    `json:"detail,omitempty"`
}

// A Log appends to one file. Its methods may be called from any goroutine, and
// any number of processes may hold a Log on the same path.
type Log struct {
	path  string
	run   string
	limit int64 // bytes at which the file is rotated

	mu      sync.Mutex // guards what follows
	file    *os.File   // nil when closed
	seq     uint64
	end     int64     // size after our last whole line, -1 when unknown
	looked  time.Time // when the file was looked at
	retryAt int64     // size at which a rotation that went wrong is tried again
	buf     []byte
	later   []byte      // lines that are written with the next one
	timer   *time.Timer // or when it fires, nil before the first
	ticking bool        // it will
}

// Open opens the log at path for appending and creates it, mode 0600, if there
// is none. The directory must exist. The error wraps ErrUnsafe if what is
// there is not a regular file that only its owner, us, can read and write.
func Open(path string) (*Log, error) { return open(path, maxSize) }

func open(path string, limit int64) (*Log, error) {
	file, err := openAppend(path)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	var run [8]byte
	_, _ = rand.Read(run[:]) // never returns an error
	return &Log{path: path, run: hex.EncodeToString(run[:]), limit: limit, file: file, end: -1}, nil
}

// Append writes e as one line and returns it as written. After an error the
// line is not in the log, and what it would have recorded must not be done.
func (l *Log) Append(e Entry) (Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return e, fmt.Errorf("audit log: %w", os.ErrClosed)
	}
	size, err := l.current()
	if err != nil {
		return e, fmt.Errorf("audit log: %w", err)
	}
	l.stamp(&e)
	if err := l.write(&e, size); err != nil {
		return e, fmt.Errorf("audit log: %w", err)
	}
	return e, nil
}

// What Later keeps.
const (
	laterTime = 50 * time.Millisecond
	laterSize = 8 << 10
)

// Later writes e, which tells the outcome of something whose own line is
// written: together with the next line, at Close, or after 50 ms. It is lost
// when the process is killed before that, or when it can't be written.
func (l *Log) Later(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return
	}
	l.stamp(&e)
	l.later = append(appendEntry(l.later, e), '\n')
	switch {
	case len(l.later) > laterSize:
		_ = l.flush()
	case l.timer == nil:
		l.timer, l.ticking = time.AfterFunc(laterTime, l.due), true
	case !l.ticking:
		l.timer.Reset(laterTime)
		l.ticking = true
	}
}

// due is called in time for every line: the timer is not stopped when lines are
// written before, which in a rush would be once for each.
func (l *Log) due() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ticking = false
	if l.file != nil {
		_ = l.flush()
	}
}

// flush writes what Later has kept.
func (l *Log) flush() error {
	if len(l.later) == 0 {
		return nil
	}
	size, err := l.current()
	if err != nil {
		return err
	}
	return l.write(nil, size)
}

// takeLater returns dst with what Later has kept.
func (l *Log) takeLater(dst []byte) []byte {
	dst = append(dst, l.later...)
	l.later = l.later[:0]
	return dst
}

// Close writes what is still to be written and closes the file. Closing twice
// is no error.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	err := errors.Join(l.flush(), l.file.Close())
	l.file = nil
	return err
}

func (l *Log) stamp(e *Entry) {
	l.seq++
	e.Time, e.Seq, e.Run = time.Now().UTC().Truncate(time.Microsecond), l.seq, l.run
	if e.Event == Use {
		e.ID = e.Seq
	}
	e.Host, e.Path = withoutUserinfo(e.Host), withoutQuery(e.Path)
}

// write appends what Later has kept and e, if it is not nil, with a single
// write(2), which the kernel keeps whole between processes. size is the file's
// size now.
func (l *Log) write(e *Entry, size int64) error {
	line := l.buf[:0]
	if size != l.end && !endsLine(l.file, size) {
		line = append(line, '\n') // someone's line was torn: leave it alone on its own
	}
	line = l.takeLater(line)
	if e != nil {
		line = append(appendEntry(line, *e), '\n')
	}
	l.buf, l.end = line, -1
	n, err := writeOnce(l.file, line)
	switch {
	case err != nil:
		return err
	case n < len(line):
		return &os.PathError{Op: "write", Path: l.path, Err: errShort}
	}
	l.end = size + int64(n)
	return nil
}

// errShort is what a full disk or a file size limit shows first.
var errShort = errors.New("short write, no space or over the file size limit")

// endsLine reports whether a line can start at offset size.
func endsLine(file *os.File, size int64) bool {
	if size == 0 {
		return true
	}
	var last [1]byte
	_, err := file.ReadAt(last[:], size-1)
	return err == nil && last[0] == '\n'
}
