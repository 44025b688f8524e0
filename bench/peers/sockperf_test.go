package peers

import (
	"bytes"
	"os"
	"testing"
)

func TestSockperfOutput(t *testing.T) {
	out, err := os.ReadFile("testdata/sockperf.txt")
	if err != nil {
		t.Fatal(err)
	}
	l, dropped, err := sockperfLatency(out)
	if err != nil || dropped != 0 {
		t.Fatal(dropped, err)
	}
	if l.Count != 993 || l.P50 != 8412 || l.P99 != 23005985 || l.P999 != 49877946 || l.Max != 117750055 {
		t.Errorf("%+v", l)
	}
	if n := len(l.Spectrum); n != 8 || l.Spectrum[0][0] != 0.25 || l.Spectrum[n-1][0] < 0.9999 {
		t.Errorf("spectrum %v", l.Spectrum)
	}
	if r := sockperfRate(out); r < 1880 || r > 1881 {
		t.Errorf("rate %v, want 993 in 0.528 s", r)
	}
	lossy := bytes.Replace(out, []byte("dropped messages = 0"), []byte("dropped messages = 12"), 1)
	if _, dropped, err := sockperfLatency(lossy); dropped != 12 || err != nil {
		t.Errorf("%d dropped, %v; want 12", dropped, err)
	}
	if _, _, err := sockperfLatency([]byte("sockperf: ERROR: bind")); err == nil {
		t.Error("an error was taken for latencies")
	}
}
