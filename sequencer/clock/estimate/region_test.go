package estimate

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// plane is theta*t + phi*p <= most, in ns and ns/s.
type plane struct{ t, p, most float64 }

// clip cuts a convex polygon, given by its corners, by a half plane.
func clip(corners [][2]float64, h plane) [][2]float64 {
	var out [][2]float64
	over := func(c [2]float64) float64 { return h.t*c[0] + h.p*c[1] - h.most }
	for i, c := range corners {
		prev := corners[(i+len(corners)-1)%len(corners)]
		a, b := over(prev), over(c)
		if a > 0 != (b > 0) {
			f := a / (a - b)
			out = append(out, [2]float64{prev[0] + f*(c[0]-prev[0]), prev[1] + f*(c[1]-prev[1])})
		}
		if b <= 0 {
			out = append(out, c)
		}
	}
	return out
}

// byClipping is Region's hull by another way: every set of need servers, every fact
// a cut through a box.
func byClipping(s *Servers, counter int64, need int) (e Extent, ok bool) {
	e = Extent{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
	limit := s.cfg.Drift * 1e9
	for set := range 1 << len(s.all) {
		if ones(uint(set)) != need {
			continue
		}
		poly := [][2]float64{{-1e12, -limit}, {1e12, -limit}, {1e12, limit}, {-1e12, limit}}
		for i := range s.all {
			for k := range s.all[i].upper {
				if set&(1<<i) == 0 {
					continue
				}
				u, l := s.all[i].upper[k], s.all[i].lower[k]
				ua, la := float64(counter-u.counter)/1e9, float64(counter-l.counter)/1e9
				poly = clip(poly, plane{1, -ua, float64(u.theta) + s.cfg.drift(ua)})
				poly = clip(poly, plane{-1, la, -float64(l.theta) + s.cfg.drift(la)})
			}
		}
		for _, c := range poly {
			e.hull(Extent{c[0], c[0], c[1], c[1]})
			ok = true
		}
	}
	return e, ok
}

// TestRegionAgainstClipping compares with the other way on random exchanges.
func TestRegionAgainstClipping(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 9))
		n := 1 + rng.IntN(6)
		cfg := Default(n, (n-1)/2)
		cfg.MinSamples = 2
		s, err := NewServers(cfg)
		if err != nil {
			t.Fatal(err)
		}
		counter := int64(0)
		for k := range 2 + rng.IntN(20) {
			for i := range n {
				counter += 1e8 + rng.Int64N(4e9)
				x := randomExchange(rng, i, counter)
				if i < cfg.Faulty {
					x.T2, x.T3 = x.T2+int64(i+1)*2e5, x.T3+int64(i+1)*2e5
				}
				if _, err := s.Add(x); err != nil {
					t.Fatalf("seed %d, exchange %d: %v", seed, k, err)
				}
			}
		}
		compare(t, seed, s, counter+5e9)
	}
}

func randomExchange(rng *rand.Rand, server int, counter int64) Exchange {
	there, back := 2e4+int64(rng.ExpFloat64()*3e5), 2e4+int64(rng.ExpFloat64()*3e5)
	t2 := counter + there + 1e9 + counter/50_000 // 1 s ahead and 20 ppm fast
	return Exchange{Server: server, Sent: counter, Received: counter + there + back, T2: t2, T3: t2, Error: rng.Int64N(3e4)}
}

func compare(t *testing.T, seed uint64, s *Servers, counter int64) {
	t.Helper()
	r, ok := s.Region(counter)
	if r.Voters == 0 {
		return
	}
	want, wantOK := byClipping(s, counter, r.Need)
	if ok != wantOK {
		t.Fatalf("seed %d: region %v, by clipping %v", seed, ok, wantOK)
	}
	if !ok {
		return
	}
	near := func(got, want, by float64, what string) {
		if math.Abs(got-want) > by {
			t.Errorf("seed %d: %s is %.6f, by clipping %.6f", seed, what, got, want)
		}
	}
	near(float64(r.Low), want.Low, 5, "low")
	near(float64(r.High), want.High, 5, "high")
	near(r.PhiLow*1e9, want.PhiLow, 1, "phi's low")
	near(r.PhiHigh*1e9, want.PhiHigh, 1, "phi's high")
}

