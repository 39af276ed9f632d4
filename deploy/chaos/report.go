package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/history"
)

// group is the breaches of one rule at one place: one fault breaks a promise
// for every message.
type group struct {
	first history.Breach
	more  int
	last  history.Instant
}

// grouped puts breaches together, in the order of their first.
func grouped(breaches []history.Breach) (groups []*group) {
	type place struct {
		schedule, rule, who string
		replica             int
	}
	by := make(map[place]*group)
	for _, b := range breaches {
		key := place{b.Schedule, b.Rule, b.Who, b.Replica}
		if by[key] == nil {
			by[key] = &group{first: b, more: -1}
			groups = append(groups, by[key])
		}
		by[key].more++
		by[key].last = b.At
	}
	return groups
}

// report prints what was seen, and returns the exit code.
func report(out io.Writer, o options, p history.Promise, h *history.History) int {
	breaches := p.Check(h)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "\nschedule\trevocations\tdone\tbounded\twithin\tlast byte after answer\tafter change\tlongest wait\tlongest hold\twhole after\t\n")
	for _, f := range p.Figures(h) {
		after, change := "-", "-"
		if f.Passed {
			change = ms(f.AfterChange)
		}
		if f.AfterAnswer > -time.Hour {
			after = ms(f.AfterAnswer)
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t\n", f.Schedule, f.Revocations,
			f.Said[history.Done], f.Said[history.Bounded], f.Said[history.Within], after, change, ms(f.Waited), ms(f.Held), ms(f.Whole))
	}
	_ = table.Flush() // as well as out can
	fmt.Fprintf(out, "\n%d messages and requests, %d changes, %d refusals; Δ %s, T %s; seed %d\n",
		len(h.Passages), len(h.Changes), len(h.Refusals), p.Bound, p.Guests, o.seed)
	if len(breaches) == 0 {
		fmt.Fprintln(out, "no promise was broken")
		return 0
	}
	for _, g := range grouped(breaches) {
		fmt.Fprintln(out, "BROKEN", g.first)
		if g.more > 0 {
			fmt.Fprintf(out, "       and %d more until %s\n", g.more, g.last.Round(time.Millisecond))
		}
	}
	fmt.Fprintf(out, "%d breaches; again with: make chaos SEED=%d (logs in %s)\n", len(breaches), o.seed, o.logs)
	return 1
}

// keep writes what was seen to a file, for who looks for the cause of a breach;
// without the passages, which are many.
func keep(h *history.History, file string) error {
	few := *h
	few.Passages = nil
	text, err := json.Marshal(few)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// ms shows a time in milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond)) }
