package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/head"
	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

const (
	// handshakeLimit is how long a server may take to accept a WebSocket: a
	// kernel's first one waits until the kernel runs.
	handshakeLimit = 60 * time.Second
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
	p.metrics.sockets.Inc()
	_, client, err := v.writer.Hijack()
	if err != nil {
		return fmt.Errorf("taking over the connection: %w", err)
	}
	v.writer.status, v.hijacked = res.StatusCode, true
	defer v.conn.Close()
	if err := writeSwitch(v.conn, head.Answer(h, true)); err != nil {
		return nil //nolint:nilerr // the client is gone, or cut: there is nobody to answer
	}
	p.relay(v, client.Reader, up)
	return nil
}

// upstream is the server's side of a WebSocket.
type upstream struct {
	conn   *live.Conn
	reader *bufio.Reader
}

// handshake sends the client's handshake to the server and reads the answer.
func (p *Proxy) handshake(ctx context.Context, v *visit) (upstream, *http.Response, error) {
	if v.route.Target.Scheme != "http" {
		return upstream{}, nil, errSocketTLS
	}
	raw, err := p.pools.dial(ctx, "tcp", hostPort(v.route.Target))
	if err != nil {
		return upstream{}, nil, causeOr(ctx, err)
	}
	conn := gated(raw)
	conn.Attach(v.exchange)
	stop := context.AfterFunc(ctx, func() { _ = conn.Conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = raw.SetReadDeadline(time.Now().Add(handshakeLimit))
	out := &http.Request{
		Method: http.MethodGet, Host: v.request.Host, Header: make(http.Header, len(v.head)),
		URL:   &url.URL{Scheme: v.route.Target.Scheme, Host: v.route.Target.Host, Opaque: v.uri()},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	setHeader(out.Header, v.head.Without("Host"))
	if !v.head.Has("User-Agent") {
		out.Header["User-Agent"] = nil
	}
	limited := &headReader{from: raw, left: headLimit}
	reader := bufio.NewReaderSize(limited, 4<<10)
	err = out.Write(raw)
	var res *http.Response
	if err == nil {
		res, err = http.ReadResponse(reader, out)
	}
	if err != nil {
		_ = raw.Close()
		return upstream{}, nil, causeOr(ctx, err)
	}
	limited.left = math.MaxInt64
	_ = raw.SetReadDeadline(time.Time{})
	return upstream{conn: conn, reader: reader}, res, nil
}

// headReader bounds what is read of a server before its head is complete.
type headReader struct {
	from io.Reader
	left int64
}

func (r *headReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, fmt.Errorf("%w: head too long", errUpstream)
	}
	n, err := r.from.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
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
func (p *Proxy) relay(v *visit, client *bufio.Reader, up upstream) {
	x := v.exchange
	down := newPump(x, v.conn, false, func() {})
	upward := newPump(x, up.conn, true, v.touch)
	down.back, upward.back = upward, down
	down.from.r, upward.from.r = up.reader, client
	var over sync.WaitGroup
	over.Add(1)
	stop := context.AfterFunc(x.Context(), func() {
		defer over.Done()
		farewell(v, down, upward)
	})
	over.Go(func() {
		_ = down.run()
		if x.Cause() == nil { // the server ended it: let the client read the rest
			_ = v.conn.CloseWrite()
			_ = v.conn.SetReadDeadline(time.Now().Add(halfOpenLimit))
		}
	})
	_ = upward.run()
	if x.Cause() != nil {
		discard(client, v.conn)
	} else {
		_ = up.conn.CloseWrite()
		_ = up.conn.SetReadDeadline(time.Now().Add(halfOpenLimit))
	}
	if stop() {
		over.Done()
	}
	over.Wait()
}

// halfOpenLimit is how long one side may go on after the other one has ended.
const halfOpenLimit = 5 * time.Second

// farewell ends both sides after a cut. The server's side closes at once. The
// client is told why and that nothing more comes; what it has not read of the
// past is thrown away with the connection.
func farewell(v *visit, down, upward *pump) {
	code, reason := v.closing(context.Cause(v.exchange.Context()))
	_ = upward.goodbye(closePayload(closeGoingAway, ""))
	_ = upward.to.Close()
	if !down.goodbye(closePayload(code, reason)) {
		v.conn.Discard()
		_ = v.conn.Conn.Close()
		return
	}
	_ = v.conn.CloseWrite()
	_ = v.conn.SetReadDeadline(time.Now().Add(closeLimit))
}

// discard reads the client's side until its close frame, its end, or the
// deadline that farewell sets: nothing of it passes.
func discard(client *bufio.Reader, conn *live.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(closeLimit))
	rest := frames{r: client}
	for {
		f, err := rest.next()
		if err != nil || f.opcode == opClose {
			return
		}
	}
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

// causeOr returns why ctx ended, or err if it did not.
func causeOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
