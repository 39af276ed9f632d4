package ledger

import (
	"context"
	"strconv"
	"strings"
)

// Create implements [Store].
func (r *Redis) Create(ctx context.Context, c Creation) error {
	args := []any{c.Incarnation, decimal(c.At.Number), c.At.ID, c.OriginIncarnation, decimal(c.OriginNumber), len(c.Lost)}
	for _, m := range c.Lost {
		args = append(args, m.ID, decimal(m.Counter)+":0:1:"+m.Name)
	}
	for key, value := range c.Records {
		args = append(args, key, value)
	}
	done, err := r.run(ctx, createScript, confirmed, r.keys.all(), args...)
	switch {
	case err != nil:
		return err
	case done != int64(1):
		return ErrExists
	}
	return nil
}

// Records implements [Store]. Where another incarnation began since, it returns
// an error: no records would mean that there are none.
func (r *Redis) Records(ctx context.Context, incarnation string) (map[string][]byte, error) {
	return r.read(ctx, r.keys.records, incarnation)
}

// Intents implements [Store].
func (r *Redis) Intents(ctx context.Context, incarnation string) (map[string][]byte, error) {
	return r.read(ctx, r.keys.intents, incarnation)
}

func (r *Redis) read(ctx context.Context, key, incarnation string) (map[string][]byte, error) {
	reply, err := r.run(ctx, readScript, unconfirmed, []string{r.keys.state, key}, incarnation)
	if err != nil {
		return nil, err
	}
	p := replyParser{}
	return p.values(reply), p.err
}

// IDs implements [Store].
func (r *Redis) IDs(ctx context.Context, incarnation string, limit int) (map[uint64]string, error) {
	reply, err := r.run(ctx, idsScript, unconfirmed, []string{r.keys.state, r.keys.log}, incarnation, limit)
	if err != nil {
		return nil, err
	}
	p := replyParser{}
	list := p.list(reply)
	ids := make(map[uint64]string, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		number, _ := strings.CutSuffix(p.text(list[i]), "-0")
		ids[p.number(number)] = p.text(list[i+1])
	}
	return ids, p.err
}

// Drop implements [Store].
func (r *Redis) Drop(ctx context.Context, member string, counter uint64) error {
	_, err := r.run(ctx, dropScript, unconfirmed, []string{r.keys.members}, member, decimal(counter))
	return err
}

// Forget implements [Store].
func (r *Redis) Forget(ctx context.Context, member string) error {
	_, err := r.do(ctx, "HDEL", r.keys.members, member)
	return err
}

// Announce implements [Store].
func (r *Redis) Announce(ctx context.Context, incarnation, id string, intent []byte) error {
	done, err := r.run(ctx, announceScript, confirmed, []string{r.keys.state, r.keys.intents}, incarnation, id, intent, keepIntents)
	switch {
	case err != nil:
		return err
	case done != int64(1):
		return ErrFull
	}
	return nil
}

// Withdraw implements [Store]. Ids are random: that of another incarnation is
// not there.
func (r *Redis) Withdraw(ctx context.Context, _ string, ids ...string) error {
	command := []any{"HDEL", r.keys.intents}
	for _, id := range ids {
		command = append(command, id)
	}
	_, err := r.do(ctx, command...)
	return err
}

// StoreAnswer implements [Store].
func (r *Redis) StoreAnswer(ctx context.Context, a SharedAnswer) error {
	args := []any{a.Incarnation, decimal(a.At), a.TTL, a.Sealed, decimal(a.Tick)}
	for _, mark := range a.Touched {
		args = append(args, mark)
	}
	keys := []string{r.keys.state, r.keys.touched, r.keys.answer(a.Incarnation, a.Key)}
	_, err := r.run(ctx, answerScript, unconfirmed, keys, args...)
	return err
}

// Answer implements [Store].
func (r *Redis) Answer(ctx context.Context, incarnation, key string) ([]byte, error) {
	reply, err := r.do(ctx, "GET", r.keys.answer(incarnation, key))
	if err != nil || reply == nil {
		return nil, err
	}
	p := replyParser{}
	return []byte(p.text(reply)), p.err
}

// MergeActivity implements [Store].
func (r *Redis) MergeActivity(ctx context.Context, seen map[string]int64, gone []string, since int64) (map[string]int64, error) {
	args := []any{since, keepActivity, len(seen)}
	for name, at := range seen {
		args = append(args, at, name)
	}
	for _, name := range gone {
		args = append(args, name)
	}
	reply, err := r.run(ctx, activityScript, unconfirmed, []string{r.keys.activity}, args...)
	if err != nil {
		return nil, err
	}
	p := replyParser{}
	list := p.list(reply)
	times := make(map[string]int64, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		at, err := strconv.ParseInt(p.text(list[i+1]), 10, 64)
		if err != nil { // nobody but this program writes them
			continue
		}
		times[p.text(list[i])] = at
	}
	return times, p.err
}
