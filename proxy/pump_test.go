package proxy

import (
	"fmt"
	"io"
	"testing"
	"testing/synctest"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

func TestPingsAreAnsweredWhileHeldAndPassedWhileOpen(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		client, server := listen(r.client), listen(r.server)
		r.send(r.server, 0x89, "open")
		wantHeard(t, "client", client, "clear 9 open")
		r.hold()
		r.send(r.server, 0x89, "first")
		wantHeard(t, "server", server, "masked a first")
		r.send(r.server, 0x81, "data")
		synctest.Wait()
		r.send(r.server, 0x89, "second")
		wantHeard(t, "server", server, "masked a second")
		r.send(r.client, 0x89, "client's")
		wantHeard(t, "client", client, "clear a client's")
		r.release()
		wantHeard(t, "client", client, "clear 1 data")
		wantHeard(t, "server", server)
	})
}

func TestAPingThatPassedInPartIsNotAnswered(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		server := listen(r.server)
		r.send(r.server, 0x89, "half")
		_, _ = io.ReadFull(r.client, make([]byte, 3))
		r.hold() // the rest waits
		wantHeard(t, "server", server)
		client := make([]byte, 3)
		r.release()
		if _, err := io.ReadFull(r.client, client); err != nil || string(client) != "alf" {
			t.Errorf("the rest of the ping is %q, %v, want \"alf\"", client, err)
		}
		heard := listen(r.client)
		r.x.Cut(live.ErrServerStopped) // the frame is whole: a close frame fits
		wantHeard(t, "client", heard, "clear 8 "+string(closePayload(closeGoingAway, "The server has stopped.")))
	})
}

// TestAHeldSideIsReadUpToALimit: the bytes beyond it stay with their sender
// and come later, none is lost.
func TestAHeldSideIsReadUpToALimit(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		r.hold()
		const size, count = 1000, 300
		accepted := 0
		go func() {
			for i := range count {
				if _, err := r.client.Write(r.wire(r.client, 0x82, fmt.Sprintf("%0*d", size, i))); err != nil {
					return
				}
				accepted++
			}
		}()
		synctest.Wait()
		// The queue, the reader's 4 KiB, one frame on its way.
		if most := (queueLimit + 4<<10 + 2*size) / size; accepted > most || accepted < queueLimit/(size+8) {
			t.Errorf("%d messages of %d bytes were read while held, want about %d", accepted, size, queueLimit/size)
		}
		server := listen(r.server)
		wantHeard(t, "server", server)
		r.release()
		synctest.Wait()
		for i, got := range take(server) {
			if want := fmt.Sprintf("masked 2 %0*d", size, i); got != want {
				t.Fatalf("message %d is %.40q, want %.40q", i, got, want)
			}
		}
		if accepted != count {
			t.Errorf("%d of %d messages went through", accepted, count)
		}
	})
}

// TestWhoLeavesWhileHeldHasHisWordsDelivered: a client that says something and
// leaves, a server that ends, or both.
func TestWhoLeavesWhileHeldHasHisWordsDelivered(t *testing.T) {
	for _, tt := range []struct{ name, who string }{
		{"client", "c"}, {"server", "s"}, {"both", "cs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pipeTest(t, func(t *testing.T, r *relayRig) {
				r.hold()
				for _, who := range tt.who {
					end := r.client
					if who == 's' {
						end = r.server
					}
					_, _ = end.Write(r.wire(end, 0x81, "last word"))
					_ = end.Close()
				}
				synctest.Wait()
				select {
				case <-r.over:
					t.Error("the relay ended while held, with words to deliver")
				default:
				}
				client, server := listen(r.client), listen(r.server)
				r.release()
				<-r.over
				if tt.who == "c" {
					wantHeard(t, "server", server, "masked 1 last word", "end")
				} else if tt.who == "s" {
					wantHeard(t, "client", client, "clear 1 last word", "end")
				}
			})
		})
	}
}
