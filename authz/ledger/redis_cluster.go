package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// lookAtCluster returns the number of data nodes that have our slot, as its
// primary knows them.
func (r *Redis) lookAtCluster(ctx context.Context) (int, error) {
	reply, err := first(r.send(ctx, []any{"CLUSTER", "NODES"}))
	if err != nil {
		return 0, err
	}
	p := replyParser{}
	text := p.text(reply)
	if p.err != nil {
		return 0, p.err
	}
	return countNodes(text)
}

// countNodes counts the node that was asked and its replicas, those too that are
// down, in the reply of CLUSTER NODES: lines of id, address, flags, primary and
// more. It returns 0 if that node is no primary.
func countNodes(text string) (int, error) {
	self := ""
	following := make(map[string]int) // by primary
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		following[f[3]]++
		if flags := strings.Split(f[2], ","); slices.Contains(flags, "myself") && slices.Contains(flags, "master") {
			self = f[0]
		}
	}
	if self == "" {
		return 0, fmt.Errorf("%w: the node asked is no primary", errReply)
	}
	return 1 + following[self], nil
}
