package authz

// maxTaking bounds the answers that are looked for at other replicas at one
// time: strangers with made-up tokens must not take the store's connections
// from the ledger. Beyond it the Hub is asked, by the budget.
const maxTaking = 64

// mayTake reports whether what another replica left may answer q. A doubt is
// answered by the Hub: whoever can write the store could keep an old answer
// back until it suits him. Without a lease the store is not asked, so that
// one that hangs delays nobody. The caller holds mu.
func (a *Authorizer) mayTake(k *known, q Question) bool {
	if a.opts.Shared == nil || q.Cause == CauseRevocation || !a.Leased() {
		return false
	}
	if k.answer == nil {
		return q.After == 0
	}
	d := Decide(k.answer, q.Server)
	return k.answer.Seq >= q.After && a.gens.Current(&d)
}

// take looks for an answer that another replica left. It reports whether it
// has ended c by one.
func (a *Authorizer) take(c *call) bool {
	if c.stage != looking { // not changed since it began but below
		return false
	}
	var found *Answer
	select {
	case a.taking <- struct{}{}:
		found = a.opts.Shared.Take(a.ctx, c.key)
		<-a.taking
	default:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if k := a.known[c.key]; found == nil || k == nil || !a.renew(k, c, found) {
		c.stage = inLine
		return false
	}
	a.finish(c)
	c.shared = true
	close(c.done)
	return true
}

// renew makes the answer at hand younger by one of another replica, unless the
// Hub would have to be asked again at once. It takes nothing over an entry: the
// position is that of the answer at hand, or of the beginning of the question
// where there is none, so that every doubt that has come up since remains one.
// The caller holds mu.
func (a *Authorizer) renew(k *known, c *call, found *Answer) bool {
	taken := *found
	taken.Seq = min(taken.Seq, c.seq)
	if k.answer != nil {
		taken.Seq = min(taken.Seq, k.answer.Seq)
	}
	d := Decide(&taken, c.q.Server)
	if a.Ripe(&d) || k.answer != nil && !taken.newer(k.answer) {
		return false
	}
	a.keep(k, &taken)
	return true
}

// mark returns where this replica stands, or the zero Mark if nothing is to be
// left for others.
func (a *Authorizer) mark() Mark {
	if a.opts.Shared == nil || !a.Leased() {
		return Mark{}
	}
	return a.opts.Shared.Mark()
}

// leave leaves an answer of the Hub for the other replicas. Those about
// strangers' tokens are not: they would fill the store.
func (a *Authorizer) leave(key Key, answer *Answer, asked Mark) {
	if asked != (Mark{}) && answer.Kind != KindNobody && a.Leased() {
		a.opts.Shared.Leave(a.ctx, key, answer, asked)
	}
}
