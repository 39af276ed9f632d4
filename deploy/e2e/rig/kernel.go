package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/coder/websocket"
)

// kernelTicks is what the kernel runs: numbered, stamped lines from a thread, so that it answers other requests meanwhile, and a
// function by which a client leaves its own stamps in a file.
const kernelTicks = `
import threading, time
def _leave(stamp, book=open(%q, "a", buffering=1)):
    book.write(f"{stamp}\n")
def _tick():
    n = 0
    while True:
        n += 1
        print(f"T{n} {time.time_ns()}", flush=True)
        time.sleep(0.005)
threading.Thread(target=_tick, daemon=True).start()
print("ready")
`

// NewKernel starts a kernel at the server and returns its id.
func (v *Visit) NewKernel(ctx context.Context) (string, error) {
	var made struct{ ID string }
	err := v.Must(ctx, http.MethodPost, "api/kernels", map[string]any{"name": "python3"}, &made)
	return made.ID, err
}

// Kernel is a kernel socket. Tape has the kernel's ticks.
type Kernel struct {
	*Socket
	Tape  *Tape
	lines chan string
	sent  atomic.Int64
}

// OpenKernel opens a socket to a kernel.
func (v *Visit) OpenKernel(ctx context.Context, id string) (*Kernel, error) {
	k := &Kernel{Tape: &Tape{}, lines: make(chan string, 64)}
	socket, err := v.Socket(ctx, "kernel", "api/kernels/"+id+"/channels?session_id=rig-"+randomID(), k.take)
	k.Socket = socket
	return k, err
}

func (k *Kernel) take(_ websocket.MessageType, data []byte) {
	var m struct {
		MsgType string `json:"msg_type"`
		Content struct{ Text, Ename, Evalue string }
	}
	if json.Unmarshal(data, &m) != nil {
		return
	}
	text := m.Content.Text
	if m.MsgType == "error" {
		text = m.Content.Ename + ": " + m.Content.Evalue
	}
	if m.MsgType != "stream" && m.MsgType != "error" {
		return
	}
	k.Tape.Take(text)
	if !strings.HasPrefix(text, "T") {
		select {
		case k.lines <- text:
		default: // nobody reads what a test did not ask for
		}
	}
}

// Execute sends code to the kernel and does not wait.
func (k *Kernel) Execute(ctx context.Context, code string) error {
	n := k.sent.Add(1)
	message := map[string]any{
		"channel": "shell",
		"header": map[string]any{"msg_id": fmt.Sprintf("%s-%d", randomID(), n), "msg_type": "execute_request", "username": "rig",
			"session": "rig", "version": "5.3", "date": "2026-01-01T00:00:00Z"},
		"parent_header": map[string]any{}, "metadata": map[string]any{}, "buffers": []any{},
		"content": map[string]any{"code": code, "silent": false, "store_history": false, "user_expressions": map[string]any{},
			"allow_stdin": false, "stop_on_error": false},
	}
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return k.Send(ctx, string(text))
}

// Output sends code and returns the first text that the kernel prints that is not a tick.
func (k *Kernel) Output(ctx context.Context, code string) (string, error) {
	if err := k.Execute(ctx, code); err != nil {
		return "", err
	}
	select {
	case line := <-k.lines:
		return line, nil
	case <-k.done:
		return "", fmt.Errorf("the kernel socket ended: %w", k.Err())
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// StartTicks makes the kernel emit ticks for ever; stamps that clients leave go to the file book.
func (k *Kernel) StartTicks(ctx context.Context, book string) error {
	_, err := k.Output(ctx, fmt.Sprintf(kernelTicks, book))
	return err
}

// Leave has the kernel write a stamp into the book, if the message gets there.
func (k *Kernel) Leave(ctx context.Context, stamp int64) error {
	return k.Execute(ctx, fmt.Sprintf("_leave(%d)", stamp))
}
