package itch

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/tapecast/tapecast/feed/wire"
)

const (
	lengthLen = 2        // of the length before each message, in bytes
	readSize  = 64 << 10 // bytes read at once
)

// Reader reads ITCH messages from a file and gives tapecast messages. It
// implements feed.Reader and belongs to one goroutine.
type Reader struct {
	file   string
	name   string
	closer func() error

	in     *bufio.Reader // of decompressed bytes
	offset int64         // of the next ITCH message in them
	count  uint64        // ITCH messages consumed
	err    error         // why there is no next message, once so

	decoder Decoder
	out     []byte // what Next lends
}

// Open opens a file of length-prefixed ITCH messages, plain or compressed with
// gzip or zstd. Its errors name the file.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("itch: %w", err)
	}
	r := NewReader(f, path)
	if r.err != nil {
		return nil, errors.Join(r.err, f.Close())
	}
	decompressor := r.closer
	r.closer = func() error { return errors.Join(decompressor(), f.Close()) }
	return r, nil
}

// NewReader reads from in what Open reads from a file called name. It looks at the
// first bytes before it returns; when that fails, Next says so. Close leaves in open.
func NewReader(in io.Reader, name string) *Reader {
	r := &Reader{file: name, name: "itch:" + baseName(name)}
	plain, closer, err := decompress(in)
	r.in, r.closer = bufio.NewReaderSize(plain, readSize), closer
	if plain != io.Reader(r.in) {
		r.file += " (decompressed)" // so that offsets are not looked for in the file itself
	}
	if err != nil {
		r.err = r.at(err)
	}
	return r
}

// baseName is the file's name without folder and compression, so that a
// compressed copy is the same input.
func baseName(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(strings.TrimSuffix(base, ".gz"), ".zst")
}

// Name is "itch:" and the file's name, without folder, .gz and .zst.
func (r *Reader) Name() string { return r.name }

// Next returns the next tapecast message, lent until the next call; io.EOF behind
// the last one, or an *Error. Errors stay.
func (r *Reader) Next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	m, err := r.peek()
	if err != nil {
		r.err = err
		return nil, err
	}
	out, done := r.decoder.Append(r.out[:0], m)
	if r.out = out; done {
		r.skip(lengthLen + len(m))
		r.count++
	}
	return out, nil
}

// Close closes the file, if Open opened it. Next then returns os.ErrClosed.
func (r *Reader) Close() error {
	if errors.Is(r.err, os.ErrClosed) {
		return nil
	}
	r.err = fmt.Errorf("itch: %s: %w", r.file, os.ErrClosed)
	return r.closer()
}

// peek returns the next ITCH message without consuming it, so that it is still
// there after its definition.
func (r *Reader) peek() ([]byte, error) {
	b, err := r.in.Peek(lengthLen)
	if err == io.EOF && len(b) == 0 {
		return nil, io.EOF
	}
	if err != nil {
		return nil, r.at(err)
	}
	n := int(b[0])<<8 | int(b[1])
	if n == 0 {
		return nil, r.endOfSession()
	}
	if n > wire.MaxOpaque {
		return nil, r.at(fmt.Errorf("length %d: %w", n, ErrTooLong))
	}
	if b, err = r.in.Peek(lengthLen + n); err != nil {
		return nil, r.at(err)
	}
	return b[lengthLen:], nil
}

// endOfSession follows a length of 0: io.EOF when it is the last thing in the file.
func (r *Reader) endOfSession() error {
	b, err := r.in.Peek(lengthLen + 1)
	if len(b) > lengthLen {
		return r.at(ErrZeroLength)
	}
	if err != io.EOF {
		return r.at(err)
	}
	return io.EOF
}

// skip consumes n bytes that were peeked at.
func (r *Reader) skip(n int) {
	r.offset += int64(n)
	_, _ = r.in.Discard(n) // cannot fail: they are in the buffer
}

// at says where err happened.
func (r *Reader) at(err error) error {
	switch {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		err = ErrTruncated
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		err = fmt.Errorf("%w: decompress the file first, with zstd -d --long=31", err)
	}
	return &Error{File: r.file, Offset: r.offset, Message: r.count + 1, Err: err}
}
