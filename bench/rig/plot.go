package rig

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// Plot is lines in a frame, drawn as SVG.
type Plot struct {
	Name  string // of the file
	Title string
	X, Y  Axis
	Lines []Curve
}

// Axis is one of a Plot's.
type Axis struct {
	Label string
	Log   bool
	Text  func(v float64) string // of a tick; nil: Digits
	Ticks []float64              // nil: powers of ten, or fifths of the range
}

// Curve is one line of a Plot.
type Curve struct {
	Name   string
	Points [][2]float64
}

// Of a plot, in pixels.
const (
	plotWidth, plotHeight    = 860, 480
	plotLeft, plotRight      = 80, 230 // margins; the names stand on the right
	plotTop, plotBottom      = 50, 60
	plotInner, plotInnerDown = plotWidth - plotLeft - plotRight, plotHeight - plotTop - plotBottom
)

// colours are told apart by people who do not see all of them, too.
var colours = [...]string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"}

// SVG draws p.
func (p *Plot) SVG() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="%d" y="28" font-size="16">%s</text>`+"\n", plotLeft, html.EscapeString(p.Title))
	x, y := p.scale(0, p.X, plotInner), p.scale(1, p.Y, plotInnerDown)
	p.grid(&b, x, y)
	for i, c := range p.Lines {
		c.draw(&b, i, x, y)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// A scale turns values into pixels along one axis.
type scale struct {
	axis   Axis
	lo, hi float64
	pixels float64
}

// scale covers what the curves hold.
func (p *Plot) scale(dim int, a Axis, pixels float64) scale {
	s := scale{axis: a, lo: math.Inf(1), hi: math.Inf(-1), pixels: pixels}
	for _, c := range p.Lines {
		for _, pt := range c.Points {
			s.lo, s.hi = min(s.lo, pt[dim]), max(s.hi, pt[dim])
		}
	}
	switch {
	case s.lo > s.hi:
		s.lo, s.hi = 1, 10
	case a.Log:
		s.lo, s.hi = math.Pow(10, math.Floor(math.Log10(max(s.lo, 1e-9)))), math.Pow(10, math.Ceil(math.Log10(max(s.hi, 1e-9))))
	default:
		s.lo = min(s.lo, 0)
	}
	if s.hi == s.lo {
		s.hi = s.lo*10 + 1
	}
	return s
}

func (s scale) at(v float64) float64 {
	if s.axis.Log {
		return s.pixels * math.Log(max(v, s.lo)/s.lo) / math.Log(s.hi/s.lo)
	}
	return s.pixels * (v - s.lo) / (s.hi - s.lo)
}

func (s scale) ticks() (ticks []float64) {
	switch {
	case s.axis.Ticks != nil:
		for _, v := range s.axis.Ticks {
			if v >= s.lo && v <= s.hi {
				ticks = append(ticks, v)
			}
		}
	case s.axis.Log:
		for v := s.lo; v <= s.hi*1.001; v *= 10 {
			ticks = append(ticks, v)
		}
	default:
		for i := range 6 {
			ticks = append(ticks, s.lo+(s.hi-s.lo)*float64(i)/5)
		}
	}
	return ticks
}

func (s scale) text(v float64) string {
	if s.axis.Text != nil {
		return html.EscapeString(s.axis.Text(v))
	}
	return Digits(v)
}

// grid draws frame, ticks and labels.
func (p *Plot) grid(b *bytes.Buffer, x, y scale) {
	bottom := float64(plotTop + plotInnerDown)
	for _, v := range x.ticks() {
		at := plotLeft + x.at(v)
		fmt.Fprintf(b, `<path d="M%.1f %d V%.1f" stroke="#ddd"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", at, plotTop, bottom, at, bottom+18, x.text(v))
	}
	for _, v := range y.ticks() {
		at := bottom - y.at(v)
		fmt.Fprintf(b, `<path d="M%d %.1f h%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", plotLeft, at, plotInner, plotLeft-8, at+4, y.text(v))
	}
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#888"/>`+"\n", plotLeft, plotTop, plotInner, plotInnerDown)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", plotLeft+plotInner/2, plotHeight-14, html.EscapeString(p.X.Label))
	fmt.Fprintf(b, `<text transform="translate(20 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", plotTop+plotInnerDown/2, html.EscapeString(p.Y.Label))
}

func (c *Curve) draw(b *bytes.Buffer, i int, x, y scale) {
	colour, dash := colours[i%len(colours)], ""
	if i >= len(colours) {
		dash = ` stroke-dasharray="6 3"`
	}
	fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="2"%s points="`, colour, dash)
	for _, pt := range c.Points {
		fmt.Fprintf(b, "%.1f,%.1f ", plotLeft+x.at(pt[0]), float64(plotTop+plotInnerDown)-y.at(pt[1]))
	}
	b.WriteString(`"/>` + "\n")
	for _, pt := range c.Points {
		if len(c.Points) < 30 {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, plotLeft+x.at(pt[0]), float64(plotTop+plotInnerDown)-y.at(pt[1]), colour)
		}
	}
	at := plotTop + 14 + 20*i
	fmt.Fprintf(b, `<path d="M%d %d h20" stroke="%s" stroke-width="2"%s/><text x="%d" y="%d">%s</text>`+"\n",
		plotLeft+plotInner+12, at-4, colour, dash, plotLeft+plotInner+38, at, html.EscapeString(c.Name))
}

// PercentilePlot shows latency by percentile: for each candidate its median run.
func PercentilePlot(name, title string, rs Runs) Plot {
	p := Plot{Name: name, Title: title, Y: Axis{Label: "µs", Log: true}, X: Axis{
		Label: "share of messages at or below", Log: true, Ticks: []float64{1, 2, 10, 100, 1000, 1e4, 1e5},
		Text: func(v float64) string { return fmt.Sprintf("%.6g%%", 100*(1-1/v)) },
	}}
	for _, name := range rs.Names() {
		if r := rs.Of(name).middle(); r != nil {
			c := Curve{Name: name}
			for _, pt := range r.Latency.Spectrum {
				c.Points = append(c.Points, [2]float64{1 / max(1-pt[0], 1e-9), pt[1] / 1000})
			}
			p.Lines = append(p.Lines, c)
		}
	}
	return p
}

// middle is the good run of median p50, or nil.
func (rs Runs) middle() *Run {
	want := rs.Spread(rs[0].Name, P50)
	for i := range rs {
		if v, has := P50(&rs[i]); has && rs[i].Failed == "" && v == want.Median {
			return &rs[i]
		}
	}
	return nil
}
