package proxy

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// upload sends the body of a request that was not sent with its head, while
// the response is waited for.
type upload struct {
	conn *upstreamConn
	out  *http.Request
	done chan struct{} // closed when the following are final

	ended   atomic.Bool // the body was read to its end
	hurried atomic.Bool // nobody will wait longer than uploadGrace
	whole   bool        // and sent
	reading error       // what ended the body too early
	writing error       // why it could not be sent
}

// uploadGrace is what the last piece of a body has, once the answer is complete.
const uploadGrace = time.Second

var errUploadStalled = errors.New("the server takes no more of the request's body")

func startUpload(c *upstreamConn, out *http.Request) *upload {
	u := &upload{conn: c, out: out, done: make(chan struct{})}
	go u.run()
	return u
}

func (u *upload) run() {
	defer close(u.done)
	defer func() { _ = u.out.Body.Close() }()
	switch u.copy(); {
	case u.reading != nil && !errors.Is(u.reading, errBodyClosed):
		u.conn.abort() // the server waits for what will not come
	case errors.Is(u.writing, os.ErrDeadlineExceeded) && !u.hurried.Load():
		u.writing = errUploadStalled
		u.conn.abort()
	}
}

// Room for a chunk's size before it and its end behind it.
const (
	beforeChunk = 8
	behindChunk = 2
)

// copy passes each piece on as soon as it is there, in full TLS records.
func (u *upload) copy() {
	buffer := bufferFor(u.out.ContentLength)
	defer buffer.release()
	room, left := buffer.room[beforeChunk:beforeChunk+u.pieceSize()], u.out.ContentLength
	for {
		n, err := u.out.Body.Read(room)
		u.ended.Store(errors.Is(err, io.EOF))
		if left >= 0 && int64(n) > left {
			err = errTooLong
			n = int(left)
		}
		if n > 0 && u.write(buffer.room, n) != nil {
			return
		}
		if left >= 0 {
			left -= int64(n)
		}
		if errors.Is(err, io.EOF) {
			u.finish(left)
			return
		}
		if err != nil {
			u.reading = err
			return
		}
	}
}

// pieceSize is how much is read at once: what fills records.
func (u *upload) pieceSize() int {
	switch length := u.out.ContentLength; {
	case length < 0:
		return recordSize - beforeChunk - behindChunk
	case length < bulkBody:
		return recordSize
	}
	return bulkSize
}

// write sends n bytes of the buffer, as a chunk if the body has no length.
func (u *upload) write(buffer []byte, n int) error {
	_ = u.conn.SetWriteDeadline(time.Now().Add(bodyStall))
	if u.hurried.Load() {
		_ = u.conn.SetWriteDeadline(time.Now().Add(uploadGrace))
	}
	piece := buffer[beforeChunk : beforeChunk+n]
	if u.out.ContentLength < 0 {
		piece = frameChunk(buffer, n)
	}
	u.writing = u.send(piece)
	return u.writing
}

func (u *upload) send(piece []byte) (err error) {
	if len(piece) <= recordSize {
		_, err = u.conn.Write(piece)
		return err
	}
	return u.conn.socket.together(func() error {
		_, err := u.conn.Write(piece)
		return err
	})
}

// frameChunk puts n bytes that stand at beforeChunk into a chunk.
func frameChunk(buffer []byte, n int) []byte {
	size := strconv.AppendUint(make([]byte, 0, beforeChunk), uint64(n), 16)
	size = append(size, "\r\n"...)
	begin := beforeChunk - len(size)
	copy(buffer[begin:], size)
	end := beforeChunk + n
	return append(buffer[begin:end], "\r\n"...)
}

// finish sends the end of a body that has come to its own.
func (u *upload) finish(left int64) {
	switch {
	case left > 0:
		u.reading = io.ErrUnexpectedEOF
		return
	case left < 0:
		end := append(appendTrailer([]byte("0\r\n"), u.out.Trailer), "\r\n"...)
		if _, u.writing = u.conn.Write(end); u.writing != nil {
			return
		}
	}
	u.whole = true
}

// hurry says that nobody waits for the rest: a write that is ended from now on
// is not the server's fault.
func (u *upload) hurry() {
	if u != nil {
		u.hurried.Store(true)
	}
}

// end waits for the upload and reports whether the body was sent whole. One
// that would go on is stopped.
func (u *upload) end() bool {
	if u == nil {
		return true
	}
	u.hurry()
	if u.ended.Load() {
		_ = u.conn.SetWriteDeadline(time.Now().Add(uploadGrace))
	} else {
		_ = u.conn.SetWriteDeadline(longAgo)
		_ = u.out.Body.Close()
	}
	<-u.done
	return u.whole && u.conn.SetWriteDeadline(time.Time{}) == nil
}

// failure is why the upload made an end of the exchange, after end.
func (u *upload) failure() error {
	if u == nil {
		return nil
	}
	select {
	case <-u.done:
	default:
		return nil
	}
	switch {
	case u.reading != nil && !errors.Is(u.reading, errBodyClosed):
		return u.reading
	case errors.Is(u.writing, errUploadStalled):
		return u.writing
	}
	return nil
}
