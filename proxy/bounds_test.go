package proxy

import (
	"net/netip"
	"testing"
)

func TestAnIPv6NetworkIsOneAccount(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"192.0.2.1", "192.0.2.2", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
	} {
		a, b := account(netip.MustParseAddr(tt.a)), account(netip.MustParseAddr(tt.b))
		if (a == b) != tt.same {
			t.Errorf("accounts of %s and %s: %q and %q, want the same: %v", tt.a, tt.b, a, b, tt.same)
		}
	}
	if account(netip.Addr{}) == "" {
		t.Error("a client without an address has no account")
	}
}

// TestTheEndOfACallTellsMoreThanItsAnnouncement: a call whose body trickles
// until its time is over never reached the Hub, and is no doubt.
func TestTheEndOfACallTellsMoreThanItsAnnouncement(t *testing.T) {
	if in := (change{}).intent(); in.Limit <= callLimit {
		t.Errorf("an announcement ends after %v, not later than its call", in.Limit)
	}
}
