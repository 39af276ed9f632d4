package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Turn implements [Store].
func (r *Redis) Turn(ctx context.Context, t Turn) (View, error) {
	reply, err := r.run(ctx, turnScript, confirmed, r.keys.all(), turnArguments(t, r.keys.channel)...)
	if err != nil {
		return View{}, err
	}
	return parseView(reply)
}

// turnArguments are the arguments of turn.lua.
func turnArguments(t Turn, channel string) []any {
	args := []any{
		t.Incarnation, t.Member, t.Name, bit(t.Joined), decimal(t.At.Number), t.At.ID,
		bit(t.Announce), t.Limit, channel, keepEntries, keepMarks, telling(t.Told), asking(t.Asked), len(t.Append),
	}
	for _, a := range t.Append {
		removed := 0
		for _, value := range a.Records {
			if value == nil {
				removed++
			}
		}
		args = append(args, a.ID, a.Sealed, a.Intent, bit(a.OnlyPending), len(a.Touched), len(a.Records)-removed, removed)
		for _, mark := range a.Touched {
			args = append(args, mark)
		}
		for key, value := range a.Records {
			if value != nil {
				args = append(args, key, value)
			}
		}
		for key, value := range a.Records {
			if value == nil {
				args = append(args, key)
			}
		}
	}
	return args
}

var errReply = errors.New("redis: a reply that no script gives")

// parseView reads the reply of turn.lua.
func parseView(reply any) (View, error) {
	list, _ := reply.([]any)
	if len(list) == 1 && list[0] == "" {
		return View{}, nil
	}
	if len(list) != 11 {
		return View{}, errReply
	}
	p := replyParser{}
	v := View{
		Incarnation: p.text(list[0]), OriginIncarnation: p.text(list[1]), OriginNumber: p.number(list[2]),
		Tick: p.number(list[3]), Head: Position{Number: p.number(list[4]), ID: p.text(list[5])},
		Appended: p.text(list[6]) == "1", Dropped: p.text(list[7]) == "1",
	}
	for _, entry := range p.list(list[8]) {
		v.Entries = append(v.Entries, p.entry(entry))
	}
	members := p.list(list[9])
	for i := 0; i+1 < len(members); i += 2 {
		v.Members = append(v.Members, p.member(p.text(members[i]), p.text(members[i+1])))
	}
	v.Told = p.told(list[10])
	if p.err != nil {
		return View{}, p.err
	}
	return v, nil
}

// telling writes "number:sockets:tellers" for each entry.
func telling(told map[uint64]Told) string {
	var b strings.Builder
	for n, t := range told {
		fmt.Fprintf(&b, "%d:%d:%d ", n, t.Sockets, t.Tellers)
	}
	return b.String()
}

// asking writes the numbers of entries.
func asking(asked []uint64) string {
	var b strings.Builder
	for _, n := range asked {
		fmt.Fprintf(&b, "%d ", n)
	}
	return b.String()
}

// replyParser reads replies and keeps the first error.
type replyParser struct{ err error }

func (p *replyParser) text(v any) string {
	s, ok := v.(string)
	if !ok {
		p.fail(fmt.Errorf("%w: %T for a text", errReply, v))
	}
	return s
}

func (p *replyParser) number(v any) uint64 {
	n, err := strconv.ParseUint(p.text(v), 10, 64)
	if err != nil {
		p.fail(fmt.Errorf("%w: a number: %w", errReply, err))
	}
	return n
}

func (p *replyParser) list(v any) []any {
	l, ok := v.([]any)
	if !ok {
		p.fail(fmt.Errorf("%w: %T for a list", errReply, v))
	}
	return l
}

// entry reads an entry of a stream: "number-0", then id and sealed with their
// names. One that has another form stands for a gap.
func (p *replyParser) entry(v any) SealedEntry {
	pair := p.list(v)
	if len(pair) != 2 {
		return SealedEntry{}
	}
	number, _ := strings.CutSuffix(p.text(pair[0]), "-0")
	fields := p.list(pair[1])
	if len(fields) != 4 {
		return SealedEntry{}
	}
	return SealedEntry{Position{p.number(number), p.text(fields[1])}, []byte(p.text(fields[3]))}
}

// told reads number, sockets and tellers of each entry.
func (p *replyParser) told(v any) map[uint64]Told {
	list := p.list(v)
	told := make(map[uint64]Told, len(list)/3)
	for i := 0; i+2 < len(list); i += 3 {
		sockets, err := strconv.Atoi(p.text(list[i+1]))
		if err != nil {
			p.fail(fmt.Errorf("%w: a number: %w", errReply, err))
		}
		told[p.number(list[i])] = Told{Sockets: sockets, Tellers: int(p.number(list[i+2]))}
	}
	return told
}

// member reads "counter:applied:lost:name".
func (p *replyParser) member(id, value string) Member {
	parts := strings.SplitN(value, ":", 4)
	if len(parts) != 4 {
		p.fail(fmt.Errorf("%w: a member", errReply))
		return Member{}
	}
	return Member{ID: id, Counter: p.number(parts[0]), Applied: p.number(parts[1]), Lost: parts[2] == "1", Name: parts[3]}
}

func (p *replyParser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// values reads a list of keys and values.
func (p *replyParser) values(reply any) map[string][]byte {
	list := p.list(reply)
	m := make(map[string][]byte, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		m[p.text(list[i])] = []byte(p.text(list[i+1]))
	}
	return m
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
