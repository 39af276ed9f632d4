package ledger

import (
	_ "embed"
	"strconv"
)

// The scripts: each is one atomic step. What they do stands at their heads.
var (
	//go:embed scripts/turn.lua
	turnScript string
	//go:embed scripts/create.lua
	createScript string
	//go:embed scripts/read.lua
	readScript string
	//go:embed scripts/ids.lua
	idsScript string
	//go:embed scripts/announce.lua
	announceScript string
	//go:embed scripts/drop.lua
	dropScript string
	//go:embed scripts/answer.lua
	answerScript string
	//go:embed scripts/activity.lua
	activityScript string
)

// What is kept at most. All of it together is some 20 MB.
const (
	keepEntries  = 10_000 // replicas that are farther behind begin anew
	keepMarks    = 65_536 // subjects of which the last entry is known; beyond, answers are not shared for a while
	keepIntents  = 10_000 // announced calls; each is gone after its limit, minutes
	keepActivity = 100_000
)

// redisKeys are the names of keys. All have one hash tag, so that they are on
// one node of a cluster, and so that one pattern of an ACL covers them.
type redisKeys struct {
	prefix                                                         string
	state, members, log, records, intents, touched, told, activity string
	answers                                                        string // prefix
	channel                                                        string
}

// newRedisKeys returns the keys under a prefix. Channels know nothing of
// databases, so theirs has its number.
func newRedisKeys(prefix string, db int) redisKeys {
	return redisKeys{
		prefix: prefix,
		state:  prefix + "state", members: prefix + "members", log: prefix + "log", records: prefix + "records",
		intents: prefix + "intents", touched: prefix + "touched", told: prefix + "told", activity: prefix + "activity",
		answers: prefix + "answer:", channel: prefix + "wake:" + strconv.Itoa(db),
	}
}

// all are the keys of an incarnation, as turn.lua and create.lua have them.
func (k redisKeys) all() []string {
	return []string{k.state, k.members, k.log, k.records, k.intents, k.touched, k.told}
}

func (k redisKeys) answer(incarnation, key string) string { return k.answers + incarnation + ":" + key }

// scratch is a key that belongs to no log.
func (k redisKeys) scratch(name string) string { return k.prefix + name }
