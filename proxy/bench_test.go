package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"
)

// BenchmarkGET is a GET of 1 KB on a connection that stays: through the proxy,
// and through httputil.ReverseProxy alone. The last one reports how many times
// longer ours takes.
func BenchmarkGET(b *testing.B) {
	page := strings.Repeat("x", 1<<10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) }))
	b.Cleanup(server.Close)
	var bare, ours time.Duration
	b.Run("ReverseProxy", func(b *testing.B) {
		target, err := url.Parse(server.URL)
		if err != nil {
			b.Fatal(err)
		}
		front := httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
		b.Cleanup(front.Close)
		bare = get(b, front.URL+"/user/alice/api")
	})
	b.Run("Proxy", func(b *testing.B) {
		r := newRig(b)
		r.route("/user/alice", server.URL, aliceData)
		ours = get(b, "http://"+r.addr+"/user/alice/api")
		if bare > 0 {
			b.ReportMetric(float64(ours)/float64(bare), "x-bare")
		}
	})
}

// get sends b.N requests and returns the time that one takes.
func get(b *testing.B, url string) time.Duration {
	b.Helper()
	transport := &http.Transport{DisableCompression: true}
	b.Cleanup(transport.CloseIdleConnections)
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "token alice")
		res, err := transport.RoundTrip(req)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); n != 1<<10 || err != nil || res.StatusCode != 200 {
			b.Fatalf("%d, %d bytes, %v", res.StatusCode, n, err)
		}
		_ = res.Body.Close()
	}
	return b.Elapsed() / time.Duration(b.N)
}
