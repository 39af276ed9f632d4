package route

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// Kind is the kind of the records that routes are. Their names are the keys by
// which a table finds them: the path, with the host's case folded where hosts
// route.
const Kind = "route"

// value is what a record says of a route.
type value struct {
	Path   string                     `json:"path"` // as posted: the Hub compares it
	Target string                     `json:"target"`
	Data   map[string]json.RawMessage `json:"data,omitempty"`
	At     int64                      `json:"at"` // of the post, Unix milliseconds
}

var (
	errNoTime   = errors.New("record without a time")
	errMisnamed = errors.New("record of another path than its name says")
)

// record returns the record of a route. What the Hub posted stays as it is, but
// for space between the tokens of JSON.
func (t *Table) record(r *Route) (ledger.Record, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value{Path: r.Path, Target: r.TargetText, Data: r.Data, At: r.LastActivity().UnixMilli()})
	return ledger.Record{Kind: Kind, Name: t.indexKey(r.Path), Value: body.Bytes()}, err
}

// fromRecord makes the route that a record tells of. Fields that a newer version
// may add are ignored.
func (t *Table) fromRecord(rec ledger.Record) (*Route, error) {
	var v value
	if err := json.Unmarshal(rec.Value, &v); err != nil {
		return nil, err
	}
	if v.At <= 0 { // 1970 would look idle to whoever stops idle servers
		return nil, errNoTime
	}
	if t.indexKey(Key(v.Path)) != rec.Name {
		return nil, errMisnamed
	}
	r, err := New(v.Path, v.Target, v.Data, time.UnixMilli(v.At))
	if err != nil {
		return nil, err
	}
	r.unshared = rec.Unshared
	return r, nil
}
