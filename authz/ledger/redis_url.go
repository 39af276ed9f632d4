package ledger

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// redisPlace is what a URL says of a Redis.
type redisPlace struct {
	network  string // tcp or unix
	addrs    []string
	tls      bool
	host     string // as the URL names it: what a certificate may be for
	user     string
	password string
	db       int

	// For Sentinel: addrs are the Sentinels'.
	primary          string // what they call the primary
	sentinelUser     string
	sentinelPassword string
}

func (p redisPlace) sentinel() bool { return p.primary != "" }
func (p redisPlace) cluster() bool  { return p.primary == "" && len(p.addrs) > 1 }

// parseRedisURL reads a URL:
//
//	redis://USER:PASSWORD@HOST:PORT/DB      one server; rediss:// with TLS
//	unix://USER:PASSWORD@/PATH?db=DB        one server, by its socket
//	...?addr=HOST:PORT&addr=HOST:PORT       a cluster; no DB
//	...?master_name=NAME&addr=HOST:PORT     Sentinels: the host and each addr are
//	                                        theirs, user and password the servers'
//	...&sentinel_username=U&sentinel_password=P
//
// Nothing else may be set: time-outs, retries and pools are what the lease
// depends on. Errors repeat nothing of the URL but the names of parameters,
// since a password may stand anywhere in one that is wrong.
func parseRedisURL(raw string) (redisPlace, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return redisPlace{}, errors.New("not a URL; special characters of a password are written as %XX")
	}
	p := redisPlace{network: "tcp", user: u.User.Username()}
	p.password, _ = u.User.Password()
	q := u.Query()
	db := strings.Trim(u.Path, "/")
	switch u.Scheme {
	case "redis", "rediss":
		p.tls, p.host = u.Scheme == "rediss", u.Hostname()
		if p.host == "" {
			return p, errors.New("a host is missing")
		}
		p.addrs = []string{hostPort(p.host, u.Port(), q.Has("master_name"))}
	case "unix":
		if db == "" || u.Host != "" {
			return p, errors.New("unix:// needs the path of a socket, and no host")
		}
		p.network, p.addrs, db = "unix", []string{u.Path}, ""
	default:
		return p, errors.New("the scheme is none of redis, rediss and unix")
	}
	if err := p.parameters(q, db); err != nil {
		return p, err
	}
	if p.cluster() && p.db != 0 {
		return p, errors.New("a cluster has no database but 0")
	}
	return p, nil
}

// parameters reads what stands behind the question mark.
func (p *redisPlace) parameters(q url.Values, db string) error {
	for name, values := range q {
		switch name {
		case "addr":
			for _, addr := range values {
				host, port, err := net.SplitHostPort(addr)
				if err != nil || host == "" || port == "" {
					return errors.New("an addr is not of the form host:port")
				}
				p.addrs = append(p.addrs, addr)
			}
		case "master_name":
			p.primary = values[0]
		case "sentinel_username":
			p.sentinelUser = values[0]
		case "sentinel_password":
			p.sentinelPassword = values[0]
		case "db":
			db = values[0]
		default:
			return fmt.Errorf("the parameter %q is none of addr, master_name, sentinel_username, sentinel_password and db", name)
		}
	}
	if p.network == "unix" && (len(p.addrs) > 1 || p.primary != "") {
		return errors.New("unix:// names one server only")
	}
	if p.primary == "" && (q.Has("master_name") || p.sentinelUser != "" || p.sentinelPassword != "") {
		return errors.New("with Sentinels, master_name= has to name the primary")
	}
	if db == "" {
		return nil
	}
	n, err := strconv.ParseUint(db, 10, 16)
	if err != nil {
		return errors.New("the database is not a number")
	}
	p.db = int(n)
	return nil
}

func hostPort(host, port string, sentinel bool) string {
	switch {
	case port != "":
	case sentinel:
		port = "26379"
	default:
		port = "6379"
	}
	return net.JoinHostPort(host, port)
}
