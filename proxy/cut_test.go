package proxy

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/live"
)

// TestACutEndsEverythingWhateverIsUnderWay: no deadlock, and no goroutine
// remains (the bubble would tell).
func TestACutEndsEverythingWhateverIsUnderWay(t *testing.T) {
	for _, tt := range []struct {
		name  string
		begin func(r *relayRig)
	}{
		{"idle", readBoth},
		{"held", func(r *relayRig) { readBoth(r); r.hold() }},
		{"both queues full", func(r *relayRig) {
			readBoth(r)
			r.hold()
			r.send(r.client, 0x82, string(make([]byte, 9*fragment)))
			r.send(r.server, 0x82, string(make([]byte, 9*fragment)))
		}},
		{"writers stuck at peers that do not read", func(r *relayRig) {
			r.send(r.client, 0x82, string(make([]byte, fragment)))
			r.send(r.server, 0x82, string(make([]byte, fragment)))
			readOneByte(r)
		}},
		{"queues on their way out to peers that do not read", func(r *relayRig) {
			r.hold()
			r.send(r.client, 0x82, string(make([]byte, 9*fragment)))
			r.send(r.server, 0x82, string(make([]byte, 9*fragment)))
			synctest.Wait()
			r.release()
			readOneByte(r)
		}},
		{"half a frame read", func(r *relayRig) {
			readBoth(r)
			go func() { _, _ = r.client.Write([]byte{0x82}) }()
		}},
		{"client gone, the server yet to end", func(r *relayRig) { readBoth(r); _ = r.client.Close() }},
		{"server gone, the client yet to end", func(r *relayRig) { readBoth(r); _ = r.server.Close() }},
		{"client gone while held", func(r *relayRig) {
			readBoth(r)
			r.hold()
			_, _ = r.client.Write(r.wire(r.client, 0x81, "x"))
			_ = r.client.Close()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pipeTest(t, func(t *testing.T, r *relayRig) {
				tt.begin(r)
				synctest.Wait()
				began := time.Now()
				r.x.Cut(live.ErrRevoked)
				<-r.over
				if took := time.Since(began); took > closeLimit {
					t.Errorf("the relay ended %v after the cut, want at most %v", took, closeLimit)
				}
			})
		})
	}
}

func readBoth(r *relayRig) { listen(r.client); listen(r.server) }

// readOneByte leaves a frame under way towards both ends.
func readOneByte(r *relayRig) {
	for _, end := range []net.Conn{r.client, r.server} {
		_, _ = end.Read(make([]byte, 1))
	}
}

// TestACloseFrameNeverStandsInsideAFrame (gates: "a close frame always finds a
// boundary").
func TestACloseFrameNeverStandsInsideAFrame(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		wire := r.wire(r.server, 0x82, string(make([]byte, 1000)))
		r.send(r.server, 0x82, string(make([]byte, 1000)))
		got := make([]byte, 500)
		_, _ = io.ReadFull(r.client, got)
		r.x.Cut(live.ErrRevoked)
		rest, _ := io.ReadAll(r.client)
		if all := append(got, rest...); !bytes.HasPrefix(wire, all) {
			t.Errorf("behind %d bytes of a frame the client got %x", len(got), rest)
		}
	})
}

// TestTheClosingIsToldAndHeardOut: the client gets the code, its own frames
// behind the cut pass nowhere, and the connection ends with its answer.
func TestTheClosingIsToldAndHeardOut(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		client, server := listen(r.client), listen(r.server)
		began := time.Now()
		r.x.Cut(live.ErrRevoked)
		wantHeard(t, "client", client, "clear 8 "+string(closePayload(closePolicy, "Your access to this server has ended.")))
		wantHeard(t, "server", server, "masked 8 "+string(closePayload(closeGoingAway, "")), "end")
		r.send(r.client, 0x81, "too late")
		synctest.Wait()
		select {
		case <-r.over:
			t.Error("the connection closed before the client had answered")
		default:
		}
		r.send(r.client, 0x82, string(make([]byte, 2*fragment)))
		synctest.Wait()
		r.send(r.client, 0x88, string(closePayload(closePolicy, "")))
		<-r.over
		if took := time.Since(began); took != 0 {
			t.Errorf("the connection closed %v after the client's answer, want at once", took)
		}
		wantHeard(t, "client", client, "end")
	})
}

func TestAClientThatAnswersACloseIsClosedAtOnce(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		readBoth(r)
		began := time.Now()
		r.x.Cut(live.ErrRevoked)
		r.send(r.client, 0x88, string(closePayload(closePolicy, "")))
		<-r.over
		if took := time.Since(began); took != 0 {
			t.Errorf("the connection closed %v after the client's answer, want at once", took)
		}
	})
}

// TestADirectionThatCannotBeWrittenEnds: what a client goes on to say to a
// server that is gone is not piled up.
func TestADirectionThatCannotBeWrittenEnds(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		listen(r.client)
		r.hold()
		_, _ = r.client.Write(r.wire(r.client, 0x81, "for nobody"))
		_ = r.server.Close()
		synctest.Wait()
		began := time.Now()
		r.release()
		synctest.Wait()
		r.send(r.client, 0x81, "more")
		<-r.over
		if took := time.Since(began); took != 0 {
			t.Errorf("the relay went on for %v", took)
		}
	})
}

func TestAClientThatDoesNotAnswerACloseIsClosedSoon(t *testing.T) {
	pipeTest(t, func(t *testing.T, r *relayRig) {
		client := listen(r.client)
		listen(r.server)
		began := time.Now()
		r.x.Cut(live.ErrRevoked)
		<-r.over
		if took := time.Since(began); took != closeLimit {
			t.Errorf("closed after %v, want %v", took, closeLimit)
		}
		synctest.Wait()
		if got := take(client); len(got) != 2 || got[1] != "end" {
			t.Errorf("the client heard %q, want a close frame and the end", got)
		}
	})
}
