package authz

import (
	"context"
	"errors"
	"time"
)

// Unknown tokens of one address: a class that logs in behind one gateway asks
// 100 at once; somebody who guesses gets 10 a second.
const (
	unknownBurst = 100
	unknownRate  = 10
	// unknownLine is how many wait at most: further ones would not have their
	// turn within askLimit.
	unknownLine = unknownRate * int(askLimit/time.Second)
	// maxClients is how many addresses are remembered apart: 200 bytes each.
	maxClients = 10_000
)

// clients are the budgets of the addresses from which unknown tokens come.
type clients map[string]*bucket

// waitClient takes an unknown credential's question from its address.
func (b *Budget) waitClient(ctx context.Context, client string) error {
	wait, account := b.reserve(client)
	if account == nil {
		return ErrBudget
	}
	if wait <= 0 {
		return nil
	}
	turn := time.NewTimer(wait)
	defer turn.Stop()
	select {
	case <-turn.C:
		return nil
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		account.tokens++ // not used
		return errors.Join(ErrBudget, context.Cause(ctx))
	}
}

// reserve takes one question from the client's account, which may have to wait
// for it. The account is nil when the line is too long.
func (b *Budget) reserve(client string) (wait time.Duration, account *bucket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.clients[client]
	if c == nil {
		b.clients.makeRoom(b.clock())
		c = &bucket{tokens: unknownBurst, at: b.clock()}
		b.clients[client] = c
	}
	if c.take(b.clock(), unknownRate, unknownBurst) {
		return 0, c
	}
	b.deferred++
	if c.tokens-1 < -float64(unknownLine) {
		return 0, nil
	}
	c.tokens--
	return time.Duration(-c.tokens / unknownRate * float64(time.Second)), c
}

// makeRoom forgets the address that used least of its account, of a sample:
// whoever used nothing loses nothing by it.
func (c clients) makeRoom(now Instant) {
	if len(c) < maxClients {
		return
	}
	victim, most, seen := "", -float64(unknownLine)-1, 0
	for name, account := range c {
		if level := account.level(now, unknownRate, unknownBurst); level > most {
			victim, most = name, level
		}
		if seen++; seen == dropSample {
			break
		}
	}
	delete(c, victim)
}

// bucket is a token bucket.
type bucket struct {
	tokens float64
	at     Instant
}

func (b *bucket) level(now Instant, rate, burst float64) float64 {
	return min(burst, b.tokens+now.Sub(b.at).Seconds()*rate)
}

func (b *bucket) take(now Instant, rate, burst float64) bool {
	b.tokens, b.at = b.level(now, rate, burst), now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
