package recovery
import ("testing";"bytes";"math/rand/v2";"os";"fmt";"strconv")
type nl struct{ b *bytes.Buffer; x *world }
func (n nl) Write(p []byte) (int, error) { fmt.Fprintf(n.b, "%d %s\n", n.x.now, p); return len(p), nil }
func TestZZ(t *testing.T) {
	seed, _ := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	var b bytes.Buffer
	w := randomWeather(rand.New(rand.NewPCG(seed, 3))); w.servers, w.tcp, w.restarts = 0, false, min(w.restarts,1); x := newWorld(seed, w, &b)
	x.rec.trace = nl{&b, x}
	fmt.Println(x.run(), x.verify())
	os.WriteFile("/tmp/trace.txt", b.Bytes(), 0o644)
	fmt.Printf("%+v\n", *x.sub.Stats()); fmt.Println(x.market.cuts, x.sub.Position(), x.market.chain, x.rec.chain, x.market.next)
}
