package recovery

import (
	"bytes"
	"testing"
)

// A packet that was delivered is known on the other line by its header; whatever is
// changed in the header makes it another one, which must stand for itself.
func TestRepeats(t *testing.T) {
	packets := session(3)
	h := &counter{}
	s, err := NewSubscriber(Config{Seed: 1}, h)
	if err != nil {
		t.Fatal(err)
	}
	s.Datagram(0, packets[0], 0, 1)
	s.Datagram(1, packets[0], 0, 2)
	s.Datagram(1, packets[0], 0, 3)
	if st := s.stats; h.messages != 40 || st.Redundant != 2 || st.Lines[1].Packets != 2 || st.Lines[1].Duplicates != 1 || st.Bad != 0 {
		t.Errorf("%d messages, %+v", h.messages, st)
	}
	for i := range 64 {
		b := bytes.Clone(packets[0])
		b[i] ^= 1
		if s.stream.repeated(1, b, 4) {
			t.Errorf("byte %d of the header is changed, and the packet known", i)
		}
		before := s.stats.Bad
		if s.Datagram(1, b, 0, 4); s.stats.Bad != before+1 {
			t.Errorf("byte %d of the header is changed, and the packet not bad", i)
		}
	}
	payload := bytes.Clone(packets[0])
	payload[100] ^= 1
	for name, b := range map[string][]byte{"cut short": packets[0][:100], "only held": packets[2], "new": packets[1]} {
		if s.Datagram(0, packets[2], 0, 5); s.stream.repeated(1, b, 6) {
			t.Errorf("%s: taken for delivered", name)
		}
	}
	if s.Datagram(1, payload, 0, 7); h.messages != 40 {
		t.Errorf("a damaged payload was delivered")
	}
	s.Datagram(1, packets[1], 0, 8)
	if h.messages != 120 || s.stream.Position().Chain == 0 {
		t.Errorf("%d messages after all three packets", h.messages)
	}
}

// What was delivered in an epoch that has ended is not what goes on in the next.
func TestRepeatsOfAnOldEpoch(t *testing.T) {
	packets := session(1)
	s, err := NewSubscriber(Config{Seed: 1}, &counter{})
	if err != nil {
		t.Fatal(err)
	}
	s.Datagram(0, packets[0], 0, 1)
	s.stream.epoch++
	if s.stream.repeated(1, packets[0], 2) {
		t.Error("known in another epoch")
	}
}
