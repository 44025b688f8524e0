package retransmit

import (
	"sync"

	"github.com/klauspost/compress/zstd"
)

// zstdFrom is the least worth compressing, in bytes of packets.
const zstdFrom = 4 << 10

// zstdWindow is what a decoder must keep, in bytes.
const zstdWindow = 128 << 10

// compressor is the one encoder of a server. Who finds it taken sends without
// compressing: compression takes at most one core, and nobody waits for it.
type compressor struct {
	mu      sync.Mutex
	encoder *zstd.Encoder
	out     []byte
}

func (z *compressor) init() (err error) {
	z.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(zstdWindow))
	return err
}

// shrink compresses the packets b in place, behind the length that they had. It
// returns the length in all, or 0 when b stays as it is.
func (z *compressor) shrink(b []byte) int {
	if !z.mu.TryLock() {
		return 0
	}
	defer z.mu.Unlock()
	if z.out == nil {
		z.out = make([]byte, 0, MaxFrame+1024) // and what incompressible blocks cost
	}
	out := z.encoder.EncodeAll(b, z.out)
	if 4+len(out) >= len(b) {
		return 0
	}
	le.PutUint32(b, uint32(len(b)))
	return 4 + copy(b[4:], out)
}
