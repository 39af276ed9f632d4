// Command timeline draws what a revoke does, with and without share-proxy, from the figures of an e2e run.
package main

import (
	_ "embed" // the drawing
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"text/template"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/e2e/report"
)

// Measured on plain JupyterHub 5.5.1 with configurable-http-proxy 5.3.0 and jupyter_server 2.21.1 in November 2026, by the same clients as
// e2e: after every kind of revoke requests were served for 296 to 299 s, no socket was closed in the 345 s that were watched, and a
// new grant was refused for up to 300 s, for user servers keep the Hub's answer so long (HubAuth.cache_max_age).
const (
	plainServed  = 297_000.0 // ms
	plainWatched = 345_000.0
	plainRegrant = 300_000.0
)

//go:embed revoke.svg.tmpl
var drawing string

func main() {
	in := flag.String("in", "", "figures of `make e2e`")
	out := flag.String("out", "", "file to write")
	flag.Parse()
	if err := run(*in, *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	text, err := os.ReadFile(in)
	if err != nil {
		return fmt.Errorf("no figures, run `make e2e` first: %w", err)
	}
	var figures report.Report
	if err := json.Unmarshal(text, &figures); err != nil {
		return err
	}
	picture, err := draw(&figures)
	if err != nil {
		return err
	}
	return os.WriteFile(out, []byte(picture), 0o644)
}

// The time axis is logarithmic, from 1 ms to 500 s, for what is compared is five orders of magnitude apart.
const (
	left, width = 250.0, 560.0
	from, to    = 1.0, 500_000.0
)

// x returns where a time in milliseconds lies.
func x(ms float64) float64 {
	return left + width*math.Log10(max(ms, from)/from)/math.Log10(to/from)
}

type bar struct {
	Name, Class, Text string
	Y, Width, TextX   float64
	Inside, Open      bool // text inside the bar; the bar goes on beyond the axis
}

type mark struct {
	Name string
	X    float64
}

func draw(r *report.Report) (string, error) {
	closed, err := row(r, "PATCH share: answer to socket closed")
	if err != nil {
		return "", err
	}
	served, err := row(r, "PATCH share: requests served after the answer")
	if err != nil {
		return "", err
	}
	regrant, err := row(r, "PATCH share: re-grant to first request served")
	if err != nil {
		return "", err
	}
	bars := []bar{
		newBar("plain", 0, plainServed, "served for 297 s"),
		newBar("ours", 0, 0, fmt.Sprintf("%.0f served, in %d rounds", served.Worst, served.Rounds)),
		newBar("plain", 1, plainWatched, "open as long as we watched: 345 s"),
		newBar("ours", 1, closed.Worst, fmt.Sprintf("closed: median %s, worst %s", short(closed.Median), short(closed.Worst))),
		newBar("plain", 2, plainRegrant, "refused for up to 300 s"),
		newBar("ours", 2, regrant.Worst, fmt.Sprintf("in: median %s, worst %s", short(regrant.Median), short(regrant.Worst))),
	}
	bars[2].Open, bars[2].Width = true, width
	var marks []mark
	for _, m := range []struct {
		name string
		ms   float64
	}{{"1 ms", 1}, {"10 ms", 10}, {"100 ms", 100}, {"1 s", 1000}, {"10 s", 10_000}, {"100 s", 100_000}} {
		marks = append(marks, mark{m.name, x(m.ms)})
	}
	var b strings.Builder
	err = template.Must(template.New("").Parse(drawing)).Execute(&b, map[string]any{
		"Bars": bars, "Marks": marks, "Left": left, "Right": left + width, "Hub": r.Hub, "Closed": short(closed.Worst), "Regrant": short(regrant.Worst),
		"Served": fmt.Sprintf("%.0f", served.Worst), "Rounds": served.Rounds,
	})
	return b.String(), err
}

// newBar places the bar of one group (what is measured) and class (which proxy).
func newBar(class string, group int, ms float64, text string) bar {
	b := bar{Class: class, Text: text, Y: 92 + float64(group)*96, Width: x(ms) - left}
	if ms > 0 {
		b.Width = max(3, b.Width) // something that lasts is seen
	}
	if class == "ours" {
		b.Y += 32
	}
	b.Inside = b.Width > 300
	b.TextX = left + b.Width + 8
	if b.Inside {
		b.TextX = left + 10
	}
	return b
}

func row(r *report.Report, name string) (report.Row, error) {
	for _, row := range r.Rows {
		if row.Name == name {
			return row, nil
		}
	}
	return report.Row{}, fmt.Errorf("the figures have no %q: run all of `make e2e`", name)
}

func short(ms float64) string {
	switch {
	case ms < 1:
		return "under 1 ms"
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}
