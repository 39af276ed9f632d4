package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

// handshakeLimit is how long a server may take to accept a WebSocket: a
// kernel's first one waits until the kernel runs.
const handshakeLimit = 60 * time.Second

// upstream is the server's side of a WebSocket.
type upstream struct {
	conn   *live.Conn
	reader *bufio.Reader
}

// handshake sends the client's handshake to the server, over a connection of
// its own, and reads the answer.
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
	out := &http.Request{
		Method: http.MethodGet, Header: make(http.Header, len(v.head)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	v.address(out)
	return shake(ctx, conn, out)
}

// shake sends a request and reads the head of its answer, until ctx ends or
// handshakeLimit is over. It closes the connection if it fails.
func shake(ctx context.Context, conn *live.Conn, out *http.Request) (upstream, *http.Response, error) {
	limit, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	stop := context.AfterFunc(limit, func() { _ = conn.Conn.Close() })
	defer stop()
	limited := &headReader{from: conn, left: headLimit}
	reader := bufio.NewReaderSize(limited, readBuffer)
	err := out.Write(conn)
	var res *http.Response
	if err == nil {
		res, err = http.ReadResponse(reader, out)
	}
	if err != nil {
		_ = conn.Conn.Close()
		return upstream{}, nil, causeOr(limit, err)
	}
	limited.left = math.MaxInt64
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

// causeOr returns why ctx ended, or err if it did not.
func causeOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
