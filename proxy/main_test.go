package proxy_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails when the tests leave goroutines of ours behind: a proxy that
// has ended must have ended.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leftBehind(patience); left != "" {
			fmt.Fprintf(os.Stderr, "goroutines are left behind:\n\n%s\n", left)
			code = 1
		}
	}
	os.Exit(code)
}

// leftBehind returns the stacks of goroutines that run the proxy's code and were
// not begun by a test, if some remain after the time: ending takes a moment.
func leftBehind(limit time.Duration) string {
	var left []string
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for end := time.Now().Add(limit); time.Now().Before(end); <-retry.C {
		left = nil
		buf := make([]byte, 4<<20)
		for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")[1:] {
			if strings.Contains(stack, "share-proxy/proxy") && !strings.Contains(stack, "_test.go") {
				left = append(left, stack)
			}
		}
		if left == nil {
			return ""
		}
	}
	return strings.Join(left, "\n\n")
}
