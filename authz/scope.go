package authz

import "strings"

// accessScope opens servers, alone or with a filter
// (docs: JupyterHub, "Scopes", access:servers).
const accessScope = "access:servers"

// IsAccessScope reports whether scope could open a server, with or without a
// filter. Others need not be kept: no decision looks at them.
func IsAccessScope(scope string) bool {
	rest, ok := strings.CutPrefix(scope, accessScope)
	return ok && (rest == "" || rest[0] == '!')
}

// reaches reports whether one scope opens server: it is access:servers
// without a filter, with !user= of the owner, or with !server= of owner and
// name. That is what a user server accepts; a !group= filter never counts,
// because only the Hub could resolve it (jupyterhub/services/auth.py,
// check_scopes; JupyterHub resolves it for tokens of the server's own client).
func reaches(scope string, server Server) bool {
	if server.IsZero() {
		return false
	}
	rest, ok := strings.CutPrefix(scope, accessScope)
	if !ok {
		return false
	}
	if rest == "" {
		return true
	}
	if user, ok := strings.CutPrefix(rest, "!user="); ok {
		return user == string(server.Owner)
	}
	if full, ok := strings.CutPrefix(rest, "!server="); ok {
		// User names have no slash (jupyterhub/auth.py), so the first one
		// ends the owner.
		owner, name, found := strings.Cut(full, "/")
		return found && owner == string(server.Owner) && name == string(server.Name)
	}
	return false
}
