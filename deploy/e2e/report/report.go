// Package report collects the figures of a run, says which of them pass, and prints them as a table and as JSON.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"unicode/utf8"
)

// Row is one figure, or one thing that was seen.
type Row struct {
	Point  string  `json:"point"` // number in the list of what must work
	Name   string  `json:"name"`
	Unit   string  `json:"unit,omitempty"` // "ms", "count" or empty for a remark
	Rounds int     `json:"rounds,omitempty"`
	Median float64 `json:"median"`
	Worst  float64 `json:"worst"`
	Limit  string  `json:"limit,omitempty"` // what the worst must be, in words
	Text   string  `json:"text,omitempty"`
	Pass   bool    `json:"pass"`
}

// Report collects rows. It may be used by several goroutines. The zero Report is empty and ready.
type Report struct {
	Hub   string `json:"hub"`
	Proxy string `json:"proxy"`
	Rows  []Row  `json:"rows"`

	mu sync.Mutex
}

// Tester is what a row tells its failure to.
type Tester interface {
	Helper()
	Errorf(format string, args ...any)
}

func (r *Report) add(t Tester, row Row) {
	t.Helper()
	r.mu.Lock()
	r.Rows = append(r.Rows, row)
	r.mu.Unlock()
	if !row.Pass {
		t.Errorf("%s: got %s, want %s", row.Name, row.figure(), row.Limit)
	}
}

// Below adds times in milliseconds, all of which must be below a limit.
func (r *Report) Below(t Tester, point, name string, limit float64, ms ...float64) {
	t.Helper()
	row := Row{Point: point, Name: name, Unit: "ms", Rounds: len(ms), Limit: fmt.Sprintf("< %g ms", limit)}
	row.Median, row.Worst = spread(ms)
	row.Pass = len(ms) > 0 && row.Worst < limit
	r.add(t, row)
}

// Is adds counts, all of which must be the one that is wanted.
func (r *Report) Is(t Tester, point, name string, want int, counts ...int) {
	t.Helper()
	row := Row{Point: point, Name: name, Unit: "count", Rounds: len(counts), Limit: fmt.Sprint(want), Pass: len(counts) > 0}
	var worst int
	var values []float64
	for _, n := range counts {
		values = append(values, float64(n))
		if n != want {
			row.Pass = false
		}
		if distance(n, want) >= distance(worst, want) || len(values) == 1 {
			worst = n
		}
	}
	row.Median, _ = spread(values)
	row.Worst = float64(worst)
	r.add(t, row)
}

// AtLeast adds counts, all of which must reach a number: the check that something was there to be counted.
func (r *Report) AtLeast(t Tester, point, name string, want int, counts ...int) {
	t.Helper()
	row := Row{Point: point, Name: name, Unit: "count", Rounds: len(counts), Limit: fmt.Sprintf(">= %d", want)}
	var values []float64
	for _, n := range counts {
		values = append(values, float64(n))
	}
	row.Median, _ = spread(values)
	if len(counts) > 0 {
		row.Worst = float64(slices.Min(counts))
	}
	row.Pass = len(counts) > 0 && row.Worst >= float64(want)
	r.add(t, row)
}

// AtMost adds counts, none of which may be above a number.
func (r *Report) AtMost(t Tester, point, name string, limit int, counts ...int) {
	t.Helper()
	row := Row{Point: point, Name: name, Unit: "count", Rounds: len(counts), Limit: fmt.Sprintf("<= %d", limit)}
	var values []float64
	for _, n := range counts {
		values = append(values, float64(n))
	}
	row.Median, row.Worst = spread(values)
	row.Pass = len(counts) > 0 && row.Worst <= float64(limit)
	r.add(t, row)
}

// Saw adds something that was seen, and whether it is right.
func (r *Report) Saw(t Tester, point, name, text string, pass bool) {
	t.Helper()
	r.add(t, Row{Point: point, Name: name, Text: text, Limit: "as promised", Pass: pass})
}

func distance(a, b int) int { return max(a-b, b-a) }

func spread(values []float64) (median, worst float64) {
	if len(values) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2], sorted[len(sorted)-1]
}

func (row Row) figure() string {
	switch {
	case row.Unit == "ms" && row.Rounds == 1:
		return fmt.Sprintf("%.1f ms", row.Worst)
	case row.Unit == "ms":
		return fmt.Sprintf("%.1f ms, worst %.1f ms of %d", row.Median, row.Worst, row.Rounds)
	case row.Unit == "count" && row.Rounds == 1:
		return fmt.Sprintf("%.0f", row.Worst)
	case row.Unit == "count":
		return fmt.Sprintf("%.0f, worst %.0f of %d", row.Median, row.Worst, row.Rounds)
	}
	return row.Text
}

// Failed returns how many rows did not pass.
func (r *Report) Failed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, row := range r.Rows {
		if !row.Pass {
			n++
		}
	}
	return n
}

// Print writes the table and its closing line.
func (r *Report) Print(w io.Writer) {
	failed := r.Failed()
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := slices.Clone(r.Rows)
	slices.SortStableFunc(rows, func(a, b Row) int {
		if a.Point != b.Point && a.Point < b.Point {
			return -1
		} else if a.Point != b.Point {
			return 1
		}
		return 0
	})
	width := 0
	for _, row := range rows {
		width = max(width, utf8.RuneCountInString(row.Name))
	}
	fmt.Fprintf(w, "\n%s in front of JupyterHub %s\n\n", r.Proxy, r.Hub)
	for _, row := range rows {
		verdict := "PASS"
		if !row.Pass {
			verdict = "FAIL"
		}
		limit := ""
		if row.Unit != "" {
			limit = "   (" + row.Limit + ")"
		}
		fmt.Fprintf(w, "%s  %-3s %-*s  %s%s\n", verdict, row.Point, width, row.Name, row.figure(), limit)
	}
	fmt.Fprintf(w, "\n%d passed, %d failed\n", len(rows)-failed, failed)
}

// Write writes the report as JSON.
func (r *Report) Write(file string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
