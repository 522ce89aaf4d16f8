package elastic

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/loghaul/loghaul/archive"
)

// document is one of a body.
type document struct {
	from, to int // where it lies in the buffer, with its action
	row      int
	unmapped bool // a field was taken out of it
}

// buffer is bytes that requests are made of. It is used again and again, but
// not while the HTTP client may still read it, which it may do after a request
// has failed.
type buffer struct {
	buf   []byte
	users *atomic.Int32 // requests that may still read buf
}

func (b *buffer) reset() {
	if b.users == nil || b.users.Load() > 0 {
		b.buf, b.users = nil, new(atomic.Int32)
	}
	b.buf = b.buf[:0]
}

// Write appends. It never fails.
func (b *buffer) Write(p []byte) (int, error) {
	b.buf = append(b.buf, p...)
	return len(p), nil
}

// reader gives data, which lies in b, as the body of a request.
func (b *buffer) reader(data []byte) io.ReadCloser {
	b.users.Add(1)
	r := &usedReader{users: b.users}
	r.data.Reset(data)
	return r
}

// usedReader is the body of a request. It says when the HTTP client reads no more:
// when it has closed the reader and a read that was going on has ended. A client
// whose request was given up does both in goroutines of its own, in any order.
type usedReader struct {
	users *atomic.Int32

	mu              sync.Mutex
	data            bytes.Reader
	reading, closed bool
}

func (r *usedReader) Read(p []byte) (n int, err error) {
	if !r.begin() {
		return 0, http.ErrBodyReadAfterClose
	}
	defer r.end()
	return r.data.Read(p)
}

// WriteTo writes what was not read yet in one call.
func (r *usedReader) WriteTo(w io.Writer) (n int64, err error) {
	if !r.begin() {
		return 0, http.ErrBodyReadAfterClose
	}
	defer r.end()
	return r.data.WriteTo(w)
}

// begin reports whether the reader may be read from; end has to follow.
func (r *usedReader) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reading = !r.closed
	return r.reading
}

func (r *usedReader) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reading = false; r.closed {
		r.users.Add(-1)
	}
}

// Close never waits.
func (r *usedReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed && !r.reading {
		r.users.Add(-1)
	}
	r.closed = true
	return nil
}

// body collects the documents of one object that are sent together.
type body struct {
	buffer
	docs []document
}

func (b *body) reset() {
	b.buffer.reset()
	b.docs = b.docs[:0]
}

// actionStart stands before the id of each document.
const actionStart = `{"create":{"_id":"`

// add appends the document of a row. It reports false, and appends nothing, if
// the rules leave the row out. The document's id comes from the line's identity,
// so that offering a line twice makes one document.
func (b *body) add(d *Documents, row *archive.Row, key string) bool {
	from := len(b.buf)
	b.buf = append(b.buf, actionStart...)
	b.buf = append(b.buf, row.Source.ID...) // hexadecimal digits
	b.buf = append(b.buf, '-')
	b.buf = strconv.AppendInt(b.buf, row.Offset, 36)
	b.buf = append(b.buf, "\"}}\n"...)
	doc, ok := d.Append(b.buf, row, key)
	if !ok {
		b.buf = b.buf[:from]
		return false
	}
	b.buf = append(doc, '\n')
	b.docs = append(b.docs, document{from: from, to: len(b.buf), row: row.Index})
	return true
}

// all appends the indices of all documents to docs.
func (b *body) all(docs []int) []int {
	for i := range b.docs {
		docs = append(docs, i)
	}
	return docs
}

// fit gives how many of docs, one at least, make a body of about limit bytes, and
// how many bytes those have: up to an eighth more if that is all of them.
func (b *body) fit(docs []int, limit int) (n, size int) {
	fits, fitting := 0, 0
	for n < len(docs) && (n == 0 || size <= limit+limit/8) {
		size += b.docs[docs[n]].to - b.docs[docs[n]].from
		n++
		if n == 1 || size <= limit {
			fits, fitting = n, size
		}
	}
	if n == len(docs) && size <= limit+limit/8 {
		return n, size
	}
	return fits, fitting
}

// stretch gives docs as they lie in the buffer, if they lie one behind the other.
func (b *body) stretch(docs []int) (data []byte, ok bool) {
	from := b.docs[docs[0]].from
	at := from
	for _, i := range docs {
		if b.docs[i].from != at {
			return nil, false
		}
		at = b.docs[i].to
	}
	return b.buf[from:at], true
}

// copy appends docs to dst.
func (b *body) copy(dst *buffer, docs []int) {
	for _, i := range docs {
		dst.buf = append(dst.buf, b.buf[b.docs[i].from:b.docs[i].to]...)
	}
}
