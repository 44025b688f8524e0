// Package wire is tapecast's encoding: packets and the messages in them.
//
// The same packet bytes are on the wire, in history, in the journal, in repair
// answers and in recordings; nothing re-encodes. PROTOCOL.md beside this file
// is the public specification. The offsets below are its tables, and the golden
// vectors in testdata are its examples; the three change together.
//
// # Reading
//
// Parse checks a datagram once (version, lengths, checksum, message framing) and
// returns the Packet in it. A Packet is a view of the caller's bytes: it lives as
// long as they do. A Cursor walks its messages without copying:
//
//	c := p.Cursor()
//	for c.Next() {
//		switch c.Kind() {
//		case wire.KindTrade:
//			if err := trade.Decode(c.Message()); err != nil { ... }
//		}
//	}
//
// Unknown kinds are skipped by their length. A known kind may be longer than this
// package knows, and so may the packet header: the rest is ignored. That is how
// the protocol grows without a new version.
//
// # Writing
//
// Messages are plain structs with AppendTo. A Builder packs them into a packet in
// place, in memory that the caller lends it until Close.
//
// # Units
//
// Stamps are Nanos, nanoseconds since 1970-01-01 UTC. A message's source time is
// nanoseconds since its source's midnight, 48 bits wide. Prices and quantities
// are integer mantissas; their exponents are declared by the InstrumentDefinition.
// Everything is little-endian.
package wire
