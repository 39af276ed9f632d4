// Package redistest runs real redis-servers for tests: one, a set that
// Sentinels watch over, or a cluster, on free ports of 127.0.0.1, and breaks
// them: stopped and continued, killed and restarted empty, cut off by a
// [Proxy].
//
// The core ([Server], [Sentinels], [Cluster], [Proxy]) returns errors and may
// be used by programs; the functions that take a [testing.TB] end what they
// started with the test, and skip it where redis-server is not installed.
//
// It speaks the protocol itself, a few lines, so that what it says of a server
// does not depend on the client that is tested.
package redistest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Options of a server. The zero Options are a server without a password that
// keeps nothing on disk.
type Options struct {
	Password string   // requirepass; also what replicas say to their primary
	Users    []string // lines of an ACL file, "user NAME on >PASSWORD ..."
	TLS      *Certificates
	Config   []string // more lines of redis.conf
}

// Server is one redis-server process. Its address stays the same when it is
// restarted. It is not for concurrent use, but for Do.
type Server struct {
	Addr string // host and port

	o    Options
	port int
	dir  string
	mode string // "" or "--sentinel"
	out  *os.File

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when the process is gone
}

// Run starts a server with its files in a new folder under dir ("" for the
// temporary folder of the machine) and waits until it answers.
func Run(dir string, o Options) (*Server, error) {
	// A port that was free may be taken by the time the server is there.
	const attempts = 3
	var failed error
	for range attempts {
		s, err := prepare(dir, "", o)
		if err != nil {
			return nil, err
		}
		if failed = s.Start(); failed == nil {
			return s, nil
		}
		s.Close()
	}
	return nil, failed
}

// prepare makes the folder and the configuration of a server.
func prepare(dir, mode string, o Options) (*Server, error) {
	dir, err := os.MkdirTemp(dir, "redis-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), o: o, port: port, dir: dir, mode: mode}
	if s.out, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	return s, s.configure()
}

// configure writes the server's configuration.
func (s *Server) configure() error {
	lines := []string{"bind 127.0.0.1", "dir " + s.dir, "daemonize no", "protected-mode no"}
	if s.o.TLS != nil {
		lines = append(lines, "port 0", fmt.Sprintf("tls-port %d", s.port), "tls-replication yes", "tls-auth-clients no",
			"tls-cert-file "+s.o.TLS.certFile, "tls-key-file "+s.o.TLS.keyFile, "tls-ca-cert-file "+s.o.TLS.caFile)
	} else {
		lines = append(lines, fmt.Sprintf("port %d", s.port))
	}
	if s.mode == "" {
		lines = append(lines, `save ""`, "appendonly no", "repl-diskless-sync yes", "repl-diskless-sync-delay 0")
	}
	if s.o.Password != "" {
		lines = append(lines, "requirepass "+s.o.Password, "masterauth "+s.o.Password)
	}
	if len(s.o.Users) > 0 {
		file := filepath.Join(s.dir, "users.acl")
		if err := writeLines(file, s.o.Users); err != nil {
			return err
		}
		lines = append(lines, "aclfile "+file)
	}
	return writeLines(filepath.Join(s.dir, "redis.conf"), append(lines, s.o.Config...))
}

// Start starts a server that was killed, empty, and waits until it answers.
func (s *Server) Start() error {
	name := "redis-server"
	if s.mode != "" {
		name = "redis-sentinel"
	}
	cmd := exec.Command(name, filepath.Join(s.dir, "redis.conf"))
	cmd.Stdout, cmd.Stderr = s.out, s.out
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	s.mu.Lock()
	s.cmd, s.done = cmd, done
	s.mu.Unlock()
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(done)
	}()
	// 10 s: a machine that runs many tests at once is slow.
	err := eventually(10*time.Second, func() error {
		select {
		case <-done:
			return errors.New("the process ended")
		default:
		}
		_, err := s.Do("PING")
		if refused := (Error("")); errors.As(err, &refused) {
			return nil // it wants a password that Do does not know: it answers
		}
		return err
	})
	if err != nil {
		log, _ := os.ReadFile(s.out.Name())
		return fmt.Errorf("%s at %s: %w\n%s", name, s.Addr, err, log)
	}
	return nil
}

// Pause stops the process (SIGSTOP): the kernel goes on acknowledging what is
// sent to it, but nothing answers.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume continues a process that was stopped.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

// Kill ends the process at once (SIGKILL); all data is lost.
func (s *Server) Kill() error {
	err := s.signal(syscall.SIGKILL)
	s.mu.Lock()
	done := s.done
	s.mu.Unlock()
	if done != nil {
		<-done
	}
	return err
}

// Pid returns the process id, 0 before the first start.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// Close kills the process and removes its files.
func (s *Server) Close() {
	_ = s.Kill() // it may be gone already
	_ = s.out.Close()
	_ = os.RemoveAll(s.dir)
}

// Do sends one command, over a connection of its own, and returns the reply: a
// string, an int64, nil or a list of such. What the server refuses is an
// [Error].
func (s *Server) Do(args ...string) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) //nolint:forbidigo // its limit is the server's, not a caller's
	defer cancel()
	var config *tls.Config
	if s.o.TLS != nil {
		config = s.o.TLS.Config()
	}
	return do(ctx, s.Addr, config, s.o.Password, args)
}

func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return nil
	}
	return s.cmd.Process.Signal(sig)
}
