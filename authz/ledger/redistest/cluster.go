package redistest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Cluster is a cluster of three primaries with two replicas for the first,
// which holds the slots that tests write to: the smallest that can fail over
// and has a majority to confirm with.
type Cluster struct {
	Nodes []*Server
}

// RunCluster starts a cluster and waits until all of it is up. The slot named
// by the tag {share-proxy} (and two thirds of the others) is the first node's;
// the fourth and fifth nodes follow it.
func RunCluster(dir string, o Options) (*Cluster, error) {
	c := &Cluster{}
	if err := c.start(dir, o); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) start(dir string, o Options) error {
	for range 5 {
		port, err := freePort()
		if err != nil {
			return err
		}
		node := o
		// cluster-port: the usual one is 10000 higher, which may not exist.
		node.Config = append(slices.Clone(o.Config), "cluster-enabled yes", "cluster-node-timeout 1000",
			"cluster-replica-validity-factor 0", fmt.Sprintf("cluster-port %d", port))
		if o.TLS != nil {
			node.Config = append(node.Config, "tls-cluster yes")
		}
		server, err := Run(dir, node)
		if err != nil {
			return err
		}
		c.Nodes = append(c.Nodes, server)
		if len(c.Nodes) > 1 {
			if err := do1(server, "CLUSTER", "MEET", host(c.Nodes[0].Addr), portOf(c.Nodes[0].Addr), busOf(c.Nodes[0])); err != nil {
				return err
			}
		}
	}
	if err := c.share(); err != nil {
		return err
	}
	return eventually(20*time.Second, c.up)
}

// share gives the slots to the first three nodes and makes the others follow.
func (c *Cluster) share() error {
	first, err := c.Nodes[0].Do("CLUSTER", "MYID")
	if err != nil {
		return err
	}
	slot, err := c.Nodes[0].Do("CLUSTER", "KEYSLOT", "{share-proxy}")
	if err != nil {
		return err
	}
	n, _ := slot.(int64)
	if err := c.slots(0, fmt.Sprint(n), fmt.Sprint(n)); err != nil {
		return err
	}
	for i, part := range [][2]int64{{0, n - 1}, {n + 1, 16383}} {
		if part[0] > part[1] {
			continue
		}
		if err := c.slots(i+1, fmt.Sprint(part[0]), fmt.Sprint(part[1])); err != nil {
			return err
		}
	}
	for _, replica := range c.Nodes[3:] {
		err := eventually(10*time.Second, func() error { return do1(replica, "CLUSTER", "REPLICATE", fmt.Sprint(first)) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) slots(node int, from, to string) error {
	return do1(c.Nodes[node], "CLUSTER", "ADDSLOTSRANGE", from, to)
}

// up returns nil when every node sees the whole cluster.
func (c *Cluster) up() error {
	for i, node := range c.Nodes {
		info, err := node.Do("CLUSTER", "INFO")
		if err != nil {
			return err
		}
		text, _ := info.(string)
		if !strings.Contains(text, "cluster_state:ok") || !strings.Contains(text, "cluster_known_nodes:5") {
			return fmt.Errorf("node %d is not up", i)
		}
		nodes, err := node.Do("CLUSTER", "NODES")
		if err != nil {
			return err
		}
		text, _ = nodes.(string)
		if strings.Count(text, "slave") != 2 || strings.Contains(text, "fail") || strings.Contains(text, "handshake") {
			return fmt.Errorf("node %d does not know all replicas", i)
		}
	}
	return followed(c.Nodes[0])
}

// Primary returns the node that holds the slot of {share-proxy}, as a node
// that lives sees it.
func (c *Cluster) Primary() (*Server, error) {
	for _, node := range slices.Concat(c.Nodes[3:], c.Nodes[:1]) {
		if role, err := node.Do("ROLE"); err == nil {
			if list, ok := role.([]any); ok && len(list) > 0 && list[0] == "master" {
				return node, nil
			}
		}
	}
	return nil, errors.New("no primary")
}

// AwaitFailover returns the primary as soon as it is another one.
func (c *Cluster) AwaitFailover(before *Server) (*Server, error) {
	var now *Server
	err := eventually(20*time.Second, func() error {
		var err error
		if now, err = c.Primary(); err == nil && now == before {
			err = errors.New("no failover yet")
		}
		return err
	})
	return now, err
}

// URL is what a client is given. Credentials are "user:password@" or nothing.
func (c *Cluster) URL(credentials string) string {
	scheme := "redis"
	if c.Nodes[0].o.TLS != nil {
		scheme = "rediss"
	}
	// The first is none that tests kill.
	return fmt.Sprintf("%s://%s%s?addr=%s&addr=%s", scheme, credentials, c.Nodes[1].Addr, c.Nodes[2].Addr, c.Nodes[0].Addr)
}

// Close kills all processes.
func (c *Cluster) Close() {
	for _, node := range c.Nodes {
		node.Close()
	}
}

func do1(s *Server, args ...string) error {
	_, err := s.Do(args...)
	return err
}

func host(addr string) string   { h, _, _ := strings.Cut(addr, ":"); return h }
func portOf(addr string) string { _, p, _ := strings.Cut(addr, ":"); return p }

// busOf is the port at which the nodes speak to each other.
func busOf(s *Server) string {
	for _, line := range s.o.Config {
		if port, ok := strings.CutPrefix(line, "cluster-port "); ok {
			return port
		}
	}
	return ""
}