// TestAddRefuses: what cannot be an honest exchange is not kept.
func TestAddRefuses(t *testing.T) {
	s, err := NewServers(Default(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	good := Exchange{Sent: 1e9, Received: 1e9 + 1e6, T2: 5e9, T3: 5e9 + 1e4, Error: 1e4}
	for _, c := range []struct {
		name string
		x    func(x *Exchange)
		want error
	}{
		{"as it should be", func(x *Exchange) {}, nil},
		{"doubled", func(x *Exchange) {}, ErrOrder},
		{"of the past", func(x *Exchange) { x.Sent, x.Received = 5e8, 5e8 }, ErrOrder},
		{"answered before asked", func(x *Exchange) { x.Received = x.Sent - 1 }, ErrOrder},
		{"no such server", func(x *Exchange) { x.Server = 1 }, ErrServer},
		{"negative server", func(x *Exchange) { x.Server = -1 }, ErrServer},
		{"left before it came", func(x *Exchange) { x.T3 = x.T2 - 1; x.Sent++ }, ErrCausality},
		{"longer at the server than away", func(x *Exchange) { x.T3 = x.T2 + 2e6; x.Sent++ }, ErrCausality},
		{"negative error", func(x *Exchange) { x.Error = -1; x.Sent++ }, ErrCausality},
	} {
		x := good
		c.x(&x)
		if x.Sent == good.Sent+1 {
			x.Received++
		}
		if _, err := s.Add(x); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if s.Samples(0) != 1 {
		t.Errorf("%d exchanges kept, want 1", s.Samples(0))
	}
}

// FuzzAdd: no exchange makes the estimator panic, or claim an empty interval.
func FuzzAdd(f *testing.F) {
	f.Add(int64(0), int64(1e6), int64(5e9), int64(5e9), int64(1e4), uint8(0))
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MinInt64), int64(0), int64(0), uint8(2))
	f.Fuzz(func(t *testing.T, sent, received, t2, t3, e int64, server uint8) {
		s, err := NewServers(Default(3, 1))
		if err != nil {
			t.Fatal(err)
		}
		for i := range int64(5) {
			for k := range 3 {
				s.Add(Exchange{Server: k, Sent: i * 1e9, Received: i*1e9 + 1e6, T2: i*1e9 + 5e5, T3: i*1e9 + 5e5, Error: 1e4})
			}
		}
		s.Add(Exchange{Server: int(server), Sent: sent, Received: received, T2: t2, T3: t3, Error: e})
		if r, ok := s.Region(5e9); ok && r.Low > r.High {
			t.Errorf("from %d to %d", r.Low, r.High)
		}
	})
}

// TestConfigRefuses: declarations that cannot be kept.
func TestConfigRefuses(t *testing.T) {
	for i, spoil := range []func(*Config){
		func(c *Config) { c.Servers = 0 }, func(c *Config) { c.Servers = 10 },
		func(c *Config) { c.Faulty = 3 }, func(c *Config) { c.Faulty = -1 },
		func(c *Config) { c.Drift = 0 }, func(c *Config) { c.Wander = 0 }, func(c *Config) { c.WanderCap = 1 },
		func(c *Config) { c.MinSamples = 0 }, func(c *Config) { c.Samples = 1000 }, func(c *Config) { c.MaxAge = 0 },
	} {
		c := Default(5, 2)
		spoil(&c)
		if _, err := NewServers(c); !errors.Is(err, ErrConfig) {
			t.Errorf("case %d: %v", i, err)
		}
	}
}
