package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// parseModel reads the Hub's model of the holder of a credential. It is
// strict: whatever is not as the Hub writes it is an error, so that nobody
// passes, and nobody is refused, by an answer that was not understood.
func parseModel(body []byte) (authz.Answer, error) {
	model, err := object(body)
	if err != nil {
		return authz.Answer{}, err
	}
	var kind, name, session string
	var groups, scopes []string
	err = errors.Join(
		required(model, "kind", &kind),
		required(model, "name", &name),
		required(model, "scopes", &scopes),
		optional(model, "session_id", &session),
		optional(model, "groups", &groups), // a service has none
	)
	if err != nil {
		return authz.Answer{}, err
	}
	answer := authz.Answer{Name: authz.User(name), Session: session, Groups: groups}
	switch kind {
	case "user":
		answer.Kind = authz.KindUser
	case "service":
		answer.Kind = authz.KindService
	default:
		return authz.Answer{}, errors.New("the hub's answer is of another kind than user or service")
	}
	if name == "" {
		return authz.Answer{}, errors.New("the hub's answer has an empty name")
	}
	answer.Access = slices.DeleteFunc(scopes, func(s string) bool { return !authz.IsAccessScope(s) })
	return answer, nil
}

// refusal reports whether body is what the Hub sends with a 403
// (apihandlers/base.py, write_error). A gateway's or firewall's 403 says
// nothing about a credential.
func refusal(body []byte) bool {
	model, err := object(body)
	if err != nil {
		return false
	}
	var status int
	_, says := model["message"]
	return says && required(model, "status", &status) == nil && status == http.StatusForbidden
}

// object reads a JSON object. Fields are looked up by their exact names, which
// decoding into a struct does not do; text that is no UTF-8 would be folded to
// equal names.
func object(body []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(body) {
		return nil, errors.New("the hub's answer is not UTF-8")
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || fields == nil {
		return nil, errors.New("the hub's answer is not a JSON object")
	}
	return fields, nil
}

// required reads the field name, which must be there and not null. Errors do
// not repeat what was sent.
func required(fields map[string]json.RawMessage, name string, to any) error {
	if isNull(fields[name]) {
		return fmt.Errorf("the hub's answer has no %s", name)
	}
	return optional(fields, name, to)
}

// optional reads the field name, if it is there.
func optional(fields map[string]json.RawMessage, name string, to any) error {
	raw := fields[name]
	if isNull(raw) {
		return nil
	}
	if list, ok := to.(*[]string); ok {
		return texts(raw, name, list)
	}
	if json.Unmarshal(raw, to) != nil {
		return fmt.Errorf("the hub's answer has an odd %s", name)
	}
	return nil
}

// texts reads a list of strings; a null in it, which encoding/json would take
// for an empty one, is an error.
func texts(raw json.RawMessage, name string, to *[]string) error {
	var list []*string
	if json.Unmarshal(raw, &list) != nil || slices.Contains(list, nil) {
		return fmt.Errorf("the hub's answer has odd %s", name)
	}
	for _, s := range list {
		*to = append(*to, *s)
	}
	return nil
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }
