package main

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// watch starts the Sentinels. They are told of each other, which they would take
// seconds to find out.
func (n *nodes) watch(logs string) error {
	ids := make([]string, size)
	for i := range ids {
		id := make([]byte, 20)
		_, _ = rand.Read(id) // never fails
		ids[i] = hex.EncodeToString(id)
	}
	host := fmt.Sprintf("%s%d", n.place, among)
	for i := range size {
		lines := []string{
			fmt.Sprintf("bind %s%d", n.place, home), fmt.Sprintf("port %d", sentinelPort+i+1), "protected-mode no", "dir " + logs,
			"sentinel myid " + ids[i], "sentinel announce-ip " + host, fmt.Sprintf("sentinel announce-port %d", sentinelPort+i+1),
			fmt.Sprintf("sentinel monitor %s %s %d 2", master, host, nodePort+1),
			// 700 ms is short for a failover and longer than what is meant to be
			// none.
			fmt.Sprintf("sentinel down-after-milliseconds %s 700", master),
			fmt.Sprintf("sentinel failover-timeout %s 3000", master),
			fmt.Sprintf("sentinel parallel-syncs %s 2", master),
		}
		for j, id := range ids {
			if i != j {
				lines = append(lines, fmt.Sprintf("sentinel known-sentinel %s %s %d %s", master, host, sentinelPort+j+1, id))
			}
		}
		name := fmt.Sprintf("sentinel-%d", i+1)
		file, err := configure(logs, name, lines)
		if err != nil {
			return err
		}
		s := &process{name: name, path: "redis-sentinel", args: []string{file}, logs: logs}
		n.sentinels = append(n.sentinels, s)
		if err := s.start(); err != nil {
			return err
		}
	}
	return nil
}

// ask sends one command without blanks in its arguments and returns the reply as
// it came, or what came of it.
func ask(address, command string) string {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return ""
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = io.WriteString(conn, command+"\r\n")
	return reply(bufio.NewReader(conn))
}

// reply reads one reply: a line, and behind the length of a text or of a list
// what belongs to it.
func reply(r *bufio.Reader) string {
	line, err := r.ReadString('\n')
	if err != nil || line == "" {
		return line
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:])) // 0 for what has no length
	switch line[0] {
	case '$':
		text := make([]byte, max(n, 0)+2)
		_, _ = io.ReadFull(r, text) // a reply that is not whole says nothing
		return line + string(text)
	case '*':
		for range n {
			line += reply(r)
		}
	}
	return line
}

// node i says, from 0.
func (n *nodes) ask(i int, command string) string {
	return ask(n.place.at(home, nodePort+i+1), command)
}

// joined returns nil when one data node has all others as its replicas.
func (n *nodes) joined() error {
	for i := range size {
		if info := n.ask(i, "INFO replication"); strings.Contains(info, "role:master") && strings.Count(info, "state=online") == size-1 {
			return nil
		}
	}
	return errors.New("no redis has all others as its replicas")
}

// whole returns nil when the nodes are joined and the Sentinels see all of it.
func (n *nodes) whole() error {
	if err := n.joined(); err != nil {
		return err
	}
	for i := range size {
		if !strings.HasPrefix(ask(n.place.at(home, sentinelPort+i+1), "SENTINEL CKQUORUM "+master), "+OK 3 usable") {
			return fmt.Errorf("sentinel %d does not see the others", i+1)
		}
	}
	if n.primary() < 0 {
		return errors.New("the Sentinels do not agree on a primary")
	}
	return nil
}

// primary returns the data node that most Sentinels call so, or -1.
func (n *nodes) primary() int {
	var votes [size]int
	for s := range size {
		reply := ask(n.place.at(home, sentinelPort+s+1), "SENTINEL GET-MASTER-ADDR-BY-NAME "+master)
		for i := range size {
			if strings.Contains(reply, fmt.Sprintf("\r\n%d\r\n", nodePort+i+1)) {
				votes[i]++
			}
		}
	}
	for i, v := range votes {
		if v > size/2 {
			return i
		}
	}
	return -1
}
