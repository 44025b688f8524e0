package wire

import "math/bits"

// Odd constants with about half their bits set, from the digits of pi.
const (
	mixA = 0x243f6a8885a308d3
	mixB = 0x13198a2e03707345
	mixC = 0xa4093822299f31d1
	mixD = 0x082efa98ec4e6c89
)

// fold multiplies to 128 bits and folds the halves together.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// ChainAfter returns the chain after p: a 64-bit hash of the whole packet mixed
// into the chain before it, which is a field of p. Two receivers with equal
// chains delivered equal packets, but for one chance in 2^64. It detects
// accidents, not forgery.
//
// Four independent lanes of 16 bytes a step keep the multiplier busy: a packet of
// 1,400 bytes costs about as much as its CRC32C.
func ChainAfter(p Packet) uint64 {
	b := []byte(p)
	h0 := p.Chain() ^ uint64(len(b))*mixA
	h1, h2, h3 := h0^mixB, h0^mixC, h0^mixD
	for len(b) >= 64 {
		h0 = fold(h0^le.Uint64(b), mixA^le.Uint64(b[8:]))
		h1 = fold(h1^le.Uint64(b[16:]), mixB^le.Uint64(b[24:]))
		h2 = fold(h2^le.Uint64(b[32:]), mixC^le.Uint64(b[40:]))
		h3 = fold(h3^le.Uint64(b[48:]), mixD^le.Uint64(b[56:]))
		b = b[64:]
	}
	h := fold(h0^bits.RotateLeft64(h1, 17), mixA) ^ fold(h2^bits.RotateLeft64(h3, 31), mixB)
	for len(b) >= 8 {
		h = fold(h^le.Uint64(b), mixC)
		b = b[8:]
	}
	var tail uint64
	for i, c := range b {
		tail |= uint64(c) << (8 * i)
	}
	return fold(h^tail, mixD)
}
