package ledger_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger/ledgertest"
)

// TestRule7ForgedEntry: what was not sealed for its place is a gap: nothing of
// it is applied, every guest is doubted, and nothing is fresh before.
func TestRule7ForgedEntry(t *testing.T) {
	type forgery struct {
		forge func(d *ledgertest.Data)
		real  int // entries that are still at their places
	}
	for name, test := range map[string]forgery{
		"an entry was changed": {func(d *ledgertest.Data) {
			last := &d.Log[len(d.Log)-1]
			last.Sealed = ledgertest.Flip(last.Sealed)
		}, 1},
		"an entry was replaced by an older one": {func(d *ledgertest.Data) {
			d.Log[len(d.Log)-1].Sealed = d.Log[0].Sealed
		}, 1},
		"an entry and its id were replaced by an older one": {func(d *ledgertest.Data) {
			last := &d.Log[len(d.Log)-1]
			last.Sealed, last.ID = d.Log[0].Sealed, d.Log[0].ID
			d.Head.ID = last.ID
		}, 1},
		"two entries were swapped": {func(d *ledgertest.Data) {
			n := len(d.Log)
			d.Log[n-1].Sealed, d.Log[n-2].Sealed = d.Log[n-2].Sealed, d.Log[n-1].Sealed
			d.Log[n-1].ID, d.Log[n-2].ID = d.Log[n-2].ID, d.Log[n-1].ID
			d.Head.ID = d.Log[n-1].ID
		}, 0},
		"an entry was taken out": {func(d *ledgertest.Data) {
			n := len(d.Log)
			d.Log = append(d.Log[:n-2:n-2], d.Log[n-1])
		}, 0},
		"an entry was made up": {func(d *ledgertest.Data) {
			d.Head = ledger.Position{Number: d.Head.Number + 1, ID: "123456789012"}
			d.Log = append(d.Log, ledger.SealedEntry{Position: d.Head, Sealed: []byte(strings.Repeat("x", 100))})
		}, 2},
		"an entry is empty": {func(d *ledgertest.Data) { d.Log[len(d.Log)-1].Sealed = nil }, 1},
		"an id is empty":    {func(d *ledgertest.Data) { d.Log[len(d.Log)-1].ID, d.Head.ID = "", "" }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			rule(t, func(t *testing.T, c *cluster) {
				a, b := c.two()
				b.revoke(carol)
				c.pass(every)
				a.client.BlackHole(true)
				cut, doubts := a.clock(), len(a.entries(guest))
				go b.revoke(bob)
				go b.revoke(bob)
				c.pass(every)
				b.client.BlackHole(true)
				carols, bobs := len(a.entries(carol)), len(a.entries(bob))
				c.store.Edit(test.forge)
				a.client.BlackHole(false)
				c.pass(bound)
				if got := a.entries(guest)[doubts:]; len(got) == 0 || got[0].fresh > cut {
					t.Errorf("doubts %+v, want one before the lease is renewed", got)
				}
				if len(a.entries(carol)) != carols || len(a.entries(bob)) > bobs+test.real {
					t.Errorf("%d entries about carol and %d about bob, want %d and at most %d",
						len(a.entries(carol)), len(a.entries(bob)), carols, bobs+test.real)
				}
				if a.age() > every+wait {
					t.Errorf("lease %v old after the doubt", a.age())
				}
			})
		})
	}
}

