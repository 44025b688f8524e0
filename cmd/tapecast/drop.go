package main

import "math/rand/v2"

// dropper returns what decides, at random but repeatably, which datagrams of a
// loss drill never arrived; nil drops none.
func dropper(share float64, seed uint64) func(line int, datagram []byte) bool {
	if share == 0 {
		return nil
	}
	r := rand.New(rand.NewPCG(seed, 0))
	return func(int, []byte) bool { return r.Float64() < share }
}
