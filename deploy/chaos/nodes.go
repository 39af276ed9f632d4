package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/chaos/fault"
)

// nodes are a Redis primary with two replicas and three Sentinels. All who
// call them do it through links: they themselves, so that a primary can be cut
// off from the rest, and each replica of the proxy.
type nodes struct {
	place     place
	data      []*process
	sentinels []*process
	among     []*fault.Link   // to each data node, from the others and the Sentinels
	links     [][]*fault.Link // of each replica, to each data node
	watching  [][]*fault.Link // of each replica, to each Sentinel
}

// size is the number of data nodes, and of Sentinels.
const size = 3

// master is the Sentinels' name for the primary.
const master = "shares"

// startNodes starts all of it and waits until it is whole.
func startNodes(ctx context.Context, p place, logs string, replicas int) (*nodes, error) {
	n := &nodes{place: p}
	if err := n.lay(replicas); err != nil {
		return n, err
	}
	for i := range size {
		node, err := n.node(logs, i, i > 0)
		if err != nil {
			return n, err
		}
		n.data = append(n.data, node)
		if err := node.start(); err != nil {
			return n, err
		}
	}
	if err := until(ctx, 10*time.Second, func() error { return n.joined() }); err != nil {
		return n, err
	}
	if err := n.watch(logs); err != nil {
		return n, err
	}
	return n, until(ctx, 20*time.Second, func() error { return n.whole() })
}

// lay makes the links. What a replica hears of addresses is changed on the way
// to the addresses of its own links.
func (n *nodes) lay(replicas int) error {
	var faults []error
	link := func(last, port int, change bool) *fault.Link {
		from, to := "", ""
		if change {
			from, to = fmt.Sprintf("%s%d", n.place, among), fmt.Sprintf("%s%d", n.place, last)
		}
		l, err := fault.Listen(n.place.at(last, port), n.place.at(home, port), from, to)
		faults = append(faults, err)
		return l
	}
	for i := 1; i <= size; i++ {
		n.among = append(n.among, link(among, nodePort+i, false))
		link(among, sentinelPort+i, false)
	}
	for k := 1; k <= replicas; k++ {
		var data, sentinels []*fault.Link
		for i := 1; i <= size; i++ {
			data = append(data, link(seenBy+k, nodePort+i, false))
			sentinels = append(sentinels, link(seenBy+k, sentinelPort+i, true))
		}
		n.links, n.watching = append(n.links, data), append(n.watching, sentinels)
	}
	return errors.Join(faults...)
}

// node describes a data node. Its configuration is a file, so that it is what
// the Sentinels have made of it when it starts again.
func (n *nodes) node(logs string, i int, replica bool) (*process, error) {
	port, name := nodePort+i+1, fmt.Sprintf("redis-%d", i+1)
	host := fmt.Sprintf("%s%d", n.place, among)
	lines := []string{
		fmt.Sprintf("bind %s%d", n.place, home), fmt.Sprintf("port %d", port), "protected-mode no",
		`save ""`, "appendonly no", "dir " + logs, "repl-diskless-sync-delay 0",
		// A replica keeps what its primary has sent it in a file, and would begin
		// with that.
		fmt.Sprintf("dbfilename %s.rdb", name), "rdb-del-sync-files yes",
		// A broken link is given up after 5 s instead of a minute: runs are short.
		"repl-timeout 5", "repl-ping-replica-period 1",
		"replica-announce-ip " + host, fmt.Sprintf("replica-announce-port %d", port),
	}
	if replica {
		lines = append(lines, fmt.Sprintf("replicaof %s %d", host, nodePort+1))
	}
	file, err := configure(logs, name, lines)
	return &process{name: name, path: "redis-server", args: []string{file}, logs: logs, forget: filepath.Join(logs, name+".rdb")}, err
}

// configure writes a configuration and returns its file.
func configure(logs, name string, lines []string) (string, error) {
	file := filepath.Join(logs, name+".conf")
	return file, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}

// url is what replica k is given.
func (n *nodes) url(k int) string {
	first, rest := n.place.at(seenBy+k, sentinelPort+1), ""
	for i := 2; i <= size; i++ {
		rest += "&addr=" + n.place.at(seenBy+k, sentinelPort+i)
	}
	return "redis://" + first + "/0?master_name=" + master + rest
}

// set sets all links of replica k, from 1, to the data nodes and the Sentinels.
func (n *nodes) set(k int, s fault.State) {
	for _, l := range append(append([]*fault.Link(nil), n.links[k-1]...), n.watching[k-1]...) {
		l.Set(s)
	}
}

// heal makes all links pass, and all processes go on; those that were killed are
// started, empty.
func (n *nodes) heal() error {
	for _, l := range n.among {
		l.Set(fault.State{})
	}
	for k := range n.links {
		n.set(k+1, fault.State{})
	}
	var faults []error
	for _, p := range append(append([]*process(nil), n.data...), n.sentinels...) {
		p.resume()
		if !p.running() {
			faults = append(faults, p.start())
		}
	}
	return errors.Join(faults...)
}

// follow makes the nodes replicas of the primary again. The Sentinels would do
// it too, 10 s after they have seen them.
func (n *nodes) follow() {
	primary := n.primary()
	if primary < 0 {
		return
	}
	for i := range size {
		if i != primary && strings.Contains(n.ask(i, "INFO replication"), "role:master") {
			n.ask(i, fmt.Sprintf("REPLICAOF %s%d %d", n.place, among, nodePort+primary+1))
		}
	}
}

// close kills all of it.
func (n *nodes) close() {
	for _, p := range append(append([]*process(nil), n.sentinels...), n.data...) {
		p.kill()
	}
}

// until calls f until it returns nil, ctx ends or the time is up; then it
// returns f's last error.
func until(ctx context.Context, limit time.Duration, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}
