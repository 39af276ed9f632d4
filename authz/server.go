package authz

// User is the name of a JupyterHub user, exactly as the Hub spells it: not
// escaped, not folded. The empty User names nobody.
type User string

// ServerName is the name of one of a user's servers, as in the Hub's route
// data (server_name). The empty ServerName is the default server.
type ServerName string

// Server names one user server. The zero Server names none: no scope reaches
// it and no owner matches it.
type Server struct {
	Owner User
	Name  ServerName
}

// IsZero reports whether s names no server.
func (s Server) IsZero() bool { return s.Owner == "" }
