package authz

// The bounds of what is kept.
const (
	// maxAnswers bounds the answers: 200 bytes to 1 KB each. Beyond it one is
	// dropped and asked again when it is needed.
	maxAnswers = 50_000
	// maxSessions bounds the sessions that vouch: 100 bytes each. Beyond it all
	// are forgotten and named again by the next answers.
	maxSessions = 50_000
	// dropSample is how many answers are looked at to find one to drop.
	dropSample = 16
)

// insert makes room for a credential of which nothing is known; the caller holds mu.
func (a *Authorizer) insert(key Key) *known {
	if len(a.known) >= maxAnswers {
		a.drop()
	}
	k := &known{}
	a.known[key] = k
	return k
}

// drop forgets one of a sample of answers, rather a stranger's than a user's.
// Which one does not matter for what is decided: it costs a question. Entries
// with a question under way are bounded by the budget's lines.
func (a *Authorizer) drop() {
	var victim *Key
	seen := 0
	for key, k := range a.known {
		if k.call == nil {
			victim = &key
			if k.answer == nil || k.answer.Kind == KindNobody {
				break
			}
		}
		if seen++; seen == dropSample {
			break
		}
	}
	if victim != nil {
		delete(a.known, *victim)
	}
}

// vouch remembers a session that the Hub named in an answer; the caller holds
// mu.
func (a *Authorizer) vouch(session string) {
	if session == "" {
		return
	}
	if len(a.sessions) >= maxSessions {
		clear(a.sessions)
	}
	a.sessions[session] = struct{}{}
}
