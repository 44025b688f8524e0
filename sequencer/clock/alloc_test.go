package clock

import "testing"

func TestAllocs(t *testing.T) {
	c, l := steady(), NewLocal()
	var clocks [2]Clock = [2]Clock{c, l}
	for _, op := range []struct {
		name string
		run  func()
	}{
		{"Disciplined.Read", func() { c.Read() }},
		{"Disciplined.Now", func() { c.Now() }},
		{"Disciplined.State", func() { c.State() }},
		{"Local.Read", func() { l.Read() }},
		{"through the interface", func() { clocks[0].Read(); clocks[1].Read() }},
	} {
		if n := testing.AllocsPerRun(1000, op.run); n != 0 {
			t.Errorf("%s allocates %v times", op.name, n)
		}
	}
}
