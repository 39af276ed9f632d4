package route

import (
	"encoding/json"

	"github.com/jupyterhub-share-proxy/share-proxy/authz"
)

// A Class says how what passes through a route is treated. The set is closed.
type Class uint8

const (
	ClassServer  Class = iota // a user's server: every exchange is decided
	ClassHub                  // the Hub: its answers are watched
	ClassService              // a service of the Hub
	ClassOther                // anything else: --default-target, extra routes
)

// String returns the word used in metrics and logs.
func (c Class) String() string {
	switch c {
	case ClassHub:
		return "hub"
	case ClassService:
		return "service"
	case ClassOther:
		return "other"
	}
	return "server"
}

// classify reads the class and the server from the data of a route (JupyterHub's
// proxy.py: add_user, add_service, add_hub_route). A route with "user" or
// "server_name" is a server, even if it also claims to be something else, and
// nobody's unless both are strings and the user has a name.
func classify(data map[string]json.RawMessage) (Class, authz.Server) {
	_, hasUser := data["user"]
	_, hasName := data["server_name"]
	if hasUser || hasName {
		user, okUser := text(data["user"])
		name, okName := text(data["server_name"])
		if !okUser || !okName || user == "" {
			return ClassServer, authz.Server{}
		}
		return ClassServer, authz.Server{Owner: authz.User(user), Name: authz.ServerName(name)}
	}
	if string(data["hub"]) == "true" {
		return ClassHub, authz.Server{}
	}
	if service, ok := text(data["service"]); ok && service != "" {
		return ClassService, authz.Server{}
	}
	return ClassOther, authz.Server{}
}

// text returns the JSON string that raw is. Unmarshal alone would take null for
// an empty string.
func text(raw json.RawMessage) (string, bool) {
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}
