package proxy

import (
	"bufio"
	"net"
	"net/http"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/head"
)

// recorder keeps what the access line says of an answer, and filters the
// informational answers (1xx), which net/http writes without asking anybody.
type recorder struct {
	http.ResponseWriter
	inform func(head.Head) head.Head // nil: they pass as they are
	last   bool                      // the connection ends with this answer
	status int
	bytes  int64
}

// WriteHeader implements [http.ResponseWriter].
func (w *recorder) WriteHeader(status int) {
	if status >= 100 && status < 200 {
		if w.inform != nil {
			setHeader(w.Header(), w.inform(listHeader(w.Header())))
		}
	} else if w.status == 0 {
		w.status = status
		if w.last {
			w.Header().Set("Connection", "close")
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// unsure reports whether another reader could see a request's end elsewhere:
// net/http drops a Content-Length beside a Transfer-Encoding, and a
// Transfer-Encoding in HTTP/1.0, before anybody sees them. What follows on such
// a connection is not read: it could be half of somebody else's request.
func unsure(r *http.Request) bool { return len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) }

// fullDuplex lets an answer begin before the request's body has been read, as
// servers do that refuse an upload.
func (w *recorder) fullDuplex() {
	_ = http.NewResponseController(w.ResponseWriter).EnableFullDuplex() // HTTP/1.1 can
}

// Hijack implements [http.Hijacker].
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap is for [http.ResponseController].
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// listHeader turns a header of net/http into a head.
func listHeader(from http.Header) head.Head {
	h := make(head.Head, 0, len(from))
	for name, values := range from {
		for _, value := range values {
			h = append(h, head.Field{Name: name, Value: value})
		}
	}
	return h
}

// setHeader makes to say what h says, and nothing else. Names get the form of
// net/http; Host and the coding of the body are the engine's own.
func setHeader(to http.Header, h head.Head) {
	clear(to)
	for _, f := range h {
		name := http.CanonicalHeaderKey(f.Name)
		to[name] = append(to[name], f.Value)
	}
}
