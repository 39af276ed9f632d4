package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Finding is one thing that [Redis.Examine] found. Text is one line without
// secrets, for an operator.
type Finding struct {
	Grade Grade
	Text  string
	// Unreachable is set if nothing else could be examined.
	Unreachable bool
}

// Grade says how bad a finding is.
type Grade uint8

// The grades.
const (
	Fine     Grade = iota
	Doubtful       // works, with less than is usually wanted
	Faulty         // something is lost: entries, the bound, or all of it
)

// examineStep bounds one step of an examination.
const examineStep = 2 * time.Second

// Examine looks at what the log needs of Redis: that it answers, its version and
// role, that it does not forget, that every command is allowed and that a
// majority of the data nodes confirms. It writes to keys of its own only, and
// takes them away. ctx bounds it; every step has two seconds at most.
func (r *Redis) Examine(ctx context.Context) []Finding {
	e := examination{r: r, ctx: ctx}
	reply, err := e.step([]any{"INFO"})
	if err != nil && !strings.HasPrefix(refusal(err), "NOPERM") {
		return []Finding{{Grade: Faulty, Text: explain(err, r.place), Unreachable: true}}
	}
	if err == nil {
		e.info(reply)
	}
	e.commands()
	e.majority()
	if len(e.findings) == 0 {
		e.add(Fine, "it answers, and allows everything that the log needs")
	}
	return e.findings
}

// examination is one look at Redis.
type examination struct {
	r        *Redis
	ctx      context.Context //nolint:containedctx // lives as long as one call
	findings []Finding
}

func (e *examination) add(g Grade, format string, args ...any) {
	f := Finding{Grade: g, Text: fmt.Sprintf(format, args...)}
	if !slices.Contains(e.findings, f) {
		e.findings = append(e.findings, f)
	}
}

// step does one command.
func (e *examination) step(command []any) (any, error) {
	ctx, cancel := context.WithTimeout(e.ctx, examineStep)
	defer cancel()
	return first(e.r.send(ctx, command))
}

// info judges what the server says of itself.
func (e *examination) info(reply any) {
	text, _ := reply.(string)
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[key] = value
		}
	}
	version := info["redis_version"]
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < 7 {
		e.add(Faulty, "version %s; the log needs 7 or newer", version)
	}
	if role := info["role"]; role != "" && role != "master" {
		e.add(Faulty, "it is a read-only replica: name the primary, or the Sentinels with master_name=")
	}
	if policy := info["maxmemory_policy"]; strings.HasPrefix(policy, "allkeys") {
		grade := Faulty
		if info["maxmemory"] == "0" { // nothing is evicted, for now
			grade = Doubtful
		}
		e.add(grade, "maxmemory-policy is %s: it may forget the log to make room; set noeviction", policy)
	}
	if info["cluster_enabled"] == "1" && !e.r.place.cluster() {
		e.add(Faulty, "it is a node of a cluster: name a second one with addr=")
	}
	if n := info["connected_slaves"]; n != "" && n != "0" && e.r.nodes.look == nil {
		e.add(Doubtful, "it has %s replica(s), but the URL names neither Sentinels nor a cluster: "+
			"a failover may lose the last entries, and nobody would notice", n)
	}
}

// commands tries every command that is used, on keys of its own.
func (e *examination) commands() {
	for _, command := range sampleCommands(e.r.keys) {
		_, err := e.step(command)
		e.refused(err)
	}
	e.refused(e.subscribe())
}

// refused notes an error of a command. That a script is not known yet is none.
func (e *examination) refused(err error) {
	if err == nil || isUnknownScript(err) {
		return
	}
	if text := refusal(err); text != "" {
		e.add(Faulty, "a command is refused: %s", text)
		return
	}
	e.add(Faulty, "%s", explain(err, e.r.place))
}

// subscribe waits until it hears that it has subscribed.
func (e *examination) subscribe() error {
	ctx, cancel := context.WithTimeout(e.ctx, examineStep)
	defer cancel()
	subscribed := false
	err := e.r.receive(ctx, examineStep, func(string) {
		subscribed = true
		cancel()
	})
	if subscribed {
		return nil
	}
	return err
}

// sampleCommands are all commands that scripts and this package use at data
// nodes, once each.
func sampleCommands(k redisKeys) [][]any {
	const prefix = "examine:"
	hash, stream, sorted, value := k.scratch(prefix+"hash"), k.scratch(prefix+"stream"), k.scratch(prefix+"sorted"), k.scratch(prefix+"value")
	return [][]any{
		{"HSET", hash, "field", "1"}, {"HGET", hash, "field"}, {"HMGET", hash, "field"}, {"HEXISTS", hash, "field"},
		{"HLEN", hash}, {"HGETALL", hash}, {"HINCRBY", hash, "field", 1}, {"HDEL", hash, "field"},
		{"XADD", stream, "MAXLEN", 1, "*", "field", "1"}, {"XRANGE", stream, "-", "+"}, {"XREVRANGE", stream, "+", "-"},
		{"ZADD", sorted, "GT", 1, "name"}, {"ZSCORE", sorted, "name"}, {"ZCARD", sorted},
		{"ZRANGEBYSCORE", sorted, 0, "+inf"}, {"ZREM", sorted, "name"}, {"ZPOPMIN", sorted, 1},
		{"SET", value, "1", "PX", 1000}, {"GET", value}, {"EVAL", "return 1", 0}, {"EVALSHA", strings.Repeat("0", 40), 0},
		{"PUBLISH", k.channel, ""}, {"WAIT", 0, 1}, {"INFO"}, {"UNLINK", hash, stream, sorted, value},
	}
}

// majority tries whether a write is confirmed.
func (e *examination) majority() {
	if e.r.nodes.look == nil {
		return
	}
	ctx, cancel := context.WithTimeout(e.ctx, examineStep)
	defer cancel()
	key := e.r.keys.scratch("examine:confirmed")
	_, err := e.r.confirm(ctx, []any{"SET", key, "1", "PX", 1000})
	switch {
	case errors.Is(err, ErrUnconfirmed):
		e.add(Faulty, "%v: revocations reach other replicas within T only", err)
	case err != nil:
		e.refused(err)
	}
	switch replicas, _ := e.r.nodes.replicas(); {
	case err != nil:
	case replicas == 0:
		e.add(Doubtful, "one data node only: what is written last is lost with it")
	case e.r.nodes.count() == 2:
		e.add(Doubtful, "two data nodes: while one is away there is no majority, "+
			"and revocations reach other replicas within T only; three are better")
	}
}
