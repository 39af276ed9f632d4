package redistest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Name is what the Sentinels call the primary.
const Name = "shares"

// Sentinels is a primary with two replicas, and three Sentinels that watch over
// them: a primary that is silent for 500 ms is replaced.
type Sentinels struct {
	Data     []*Server // the first was the primary at the start
	Watchers []*Server
}

// RunSentinels starts the set and waits until all know each other. The options
// are those of the data nodes; the Sentinels have the same TLS and no password.
func RunSentinels(dir string, o Options) (*Sentinels, error) {
	s := &Sentinels{}
	if err := s.start(dir, o); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Sentinels) start(dir string, o Options) error {
	for i := range 3 {
		node := o
		if i > 0 {
			node.Config = append(slices.Clone(o.Config), "replicaof "+spaced(s.Data[0].Addr))
		}
		server, err := Run(dir, node)
		if err != nil {
			return err
		}
		s.Data = append(s.Data, server)
	}
	if err := eventually(10*time.Second, func() error { return followed(s.Data[0]) }); err != nil {
		return err
	}
	if err := s.watch(dir, o); err != nil {
		return err
	}
	return eventually(20*time.Second, s.acquainted)
}

// watch starts the Sentinels. They are told of each other and of the replicas,
// which would otherwise take them seconds to find out.
func (s *Sentinels) watch(dir string, o Options) error {
	ids := make([]string, 3)
	for i := range 3 {
		watcher, err := prepare(dir, "--sentinel", Options{TLS: o.TLS})
		if err != nil {
			return err
		}
		s.Watchers = append(s.Watchers, watcher)
		id := make([]byte, 20)
		_, _ = rand.Read(id) // never fails
		ids[i] = hex.EncodeToString(id)
	}
	for i, watcher := range s.Watchers {
		lines := []string{
			fmt.Sprintf("sentinel myid %s", ids[i]),
			fmt.Sprintf("sentinel monitor %s %s 2", Name, spaced(s.Data[0].Addr)),
			fmt.Sprintf("sentinel down-after-milliseconds %s 500", Name),
			// How long a Sentinel waits before it tries a failover that failed.
			fmt.Sprintf("sentinel failover-timeout %s 2000", Name),
			fmt.Sprintf("sentinel parallel-syncs %s 2", Name),
		}
		if o.Password != "" {
			lines = append(lines, fmt.Sprintf("sentinel auth-pass %s %s", Name, o.Password))
		}
		for _, replica := range s.Data[1:] {
			lines = append(lines, fmt.Sprintf("sentinel known-replica %s %s", Name, spaced(replica.Addr)))
		}
		for j, other := range s.Watchers {
			if i != j {
				lines = append(lines, fmt.Sprintf("sentinel known-sentinel %s %s %s", Name, spaced(other.Addr), ids[j]))
			}
		}
		watcher.o.Config = lines
		if err := watcher.configure(); err != nil {
			return err
		}
		if err := watcher.Start(); err != nil {
			return err
		}
	}
	return nil
}

// acquainted returns nil when every Sentinel sees all others up.
func (s *Sentinels) acquainted() error {
	for _, w := range s.Watchers {
		reply, err := w.Do("SENTINEL", "CKQUORUM", Name)
		if err != nil {
			return err
		}
		if text, ok := reply.(string); !ok || !strings.HasPrefix(text, "OK 3 usable") {
			return fmt.Errorf("a Sentinel says %v", reply)
		}
		replicas, err := w.Do("SENTINEL", "REPLICAS", Name)
		if err != nil {
			return err
		}
		list, _ := replicas.([]any)
		for _, r := range list {
			if fields, _ := r.([]any); field(fields, "flags") != "slave" {
				return fmt.Errorf("a replica is %s", field(fields, "flags"))
			}
		}
		if len(list) != 2 {
			return fmt.Errorf("a Sentinel knows %d replicas", len(list))
		}
	}
	return nil
}

// Primary returns the node that most Sentinels call the primary.
func (s *Sentinels) Primary() (*Server, error) {
	votes := make(map[string]int)
	for _, w := range s.Watchers {
		reply, err := w.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", Name)
		if pair, ok := reply.([]any); err == nil && ok && len(pair) == 2 {
			votes[fmt.Sprintf("%v:%v", pair[0], pair[1])]++
		}
	}
	for _, node := range s.Data {
		if votes[node.Addr] >= 2 {
			return node, nil
		}
	}
	return nil, errors.New("no two Sentinels agree on a primary")
}

// AwaitFailover returns the primary as soon as it is another one than before
// and says itself that it is.
func (s *Sentinels) AwaitFailover(before *Server) (*Server, error) {
	var now *Server
	err := eventually(20*time.Second, func() error {
		var err error
		if now, err = s.Primary(); err != nil {
			return err
		}
		if now == before {
			return errors.New("no failover yet")
		}
		role, err := now.Do("ROLE")
		if err != nil {
			return err
		}
		if list, ok := role.([]any); !ok || len(list) == 0 || list[0] != "master" {
			return errors.New("the new primary does not know it yet")
		}
		return nil
	})
	return now, err
}

// URL is what a client is given. Credentials are "user:password@" or nothing.
func (s *Sentinels) URL(credentials string) string {
	scheme := "redis"
	if s.Watchers[0].o.TLS != nil {
		scheme = "rediss"
	}
	url := fmt.Sprintf("%s://%s%s/?master_name=%s", scheme, credentials, s.Watchers[0].Addr, Name)
	for _, w := range s.Watchers[1:] {
		url += "&addr=" + w.Addr
	}
	return url
}

// Close kills all processes.
func (s *Sentinels) Close() {
	for _, server := range append(slices.Clone(s.Watchers), s.Data...) {
		server.Close()
	}
}

// followed returns nil when two replicas follow a primary and it counts them: a
// replica thinks so a second earlier.
func followed(primary *Server) error {
	info, err := primary.Do("INFO", "replication")
	if err != nil {
		return err
	}
	if text, _ := info.(string); strings.Count(text, "state=online") != 2 {
		return errors.New("a primary has not both replicas")
	}
	return nil
}

// spaced is an address as configuration files have it.
func spaced(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return host + " " + port
}

// field returns a field of a list of names and values.
func field(list []any, name string) string {
	for i := 0; i+1 < len(list); i += 2 {
		if list[i] == name {
			value, _ := list[i+1].(string)
			return value
		}
	}
	return ""
}
