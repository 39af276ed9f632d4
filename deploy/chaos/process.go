package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// process is a program that is started, stopped, continued, ended and killed.
// Its output is kept in a file.
type process struct {
	name string
	path string
	args []string
	env  []string
	logs string // folder
	// forget is a file that is removed before each start, if there is one.
	forget string

	mu   sync.Mutex // guards the fields below
	cmd  *exec.Cmd
	gone chan struct{} // closed when it has ended
}

// start starts it; it must not be running.
func (p *process) start() error {
	if p.forget != "" {
		_ = os.Remove(p.forget) // it is there only after a kill at the wrong time
	}
	out, err := os.OpenFile(filepath.Join(p.logs, p.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // the program has its own
	cmd := exec.Command(p.path, p.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, out, out
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	gone := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.gone = cmd, gone
	p.mu.Unlock()
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(gone)
	}()
	return nil
}

// signal sends a signal; a process that is gone has none to get.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(s)
	}
}

// pause stops the process: the kernel goes on taking what is sent to it.
func (p *process) pause()  { p.signal(syscall.SIGSTOP) }
func (p *process) resume() { p.signal(syscall.SIGCONT) }

// end asks the process to end, and waits until it has.
func (p *process) end() {
	p.signal(syscall.SIGTERM)
	p.wait()
}

// kill ends it at once.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	p.wait()
}

func (p *process) wait() {
	p.mu.Lock()
	gone := p.gone
	p.mu.Unlock()
	if gone != nil {
		<-gone
	}
}

// running reports whether it was started and has not ended.
func (p *process) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone == nil {
		return false
	}
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}
