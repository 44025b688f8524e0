package audit

import (
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
)

// Page writes the report as one HTML page with its plots inside, to be filed or
// printed: it loads nothing.
func (r *Report) Page(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"utc":   utcText,
		"us":    func(ns int64) string { return fmt.Sprintf("%.1f", float64(ns)/1e3) },
		"files": func(n int) string { return counted(n, "file") },
		"span":  func(ns int64) time.Duration { return time.Duration(ns) },
		"pct":   func(share float64) string { return fmt.Sprintf("%.3f", 100*share) },
	}).Parse(page)
	if err != nil {
		return err
	}
	return t.Execute(w, map[string]any{
		"R": r, "Bound": r.plotBound(), "Offset": r.plotOffset(), "Made": int64(r.Terms.Made),
	})
}

// Size of a plot, and the room for its axis.
const (
	plotWidth, plotHeight = 960.0, 220.0
	plotLeft              = 70.0
)

// plotBound is the bound over time on a logarithmic axis, with the limit. Seconds
// without a promise are grey.
func (r *Report) plotBound() template.HTML {
	low, high := math.Inf(1), float64(r.Terms.Limit)
	for _, p := range r.Plot {
		if p.Bound > 0 {
			low, high = min(low, float64(p.Bound)), max(high, float64(p.Bound))
		}
	}
	low, high = math.Log10(min(low, high/10)), math.Log10(high*1.3)
	y := func(ns float64) float64 { return plotHeight * (high - math.Log10(max(ns, 1))) / (high - low) }
	var b strings.Builder
	for decade := math.Ceil(low); decade <= high; decade++ {
		axis(&b, y(math.Pow(10, decade)), nsText(math.Pow(10, decade)))
	}
	r.bars(&b)
	r.hours(&b)
	var path strings.Builder
	pen := "M"
	for _, p := range r.Plot {
		if p.Bound < 0 {
			pen = "M"
			continue
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", pen, r.x(p.UTC), y(float64(p.Bound)))
		pen = "L"
	}
	fmt.Fprintf(&b, `<path class="bound" d="%s"/>`, path.String())
	at := y(float64(r.Terms.Limit))
	fmt.Fprintf(&b, `<line class="limit" x1="%v" x2="%v" y1="%.1f" y2="%.1f"/>`, plotLeft, plotLeft+plotWidth, at, at)
	return frame(b.String())
}

// plotOffset is the time told less the middle of the interval.
func (r *Report) plotOffset() template.HTML {
	most := 1.0
	for _, p := range r.Plot {
		most = max(most, math.Abs(float64(p.Offset)))
	}
	y := func(ns float64) float64 { return plotHeight * (1 - ns/most/1.1) / 2 }
	var b strings.Builder
	for _, part := range [...]float64{-1, 0, 1} {
		axis(&b, y(part*most), nsText(part*most))
	}
	r.bars(&b)
	r.hours(&b)
	for _, p := range r.Plot {
		if p.Bound >= 0 {
			fmt.Fprintf(&b, `<circle class="offset" cx="%.1f" cy="%.1f" r="1.2"/>`, r.x(p.UTC), y(float64(p.Offset)))
		}
	}
	return frame(b.String())
}

// bars shade what is not promised, also where there is no record at all.
func (r *Report) bars(b *strings.Builder) {
	grey := func(from, to int64) {
		if to > from {
			fmt.Fprintf(b, `<rect class="none" x="%.1f" width="%.1f" y="0" height="%v"/>`, r.x(from), r.x(to)-r.x(from), plotHeight)
		}
	}
	at := int64(r.Terms.From)
	for i, p := range r.Plot {
		if p.UTC-at > 1e9 {
			grey(at, p.UTC) // no record
		}
		at = p.UTC + max(r.widthOfDot, longestRow)
		if i+1 < len(r.Plot) {
			at = min(at, r.Plot[i+1].UTC)
		}
		at = min(at, int64(r.Terms.To))
		if p.Bound < 0 {
			grey(p.UTC, at)
		}
	}
	if int64(r.Terms.To)-at > 1e9 {
		grey(at, int64(r.Terms.To))
	}
}

// hours labels the time below a plot.
func (r *Report) hours(b *strings.Builder) {
	const parts = 4
	span := int64(r.Terms.To - r.Terms.From)
	layout := "15:04:05"
	if span > 24*3600e9 {
		layout = "2006-01-02 15:04"
	}
	for i := range int64(parts + 1) {
		at := int64(r.Terms.From) + span/parts*i
		anchor := [...]string{"start", "middle", "middle", "middle", "end"}[i]
		fmt.Fprintf(b, `<line class="axis" x1="%.1f" x2="%.1f" y1="0" y2="%v"/><text style="text-anchor:%s" x="%.1f" y="%v">%s</text>`,
			r.x(at), r.x(at), plotHeight, anchor, r.x(at), plotHeight+14, wire.Nanos(at).Time().Format(layout))
	}
}

func (r *Report) x(utc int64) float64 {
	span := float64(max(r.Terms.To-r.Terms.From, 1))
	return plotLeft + plotWidth*float64(utc-int64(r.Terms.From))/span
}

func axis(b *strings.Builder, y float64, label string) {
	fmt.Fprintf(b, `<line class="axis" x1="%v" x2="%v" y1="%.1f" y2="%.1f"/><text x="%v" y="%.1f">%s</text>`,
		plotLeft, plotLeft+plotWidth, y, y, plotLeft-6, y+4, label)
}

func nsText(ns float64) string {
	switch a := math.Abs(ns); {
	case a >= 1e9:
		return fmt.Sprintf("%.3g s", ns/1e9)
	case a >= 1e6:
		return fmt.Sprintf("%.3g ms", ns/1e6)
	case a >= 1e3:
		return fmt.Sprintf("%.3g µs", ns/1e3)
	}
	return fmt.Sprintf("%.3g ns", ns)
}

// frame puts a plot's parts, all of which are numbers and labels of ours, on a page.
func frame(parts string) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg viewBox="0 -8 %v %v" role="img">%s</svg>`, plotLeft+plotWidth+10, plotHeight+30, parts))
}

const page = `<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Clock report</title>
<style>
body{font:14px/1.45 system-ui,sans-serif;max-width:1080px;margin:2em auto;padding:0 1em;color:#1a1a1a}
h1{font-size:22px}h2{font-size:16px;margin-top:2em}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td,th{padding:3px 8px;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}
.words td,.words th{text-align:left}.below td{background:#fdecea}.ok{color:#186a3b}.no{color:#b03a2e}pre{background:#f6f6f6;padding:8px;overflow:auto;white-space:pre-wrap}
svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;text-anchor:end;fill:#555}
.axis{stroke:#e3e3e3}.bound{fill:none;stroke:#1f4e8c;stroke-width:1.2}.limit{stroke:#b03a2e;stroke-dasharray:6 4}
.none{fill:#d9d9d9}.offset{fill:#1f4e8c}
@media print{body{margin:0;max-width:none}}
</style>
<h1>Clock report: <span class="{{if .R.Compliant}}ok{{else}}no{{end}}">{{if .R.Compliant}}compliant{{else}}not compliant{{end}}</span></h1>
<p>Error of a stamp at most {{.R.Terms.Limit}} in at least {{pct .R.Terms.Coverage}} % of every {{.R.Terms.Window}},
from {{utc .R.Total.From}} to {{utc .R.Total.To}} UTC. Time without a record counts as not covered.
The trail's {{.R.Trail.Records}} records in {{files .R.Trail.Files}} are whole: every hash was checked, up to {{.R.Trail.Head}}{{if not .R.Trail.Ended}}; the trail has not been closed yet{{end}}.{{if .R.Trail.Lost}} By its own word {{.R.Trail.Lost}} records or bytes were lost.{{end}}{{if .R.Unplaced}}
After the last promise the host's clock told a time that cannot be: {{span .R.Unplaced}} of records are counted where that promise ends.{{end}}{{if .R.Terms.Made}}
Made {{utc .Made}} UTC, by the clock of the host that made it.{{end}}</p>
<h2>Largest error, by the clock's own bound</h2>{{.Bound}}
<p>Dashed: the limit. Grey: no promise.</p>
<h2>Time told, less the middle of its interval</h2>{{.Offset}}
<h2>Windows</h2>
<table><tr><th>from (UTC)</th><th>coverage %</th><th>bound p50 µs</th><th>p99 µs</th><th>max µs</th><th>offset max µs</th><th>stamps</th><th>stamps over</th></tr>
{{range .R.Windows}}<tr{{if not .Compliant}} class="below"{{end}}><td>{{utc .From}}</td><td>{{pct .Covered}}</td><td>{{us .P50}}</td><td>{{us .P99}}</td><td>{{us .Max}}</td><td>{{us .MaxOffset}}</td><td>{{.Stamps}}</td><td>{{.Over}}</td></tr>
{{end}}<tr><th>all</th><th>{{pct .R.Total.Covered}}</th><th>{{us .R.Total.P50}}</th><th>{{us .R.Total.P99}}</th><th>{{us .R.Total.Max}}</th><th>{{us .R.Total.MaxOffset}}</th><th>{{.R.Total.Stamps}}</th><th>{{.R.Total.Over}}</th></tr></table>
<h2>Events</h2>
<table class="words"><tr><th>UTC</th><th>kind</th><th>what</th></tr>{{range .R.Events}}<tr><td>{{utc .UTC}}</td><td>{{.Kind}}</td><td>{{.Text}}{{if .Count}} ({{.Count}}){{end}}</td></tr>
{{else}}<tr><td>none</td><td></td><td></td></tr>{{end}}</table>{{if .R.Unlisted}}<p>and {{.R.Unlisted}} more</p>{{end}}
<h2>Exchanges with servers</h2>
<table><tr><th>outcome</th><th>number</th></tr>{{range $k, $n := .R.Samples}}<tr><td>{{$k}}</td><td>{{$n}}</td></tr>{{end}}</table>
<h2>Design and assumptions</h2>
{{range .R.Headers}}<p>{{.Program}} on {{.Host}}. Stamps are applied {{.StampPoint}}. Configuration SHA-256 {{.ConfigHash}}.
Of {{.Assumption.Servers}} servers at most {{.Assumption.Faulty}} lie; the counter is at most {{.Assumption.Drift}} off, changes by at most {{.Assumption.Wander}} a second and {{.Assumption.WanderCap}} in all; a server's reference is within {{.Assumption.Reference}} ns of UTC.</p>
<pre>{{.Config}}</pre>{{end}}
</html>
`
