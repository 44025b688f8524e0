package itch

import (
	"bufio"
	"bytes"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that a zstd file can ask for, in bytes. It is what
// the zstd program takes by default.
const maxWindow = 128 << 20

// A length-prefixed ITCH file cannot begin like this: no message is so long.
const (
	gzipMagic      = "\x1f\x8b"
	zstdMagic      = "\x28\xb5\x2f\xfd"
	skippableMagic = "\x2a\x4d\x18" // of a zstd frame without data, behind a byte 0x50 to 0x5f
)

// decompress returns in decompressed, by what its first bytes say, and what
// releases the decompressor. The reader is good for sniffing errors too.
func decompress(in io.Reader) (plain io.Reader, closer func() error, err error) {
	b := bufio.NewReaderSize(in, readSize)
	none := func() error { return nil }
	magic, err := b.Peek(4)
	if err != nil && err != io.EOF {
		return b, none, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte(gzipMagic)):
		z, err := gzip.NewReader(b)
		if err != nil {
			return b, none, err
		}
		return z, z.Close, nil
	case isZstd(magic):
		// One thread: no goroutines of its own.
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxWindow))
		if err != nil {
			return b, none, err
		}
		return z, func() error { z.Close(); return nil }, nil
	}
	return b, none, nil
}

func isZstd(magic []byte) bool {
	return string(magic) == zstdMagic ||
		len(magic) == 4 && magic[0]&0xf0 == 0x50 && string(magic[1:]) == skippableMagic
}
