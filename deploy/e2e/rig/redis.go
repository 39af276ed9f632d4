package rig

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Redis is a redis-server without a disk.
type Redis struct {
	URL string

	hub  *Hub
	port int
	cmd  *exec.Cmd
}

// NewRedis starts a redis-server and returns when it answers.
func (h *Hub) NewRedis(ctx context.Context) (*Redis, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	r := &Redis{URL: fmt.Sprintf("redis://127.0.0.1:%d/0", ports[0]), hub: h, port: ports[0]}
	return r, r.Start(ctx)
}

// Start starts the server, empty, also after Kill.
func (r *Redis) Start(ctx context.Context) error {
	folder := filepath.Join(r.hub.Dir, "redis")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	cmd, err := r.hub.run("redis.log", "redis-server", "--bind", "127.0.0.1", "--port", strconv.Itoa(r.port),
		"--save", "", "--appendonly", "no", "--dir", folder)
	if err != nil {
		return err
	}
	r.cmd = cmd
	return waitFor(ctx, 5*time.Second, func() error { _, err := r.Say("PING"); return err })
}

// Pause freezes the server: connections stay, and nobody answers.
func (r *Redis) Pause() error { return r.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (r *Redis) Resume() error { return r.cmd.Process.Signal(syscall.SIGCONT) }

// Kill ends the server at once; all that it had is gone.
func (r *Redis) Kill() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

// Say sends an inline command and returns its one answer: the text of a status or a bulk string.
func (r *Redis) Say(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", r.port), time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return "", err
	}
	reader := bufio.NewReader(conn)
	line, err := reader.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "$") {
		return strings.TrimSpace(line), err
	}
	length, err := strconv.Atoi(strings.TrimSpace(line[1:]))
	if err != nil || length < 0 {
		return "", err
	}
	var text strings.Builder
	for text.Len() < length {
		line, err := reader.ReadString('\n')
		text.WriteString(line)
		if err != nil {
			return text.String(), err
		}
	}
	return text.String(), nil
}
