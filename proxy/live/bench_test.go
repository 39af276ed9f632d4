package live

import (
	"runtime"
	"testing"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

func BenchmarkRequest(b *testing.B) {
	r := newRig()
	client, upstream := NewConn(newStub(takesAll)), NewConn(newStub(takesAll))
	d := allowedAt(0)
	d.Answer.Session, d.Answer.Groups = "s1", []string{"red"}
	b.ReportAllocs()
	for b.Loop() {
		x := r.Open(b.Context(), Info{Server: lab})
		x.Admit(bob, &d)
		x.Release(d)
		client.Attach(x)
		upstream.Attach(x)
		upstream.Detach(x)
		client.Detach(x)
		x.End()
	}
}

func BenchmarkWrite(b *testing.B) {
	r := newRig()
	x := r.open(b, Request)
	c := NewConn(newStub(takesAll))
	c.Attach(x)
	p := make([]byte, 4<<10)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Write(p)
	}
}

// many is how many sockets one process may have.
const many = 10_000

func openMany(b *testing.B, r *rig) []*Exchange {
	d := allowedAt(0)
	d.Answer.Session, d.Answer.Groups = "s1", []string{"red"}
	for range many {
		x := r.Open(b.Context(), Info{Kind: Socket, Server: lab})
		x.Admit(bob, &d)
		x.Release(d)
		NewConn(newStub(takesAll)).Attach(x)
		NewConn(newStub(takesAll)).Attach(x)
	}
	return r.All()
}

func BenchmarkHoldOfTenThousand(b *testing.B) {
	r := newRig()
	openMany(b, r)
	seq := authz.Seq(0)
	b.ReportAllocs()
	for b.Loop() {
		seq++
		xs := r.Concerned([]authz.Subject{{Kind: authz.AboutServer, Name: "alice", Server: "lab"}})
		r.Hold(xs, seq)
		for _, x := range xs {
			x.Release(allowedAt(seq))
		}
	}
}

func BenchmarkMemoryOfTenThousand(b *testing.B) {
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := newRig()
		xs := openMany(b, r)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/many, "B/exchange")
		for _, x := range xs {
			x.End()
		}
	}
}
