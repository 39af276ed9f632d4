package fault

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"
)

// soon is longer than a held link could need to let something through.
const soon = 100 * time.Millisecond

// echo answers every line with what a function makes of it.
func echo(t *testing.T, answer func(line string) string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					_, _ = conn.Write([]byte(answer(lines.Text()) + "\n"))
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func same(line string) string { return line }

// client is a connection through a link.
type client struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dial(t *testing.T, l *Link) *client {
	t.Helper()
	conn, err := net.Dial("tcp", l.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) say(line string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(line + "\n")); err != nil {
		c.t.Fatal(err)
	}
}

// hear returns the next line, or "" if none comes in a time.
func (c *client) hear(wait time.Duration) string {
	_ = c.conn.SetReadDeadline(time.Now().Add(wait))
	line, _ := c.r.ReadString('\n')
	return strings.TrimSuffix(line, "\n")
}

func link(t *testing.T, target, from, to string) *Link {
	t.Helper()
	l, err := Listen("127.0.0.1:0", target, from, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func TestLinkHolds(t *testing.T) {
	for _, test := range []struct {
		name    string
		state   State
		arrives bool // what is said arrives at the target
	}{
		{"towards the target", State{HoldUp: true}, false},
		{"back", State{HoldDown: true}, true},
		{"both", Hold, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			arrived := make(chan struct{}, 2)
			l := link(t, echo(t, func(line string) string { arrived <- struct{}{}; return same(line) }), "", "")
			c := dial(t, l)
			c.say("before")
			if got := c.hear(5 * time.Second); got != "before" {
				t.Fatalf("heard %q, want before", got)
			}
			<-arrived
			l.Set(test.state)
			c.say("held")
			if got := c.hear(soon); got != "" {
				t.Errorf("heard %q while held", got)
			}
			if (len(arrived) > 0) != test.arrives {
				t.Errorf("arrived = %v, want %v", len(arrived) > 0, test.arrives)
			}
			l.Set(State{})
			if got := c.hear(5 * time.Second); got != "held" {
				t.Errorf("heard %q after the hold, want held", got)
			}
		})
	}
}

func TestLinkCuts(t *testing.T) {
	l := link(t, echo(t, same), "", "")
	c := dial(t, l)
	c.say("before")
	_ = c.hear(5 * time.Second)
	l.Set(State{Cut: true})
	if _, err := c.r.ReadByte(); err == nil {
		t.Error("the connection lives on")
	}
	late := dial(t, l)
	if got := late.hear(5 * time.Second); got != "" {
		t.Errorf("heard %q through a cut link", got)
	}
	if _, err := late.r.ReadByte(); err == nil {
		t.Error("a new connection lives through a cut link")
	}
	l.Set(State{})
	again := dial(t, l)
	again.say("after")
	if got := again.hear(5 * time.Second); got != "after" {
		t.Errorf("heard %q, want after", got)
	}
	l.Break()
	if _, err := again.r.ReadByte(); err == nil {
		t.Error("the connection outlives the break")
	}
}

func TestLinkSwaps(t *testing.T) {
	c := dial(t, link(t, echo(t, same), "127.0.0.10", "127.0.0.11"))
	c.say("at 127.0.0.10:1")
	if got := c.hear(5 * time.Second); got != "at 127.0.0.11:1" {
		t.Errorf("heard %q, want 127.0.0.11 in it", got)
	}
	if _, err := Listen("127.0.0.1:0", "127.0.0.1:1", "a", "bb"); err == nil {
		t.Error("a replacement of another length is accepted")
	}
}

func TestSwap(t *testing.T) {
	for _, test := range []struct {
		name   string
		pieces []string
		want   string
	}{
		{"in one piece", []string{"at 127.0.0.10:1 and 127.0.0.10:2\n"}, "at 127.0.0.11:1 and 127.0.0.11:2\n"},
		{"in two pieces", []string{"at 127.0", ".0.10:1\n"}, "at 127.0.0.11:1\n"},
		{"in many pieces", []string{"1", "2", "7.0.0.1", "0", ":1\n"}, "127.0.0.11:1\n"},
		{"a beginning that goes on otherwise", []string{"at 127.0", ".0.20:1\n"}, "at 127.0.0.20:1\n"},
		{"a beginning within a beginning", []string{"at 127.0.127", ".0.0.10\n"}, "at 127.0.127.0.0.11\n"},
		{"a beginning at the end", []string{"at 127.0"}, "at 127.0"},
		{"not there", []string{"at 127.0.0.12\n"}, "at 127.0.0.12\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := swap{[]byte("127.0.0.10"), []byte("127.0.0.11")}
			var got, rest []byte
			for i, piece := range test.pieces {
				chunk := append(rest, piece...)
				ready, kept := s.apply(chunk, i == len(test.pieces)-1)
				got, rest = append(got, ready...), chunk[len(chunk)-kept:]
			}
			if string(got) != test.want {
				t.Errorf("passed on %q, want %q", got, test.want)
			}
		})
	}
}
