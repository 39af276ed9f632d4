package rig

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Room is a socket to a document's room. It speaks just enough of the Yjs protocols: it answers the server's sync
// step, inserts text, and sends and receives ticks as awareness states.
//
// Encodings are lib0's: numbers are LEB128, strings and byte arrays have their length before them
// (https://github.com/yjs/y-protocols/blob/master/PROTOCOL.md).
type Room struct {
	*Socket
	Tape *Tape // ticks that others sent as awareness states

	name   string
	client uint64
	clock  uint64

	mu   sync.Mutex
	seen string // every sync message, as text: inserted strings are in it as they are
}

// The types of messages and sync messages.
const (
	msgSync, msgAwareness        = 0, 1
	syncStep1, syncStep2, syncUp = 0, 1, 2
)

// OpenRoom joins the room of a text file.
func (v *Visit) OpenRoom(ctx context.Context, path string) (*Room, error) {
	var session struct {
		FileID    string `json:"fileId"`
		SessionID string `json:"sessionId"`
	}
	body := map[string]any{"format": "text", "type": "file"}
	if err := v.Must(ctx, http.MethodPut, "api/collaboration/session/"+path, body, &session); err != nil {
		return nil, err
	}
	var id [4]byte
	_, _ = rand.Read(id[:])
	r := &Room{Tape: &Tape{}, name: v.Name, client: uint64(binary.LittleEndian.Uint32(id[:])) | 1}
	started := make(chan struct{})
	target := "api/collaboration/room/text:file:" + session.FileID + "?sessionId=" + url.QueryEscape(session.SessionID)
	socket, err := v.Socket(ctx, "room", target, func(_ websocket.MessageType, data []byte) {
		<-started
		r.take(ctx, data)
	})
	if err != nil {
		return nil, err
	}
	r.Socket = socket
	close(started)
	// Step 1 with an empty state vector: send me everything.
	return r, r.SendBinary(ctx, []byte{msgSync, syncStep1, 1, 0})
}

func (r *Room) take(ctx context.Context, data []byte) {
	switch {
	case len(data) > 1 && data[0] == msgSync && data[1] == syncStep1:
		_ = r.SendBinary(ctx, []byte{msgSync, syncStep2, 2, 0, 0}) // step 2: an update without content
	case len(data) > 1 && data[0] == msgSync:
		r.mu.Lock()
		r.seen += string(data)
		r.mu.Unlock()
	case len(data) > 0 && data[0] == msgAwareness:
		r.Tape.Take(awarenessTicks(string(data), r.name))
	}
}

var awarenessState = regexp.MustCompile(`{"tick":"([^"]*)","by":"([^"]*)"}`)

// awarenessTicks returns the ticks of others in an awareness message, as lines.
func awarenessTicks(data, me string) string {
	var lines strings.Builder
	for _, m := range awarenessState.FindAllStringSubmatch(data, -1) {
		if m[2] != me {
			lines.WriteString(m[1] + "\n")
		}
	}
	return lines.String()
}

// Insert inserts text into the document as its own client's first edit: an item without neighbours in the shared text "source".
func (r *Room) Insert(ctx context.Context, text string) error {
	update := []byte{1, 1} // one client, one item
	update = binary.AppendUvarint(update, r.client)
	update = append(update, 0, 4, 1) // clock 0; a string without origins; its parent is named
	update = appendString(update, "source")
	update = appendString(update, text)
	update = append(update, 0) // nothing deleted
	return r.SendBinary(ctx, appendString([]byte{msgSync, syncUp}, string(update)))
}

// Tick sends a tick to everybody in the room. One goroutine at a time.
func (r *Room) Tick(ctx context.Context, number int, stamp int64) error {
	r.clock++
	state := fmt.Sprintf(`{"tick":"T%d %d","by":"%s"}`, number, stamp, r.name)
	update := []byte{1}
	update = binary.AppendUvarint(update, r.client)
	update = binary.AppendUvarint(update, r.clock)
	update = appendString(update, state)
	return r.SendBinary(ctx, appendString([]byte{msgAwareness}, string(update)))
}

// WaitText waits until a text has come through the room.
func (r *Room) WaitText(ctx context.Context, text string, limit time.Duration) error {
	return waitFor(ctx, limit, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !strings.Contains(r.seen, text) {
			return fmt.Errorf("%q did not come through the room", text)
		}
		return nil
	})
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func randomID() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
