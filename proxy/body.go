package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// outgoing returns the request for the engine, with a body that ends with the
// exchange; end must be called when the engine has returned.
func (v *visit) outgoing(ctx context.Context) (out *http.Request, end func()) {
	out = v.request.WithContext(ctx)
	if out.ContentLength == 0 {
		v.whole.Store(true)
		return out, func() {}
	}
	v.writer.fullDuplex()
	b := &body{ReadCloser: out.Body, touch: v.touch, whole: &v.whole}
	out.Body = b
	return out, b.end
}

// body is a request's body on its way. Closing it does not read what is left
// of it, as net/http's own Close does: an upload that is refused or cut would
// hold up the answer for as long as it trickles.
type body struct {
	io.ReadCloser
	touch func() // an upload is activity while it goes on
	ended atomic.Bool
	whole *atomic.Bool // its end was read
}

func (b *body) Read(p []byte) (int, error) {
	if b.ended.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	b.touch()
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.whole.Store(true)
	}
	return n, err
}

func (b *body) Close() error { b.end(); return nil }

func (b *body) end() { b.ended.Store(true) }
