package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/head"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

const (
	// readBuffer is for the heads of frames and for small frames: what is
	// larger is read past it.
	readBuffer = 1 << 10
	// asideLimit bounds the writing of our own frames.
	asideLimit = 20 * time.Millisecond
	// closeLimit is how long a client may take to answer our close frame
	// before its connection is closed all the same.
	closeLimit = 30 * time.Millisecond
)

// forwardSocket opens a WebSocket at the upstream and relays it until a side
// ends or the exchange is cut.
func (p *Proxy) forwardSocket(ctx context.Context, v *visit, f filter) error {
	up, res, err := p.handshake(ctx, v)
	if err != nil {
		return err
	}
	defer up.conn.Close()
	if res.StatusCode != http.StatusSwitchingProtocols {
		defer context.AfterFunc(ctx, func() { _ = up.conn.Close() })()
		return p.refusedSocket(v, res, f)
	}
	answered := listHeader(res.Header)
	if !head.SwitchedTo(v.head, answered) {
		return fmt.Errorf("%w: not the handshake's answer", errUpstream)
	}
	h, err := f(v, answer{status: res.StatusCode, head: answered})
	if err != nil {
		return err
	}
	if err := v.exchange.Await(); err != nil {
		return err // there is still an answer that can say why
	}
	client, err := takeOver(v)
	if err != nil {
		return fmt.Errorf("taking over the connection: %w", err)
	}
	defer v.conn.Close()
	p.metrics.sockets.Inc()
	v.writer.status = res.StatusCode
	if err := writeSwitch(v.conn, head.Answer(h, true)); err != nil {
		return nil //nolint:nilerr // the client is gone, or cut: there is nobody to answer
	}
	v.head, v.request.Header = nil, nil // a socket lives long and needs them no more
	relay(v, client, up)
	return nil
}

// takeOver takes the client's connection from net/http, with what has been
// read of it. The rest is read from the connection itself: net/http's reader
// ends the request's context, and with it the exchange, when the client has
// said its last word, but the answer to that is still to come.
//
// net/http keeps its two buffers of 4 KiB for as long as the handler runs, so
// they are emptied here: a silent socket has small ones.
func takeOver(v *visit) (*bufio.Reader, error) {
	conn, buffered, err := v.writer.Hijack()
	if err != nil {
		return nil, err
	}
	v.hijacked = true
	early, _ := buffered.Peek(buffered.Reader.Buffered()) // they are there
	from := io.Reader(conn)
	if len(early) > 0 {
		from = io.MultiReader(bytes.NewReader(early), conn)
	}
	*buffered.Reader = *bufio.NewReaderSize(from, readBuffer)
	*buffered.Writer = bufio.Writer{}
	return buffered.Reader, nil
}

// refusedSocket passes the answer of a server that did not open a WebSocket.
// The client's next bytes are a new request.
func (p *Proxy) refusedSocket(v *visit, res *http.Response, f filter) error {
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 599 {
		return fmt.Errorf("%w: status %d", errUpstream, res.StatusCode)
	}
	h, err := f(v, answer{status: res.StatusCode, head: listHeader(res.Header), hasBody: true})
	if err != nil {
		return err
	}
	setHeader(v.writer.Header(), head.Answer(h, false))
	v.writer.WriteHeader(res.StatusCode)
	if _, err := io.Copy(v.writer, res.Body); err != nil {
		panic(http.ErrAbortHandler) // a broken answer must not look complete
	}
	return nil
}

// relay moves frames both ways. It returns when both directions have ended and
// the client's connection has had its goodbye.
func relay(v *visit, client *bufio.Reader, up upstream) {
	x := v.exchange
	down := newPump(x, v.conn, false, func() {})
	upward := newPump(x, up.conn, true, v.touch)
	down.back, upward.back = upward, down
	down.from.r, upward.from.r = up.reader, client
	heard := make(chan struct{})
	var over, downEnds sync.WaitGroup
	over.Add(1)
	stop := context.AfterFunc(x.Context(), func() {
		defer over.Done()
		farewell(v, down, upward, heard)
	})
	downEnds.Go(func() {
		_ = down.run()
		halfClose(x, v.conn)
	})
	_ = upward.run()
	halfClose(x, up.conn)
	if x.Cause() != nil {
		upward.discard()
	}
	close(heard)
	downEnds.Wait() // a cut until then is farewell's
	if stop() {
		over.Done()
	}
	over.Wait()
}

// halfOpenLimit is how long one side may go on after the other one has ended.
const halfOpenLimit = 5 * time.Second

// halfClose tells a side that nothing more comes from the other one, unless
// that is farewell's to say.
func halfClose(x *live.Exchange, to *live.Conn) {
	if x.Cause() == nil {
		_ = to.CloseWrite()
		_ = to.SetReadDeadline(time.Now().Add(halfOpenLimit))
	}
}

// farewell ends both sides after a cut. The server's side closes at once. The
// client is told why and that nothing more comes, and its connection closes
// when it was heard out, or soon: not by a reset, which the close frame might
// not survive. Where a side cannot be told, it does not read: what it has not
// read of the past is thrown away with its connection.
func farewell(v *visit, down, upward *pump, heard <-chan struct{}) {
	code, reason := v.closing(context.Cause(v.exchange.Context()))
	if !upward.goodbye(closePayload(closeGoingAway, "")) {
		upward.to.Discard()
	}
	_ = upward.to.Conn.Close()
	if down.goodbye(closePayload(code, reason)) {
		_ = v.conn.CloseWrite()
		limit := time.NewTimer(closeLimit)
		select {
		case <-heard:
		case <-limit.C:
		}
		limit.Stop()
	} else {
		v.conn.Discard()
	}
	_ = v.conn.Conn.Close()
}

// writeSwitch writes the head of a 101.
func writeSwitch(to io.Writer, h head.Head) error {
	b := []byte("HTTP/1.1 101 Switching Protocols\r\n")
	for _, field := range h {
		b = append(b, field.Name...)
		b = append(b, ": "...)
		b = append(b, field.Value...)
		b = append(b, "\r\n"...)
	}
	_, err := to.Write(append(b, "\r\n"...))
	return err
}
