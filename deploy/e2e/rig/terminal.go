package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/coder/websocket"
)

// terminalTicks prints ticks, and copies the stamps that are typed into a file.
const terminalTicks = `import sys, threading, time
def typed(book):
    for line in sys.stdin:
        book.write(line)
        book.flush()
threading.Thread(target=typed, args=(open(sys.argv[1], "a"),), daemon=True).start()
n = 0
while True:
    n += 1
    print(f"T{n} {time.time_ns()}", flush=True)
    time.sleep(0.005)
`

// Terminal is a terminal socket. Tape has the ticks of the program that runs in it.
type Terminal struct {
	*Socket
	Tape *Tape
	Text chan string // output other than ticks, as it comes; dropped when full
}

// NewTerminal starts a terminal at the server and returns its name.
func (v *Visit) NewTerminal(ctx context.Context) (string, error) {
	var made struct{ Name string }
	err := v.Must(ctx, http.MethodPost, "api/terminals", nil, &made)
	return made.Name, err
}

// OpenTerminal opens a socket to a terminal.
func (v *Visit) OpenTerminal(ctx context.Context, name string) (*Terminal, error) {
	t := &Terminal{Tape: &Tape{}, Text: make(chan string, 256)}
	socket, err := v.Socket(ctx, "terminal", "terminals/websocket/"+name, t.take)
	t.Socket = socket
	return t, err
}

func (t *Terminal) take(_ websocket.MessageType, data []byte) {
	var m []any
	if json.Unmarshal(data, &m) != nil || len(m) < 2 || m[0] != "stdout" {
		return
	}
	text, _ := m[1].(string)
	t.Tape.Take(text)
	select {
	case t.Text <- text:
	default:
	}
}

// Type types text into the terminal.
func (t *Terminal) Type(ctx context.Context, text string) error {
	message, err := json.Marshal([]string{"stdin", text})
	if err != nil {
		return err
	}
	return t.Send(ctx, string(message))
}

// StartTicks starts the program that emits ticks, written in the hub's folder; stamps that clients type go to the file book.
func (t *Terminal) StartTicks(ctx context.Context, h *Hub, book string) error {
	program := filepath.Join(h.Dir, "ticks.py")
	if err := os.WriteFile(program, []byte(terminalTicks), 0o644); err != nil {
		return err
	}
	return t.Type(ctx, fmt.Sprintf("stty -echo; exec %s %s %s\r", filepath.Join(h.opt.Venv, "bin", "python"), program, book))
}

// Leave types a stamp, which the program copies into the book, if the message gets there.
func (t *Terminal) Leave(ctx context.Context, stamp int64) error {
	return t.Type(ctx, fmt.Sprintf("%d\r", stamp))
}
