package ledger

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxSentinels bounds those that are learned from others: there are three or
	// five.
	maxSentinels = 16
	// askLimit is how long one Sentinel may take. One that is frozen does not keep
	// anybody from the word of the others, if they are a majority.
	askLimit = 400 * time.Millisecond
	// ghostAge is for how long a replica must be down to be counted no more:
	// Sentinels remember every address that a replica ever had.
	ghostAge = time.Hour
)

var errNoPrimary = errors.New("no Sentinel names a primary")

// vote is what one Sentinel says.
type vote struct {
	id       string // of the Sentinel, which may have several addresses
	primary  string
	epoch    uint64 // of its configuration: the higher, the newer
	replicas int
	others   []string // Sentinels
}

// lookAtSentinels asks all Sentinels, goes to the primary that the newest
// configuration names, and returns the number of data nodes, or 0 if no majority
// of the Sentinels says so: a few may be cut off together with an old primary.
func (r *Redis) lookAtSentinels(ctx context.Context) (int, error) {
	votes, err := r.askSentinels(ctx)
	if len(votes) == 0 {
		return 0, fmt.Errorf("%w: %w", errNoPrimary, err)
	}
	best, majority := newest(votes, len(r.place.addrs))
	r.use(best.primary)
	if !majority {
		return 0, nil
	}
	r.acquaint(votes)
	return 1 + best.replicas, nil
}

// newest returns the vote of the highest epoch, with the most replicas that one
// for the same primary knows, and whether more than half of the Sentinels voted
// for it. There are as many as the URL names, or as one of them knows.
func newest(votes []vote, named int) (best vote, majority bool) {
	for _, v := range votes {
		if v.epoch >= best.epoch {
			best = v
		}
	}
	agree := make(map[string]bool)
	for _, v := range votes {
		named = max(named, 1+len(v.others))
		if v.primary == best.primary {
			agree[v.id] = true
			best.replicas = max(best.replicas, v.replicas)
		}
	}
	return best, 2*len(agree) > named
}

// acquaint keeps the addresses of the Sentinels that a majority knows, each of
// which names all but itself, and gives up those that nobody knows any more.
func (r *Redis) acquaint(votes []vote) {
	known := slices.Clone(r.place.addrs)
	for _, v := range votes {
		for _, addr := range v.others {
			if !slices.Contains(known, addr) && len(known) < len(r.place.addrs)+maxSentinels {
				known = append(known, addr)
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = known
	for addr, client := range r.sentinels {
		if !slices.Contains(known, addr) {
			_ = client.Close()
			delete(r.sentinels, addr)
		}
	}
}

// askSentinels asks all at once, those too that the others name, until a majority
// agrees, or all have answered or have not in time. The error is one of those
// who have not.
func (r *Redis) askSentinels(ctx context.Context) (votes []vote, failed error) {
	type answer struct {
		vote
		err error
	}
	r.mu.Lock()
	addrs := slices.Clone(r.known)
	r.mu.Unlock()
	answers := make(chan answer, len(addrs)+maxSentinels) // room for all: nobody may be waiting for them
	asked := make(map[string]bool)
	ask := func(addr string) {
		if asked[addr] || len(asked) >= cap(answers) {
			return
		}
		asked[addr] = true
		go func() {
			ctx, cancel := context.WithTimeout(ctx, askLimit)
			defer cancel()
			v, err := r.askOne(ctx, addr)
			answers <- answer{v, err}
		}()
	}
	for _, addr := range addrs {
		ask(addr)
	}
	for n := 0; n < len(asked); n++ {
		a := <-answers
		if a.err != nil {
			failed = a.err
			continue
		}
		votes = append(votes, a.vote)
		if _, majority := newest(votes, len(r.place.addrs)); majority {
			break
		}
		for _, addr := range a.others {
			ask(addr)
		}
	}
	return votes, failed
}

// askOne asks one Sentinel.
func (r *Redis) askOne(ctx context.Context, addr string) (vote, error) {
	name := r.place.primary
	replies, err := r.askSentinel(ctx, addr, []any{"SENTINEL", "MASTER", name},
		[]any{"SENTINEL", "REPLICAS", name}, []any{"SENTINEL", "SENTINELS", name}, []any{"SENTINEL", "MYID"})
	if err != nil {
		return vote{}, fmt.Errorf("asking the Sentinel %s: %w", addr, err)
	}
	return parseVote(replies)
}

// parseVote reads the four replies.
func parseVote(replies []any) (vote, error) {
	p := replyParser{}
	primary := p.fields(replies[0])
	v := vote{id: p.text(replies[3]), primary: net.JoinHostPort(primary["ip"], primary["port"])}
	var err error
	if v.epoch, err = strconv.ParseUint(primary["config-epoch"], 10, 64); err != nil {
		p.fail(fmt.Errorf("%w: a Sentinel's epoch", errReply))
	}
	for _, replica := range p.list(replies[1]) {
		if !isGhost(p.fields(replica)) {
			v.replicas++
		}
	}
	for _, other := range p.list(replies[2]) {
		f := p.fields(other)
		v.others = append(v.others, net.JoinHostPort(f["ip"], f["port"]))
	}
	return v, p.err
}

// isGhost reports whether a replica is down for so long that it is no node any
// more. One that was down for an hour has to follow the primary again before it
// could become one itself.
func isGhost(replica map[string]string) bool {
	down, err := strconv.ParseInt(replica["s-down-time"], 10, 64)
	return err == nil && strings.Contains(replica["flags"], "s_down") && time.Duration(down)*time.Millisecond > ghostAge
}

// fields reads a list of names and values.
func (p *replyParser) fields(reply any) map[string]string {
	list := p.list(reply)
	m := make(map[string]string, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		m[p.text(list[i])] = p.text(list[i+1])
	}
	return m
}