// TestRule7ForgedRecord: a record that was not written for its name is missing
// to who loads it. A missing route is repaired by the Hub; a wrong one hands a
// credential to another server.
func TestRule7ForgedRecord(t *testing.T) {
	for name, forge := range map[string]func(records map[string][]byte, x, y string){
		"a record was changed": func(records map[string][]byte, x, y string) {
			records[x] = ledgertest.Flip(records[x])
			delete(records, y)
		},
		"two records were swapped": func(records map[string][]byte, x, y string) {
			records[x], records[y] = records[y], records[x]
		},
		"the number of a record was raised": func(records map[string][]byte, x, y string) {
			for _, field := range []string{x, y} {
				changed := bytes.Clone(records[field])
				changed[7] += 5
				records[field] = changed
			}
		},
		"records are cut": func(records map[string][]byte, x, y string) {
			records[x], records[y] = records[x][:7], nil
		},
		"a record was copied to another kind": func(records map[string][]byte, x, y string) {
			records[strings.Replace(x, "route", "grant", 1)] = records[x]
			delete(records, x)
			delete(records, y)
		},
	} {
		t.Run(name, func(t *testing.T) {
			rule(t, func(t *testing.T, c *cluster) {
				a := c.start("a")
				a.write("/x", "one")
				a.write("/y", "two")
				a.write("/z", "three")
				a.kill()
				c.store.Edit(func(d *ledgertest.Data) {
					var x, y string
					for field := range d.Records {
						switch {
						case strings.HasSuffix(field, "/x"):
							x = field
						case strings.HasSuffix(field, "/y"):
							y = field
						}
					}
					forge(d.Records, x, y)
				})
				c.start("b").wantTable("after a forgery", map[string]string{"/z": "three"})
			})
		})
	}
}

// TestRule7NothingIsReadable: neither names nor values of anything are stored
// as they are. (Names of records are: they are paths, and no secrets.)
func TestRule7NothingIsReadable(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, _ := c.two()
		a.begin(bob)
		a.revoke(session)
		a.write("/x", "SECRET-value")
		a.ask()
		d := c.store.Copy()
		var all [][]byte
		for _, e := range d.Log {
			all = append(all, e.Sealed)
		}
		for place, sealed := range d.Answers {
			all = append(all, []byte(place), sealed.Sealed)
		}
		for id, sealed := range d.Intents {
			all = append(all, []byte(id), sealed)
		}
		for _, sealed := range d.Records {
			all = append(all, sealed)
		}
		for mark := range d.Marks {
			all = append(all, []byte(mark))
		}
		for _, stored := range all {
			for _, plain := range []string{"session-1", "SECRET", "access:", "subjects", string(key[:])} {
				if bytes.Contains(stored, []byte(plain)) {
					t.Errorf("%q is stored in %q", plain, stored)
				}
			}
		}
	})
}

// TestRule7Rotation: while the secret is changed, replicas with the new one in
// front and with the old one in front understand each other.
func TestRule7Rotation(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		c.secrets = [][]byte{[]byte("old"), []byte("new")}
		a := c.start("a")
		a.write("/x", "by a")
		c.secrets = [][]byte{[]byte("new"), []byte("old")}
		b := c.start("b")
		c.pass(bound)
		b.wantTable("with the new secret in front", map[string]string{"/x": "by a"})
		b.write("/y", "by b")
		a.wantTable("with the old secret in front", map[string]string{"/x": "by a", "/y": "by b"})
		a.revoke(bob).wantState(t, "old to new", ledger.Done, 0)
		b.revoke(bob).wantState(t, "new to old", ledger.Done, 0)
		if len(a.entries(bob)) != 2 || len(b.entries(bob)) != 2 {
			t.Errorf("%d and %d entries, want 2", len(a.entries(bob)), len(b.entries(bob)))
		}
	})
}

// TestRule7Stranger: a replica with another secret reads nothing, and is not
// taken for one that has confirmed something it could read; those with the same
// secret go on.
func TestRule7Stranger(t *testing.T) {
	rule(t, func(t *testing.T, c *cluster) {
		a, b := c.two()
		a.write("/x", "by a")
		c.secrets = [][]byte{[]byte("of somebody else")}
		d := c.start("c")
		d.wantTable("with another secret", map[string]string{})
		if v := a.revoke(bob); v.State == ledger.Within || v.took > 2*bound {
			t.Errorf("revoked with a stranger: %+v", v)
		}
		c.pass(10 * time.Second)
		if len(b.entries(bob)) != 1 {
			t.Errorf("%d entries at b, want 1", len(b.entries(bob)))
		}
		a.wantTable("with a stranger", map[string]string{"/x": "by a"})
		b.wantTable("with a stranger", map[string]string{"/x": "by a"})
	})
}
