package ledger_test

import (
	"fmt"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

func (m *model) start(p *place) {
	p.r, p.launched, p.split = m.launch(p.name), m.now(), false
	m.known[p.r] = &known{subjects: make(map[authz.Subject]bool)}
	m.tell("%s starts", p.name)
}

// step does something.
func (m *model) step() {
	p := &m.places[m.random.IntN(len(m.places))]
	if p.r == nil {
		m.start(p)
		return
	}
	switch n := m.random.IntN(100); {
	case n < 35:
		m.revoke(p.r)
	case n < 55:
		m.write(p.r)
	case n < 80:
		m.disturb(p)
	case n < 94:
		m.heal(p)
	case n < 96:
		m.tell("%s dies", p.name)
		r := p.r
		p.r = nil
		r.client.BlackHole(true)
		m.calls.Go(r.stop)
	case n < 97:
		m.tell("%s leaves", p.name)
		r := p.r
		p.r = nil
		m.calls.Go(r.stop)
	case n < 98:
		m.tell("the store is emptied")
		m.store.Wipe()
		m.emptied = m.now()
	default:
		m.tell("%s is left with an old primary", p.name)
		m.store.Split(p.r.client)
		p.r.client.Unconfirmed(true)
		p.split = true
	}
}

// disturb begins a fault.
func (m *model) disturb(p *place) {
	c := p.r.client
	switch m.random.IntN(7) {
	case 0:
		m.tell("%s: black hole", p.name)
		c.BlackHole(true)
	case 1:
		m.tell("%s: refused", p.name)
		c.Refuse(true)
	case 2:
		m.tell("%s: replies lost", p.name)
		c.LoseReplies(true)
	case 3:
		m.tell("%s: messages lost", p.name)
		c.LoseMessages(true)
	case 4:
		before, after := time.Duration(m.random.IntN(120))*time.Millisecond, time.Duration(m.random.IntN(120))*time.Millisecond
		m.tell("%s: delays %v and %v", p.name, before, after)
		c.Delay(before, after)
	case 5:
		m.tell("%s: frozen", p.name)
		c.Freeze()
	case 6:
		m.tell("%s: unconfirmed", p.name)
		c.Unconfirmed(true)
	}
}

// heal ends all faults of one.
func (m *model) heal(p *place) {
	m.tell("%s: healed", p.name)
	c := p.r.client
	if p.split {
		m.store.Join(c)
		p.split = false
	}
	c.BlackHole(false)
	c.Refuse(false)
	c.LoseReplies(false)
	c.LoseMessages(false)
	c.Delay(0, 0)
	c.Thaw()
	c.Unconfirmed(false)
}

// mend ends all faults of all.
func (m *model) mend() {
	for i := range m.places {
		if p := &m.places[i]; p.r == nil {
			m.start(p)
		} else {
			m.heal(p)
		}
	}
}

// revoke has the Hub change something through a replica.
func (m *model) revoke(r *replica) {
	f := &fact{
		subject: authz.Subject{Kind: []authz.SubjectKind{authz.AboutUser, authz.AboutSession}[m.random.IntN(2)], Name: fmt.Sprint("user-", len(m.facts))},
		by:      r, freshest: make(map[*replica]authz.Instant), covered: make(map[*replica]bool),
	}
	m.facts = append(m.facts, f)
	hub := time.Duration(m.random.IntN(50)) * time.Millisecond
	m.calls.Go(func() {
		call, _ := r.Begin(m.t.Context(), ledger.Intent{Subjects: []authz.Subject{f.subject}, Limit: time.Minute})
		time.Sleep(hub)
		m.mu.Lock()
		f.seen = m.now()
		m.mu.Unlock()
		receipt, err := r.Resolve(m.t.Context(), call, ledger.Changed)
		m.mu.Lock()
		defer m.mu.Unlock()
		f.promised, f.state = err == nil && receipt.State != ledger.Within, receipt.State
		m.tell("%s: %s was revoked at %.3f: state %d, error %v", r.name, f.subject.Name, time.Duration(f.seen).Seconds(), receipt.State, err)
	})
}

// write has the Hub write a record through a replica: one of a few that all
// write, or one that nobody else writes.
func (m *model) write(r *replica) {
	m.writes++
	value := fmt.Sprint(m.writes)
	name := fmt.Sprint("/", m.random.IntN(4))
	if m.random.IntN(2) == 0 {
		name = "/only-" + value
		m.written[name] = value
	} else if m.random.IntN(4) == 0 {
		value = ""
	}
	m.tell("%s: writes %s=%q", r.name, name, value)
	m.calls.Go(func() { r.write(name, value) })
}
