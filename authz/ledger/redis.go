package ledger

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Redis is a [Store] on a Redis of version 7: one server, or the primary that
// Sentinels name, or the primary of our slot in a cluster. It is safe for
// concurrent use. Use [OpenRedis].
//
// A call lasts until its context's deadline at most, is tried once, and needs
// nothing of what a client remembers: whoever fails asks anew who the primary
// is, in the background, and the next call goes there. go-redis' own clients for
// Sentinel and Cluster repeat commands, follow the first Sentinel that answers
// even if it is on the wrong side of a partition, and send a script and the WAIT
// for it to wherever they are told; here all keys have one tag, so one node is
// talked to, by a plain client.
//
// With several data nodes, turns, creations and announcements count only after
// a majority of them has confirmed them: see [Redis.confirm].
//
// What the user of an ACL needs, and no more:
//
//	user NAME on >PASSWORD resetchannels ~{share-proxy}* &{share-proxy}*
//	  +eval +evalsha +hget +hmget +hset +hdel +hexists +hlen +hgetall +hincrby
//	  +xadd +xrange +xrevrange +zadd +zrem +zscore +zcard +zpopmin
//	  +zrangebyscore +get +set +unlink +publish +subscribe +wait +select +info
//	  +client|setname +cluster|slots +cluster|nodes
//
// in one line. At Sentinels: +sentinel|master +sentinel|replicas
// +sentinel|sentinels +sentinel|myid +client|setname.
type Redis struct {
	place     redisPlace
	keys      redisKeys
	heartbeat time.Duration
	log       *slog.Logger
	roots     *x509.CertPool    // nil: the machine's
	hashes    map[string]string // of the scripts: what a server knows them by

	nodes   nodes
	looking sync.WaitGroup

	mu        sync.Mutex // guards the fields below
	closed    bool
	primary   *redis.Client // nil with a cluster, and before Sentinels named it
	addr      string        // of primary
	cluster   *redis.ClusterClient
	known     []string // addresses of Sentinels
	sentinels map[string]*redis.Client
}

// OpenRedis returns a store on the Redis that a URL names; the forms are those
// of SHARE_PROXY_REDIS_URL. It does no I/O. The heartbeat is the time between
// regular turns. Errors contain no password.
func OpenRedis(url string, heartbeat time.Duration, log *slog.Logger) (*Redis, error) {
	return openRedis(url, heartbeat, log, nil)
}

func openRedis(url string, heartbeat time.Duration, log *slog.Logger, roots *x509.CertPool) (*Redis, error) {
	place, err := parseRedisURL(url)
	if err != nil {
		return nil, fmt.Errorf("redis URL: %w", err)
	}
	// The client logs what it also returns, to a logger of the whole process.
	redis.SetLogger(silent{})
	r := &Redis{
		place: place, keys: newRedisKeys("{share-proxy}", place.db), heartbeat: heartbeat, log: log, roots: roots,
		sentinels: make(map[string]*redis.Client), hashes: make(map[string]string),
	}
	for _, script := range []string{
		turnScript, createScript, readScript, idsScript, announceScript, dropScript, answerScript, activityScript,
	} {
		r.hashes[script] = redis.NewScript(script).Hash()
	}
	switch {
	case place.sentinel():
		r.nodes.look, r.known = r.lookAtSentinels, place.addrs
	case place.cluster():
		r.nodes.look = r.lookAtCluster
		o := r.options("", place.user, place.password)
		r.cluster = redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: place.addrs, Dialer: o.Dialer, ClientName: o.ClientName, Protocol: o.Protocol,
			Username: o.Username, Password: o.Password, MaxRedirects: -1, MaxRetries: -1,
			ContextTimeoutEnabled: true, DialTimeout: o.DialTimeout, DialerRetries: o.DialerRetries,
			ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, PoolSize: o.PoolSize, PipelinePoolSize: -1,
			DisableIdentity: true, MaintNotificationsConfig: o.MaintNotificationsConfig,
		})
	default:
		r.use(place.addrs[0])
	}
	return r, nil
}

// options are those of a client of one server.
func (r *Redis) options(addr, user, password string) *redis.Options {
	return &redis.Options{
		Network: r.place.network, Addr: addr, Dialer: r.dial, ClientName: "share-proxy",
		Username: user, Password: password,
		Protocol: 2, // nothing of 3 is used, and 3 lets a server push what nobody asked for
		// The caller's deadline is the time-out; those below end what has none:
		// connecting goes on in the background when its caller has given up.
		ContextTimeoutEnabled: true,
		DialTimeout:           time.Second,
		ReadTimeout:           3 * time.Second,
		WriteTimeout:          3 * time.Second,
		MaxRetries:            -1, DialerRetries: 1,
		// More than are used at once: 64 look for answers (package authz), 24
		// announce, and turns wait for nobody. After as many failures to connect
		// the client tries once a second only.
		PoolSize:         128,
		PipelinePoolSize: -1, // pipelines use the same connections
		DisableIdentity:  true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
}

// Close ends all connections. Calls that are under way fail.
func (r *Redis) Close() {
	r.mu.Lock()
	r.closed = true
	clients := []interface{ Close() error }{}
	if r.primary != nil {
		clients = append(clients, r.primary)
	}
	if r.cluster != nil {
		clients = append(clients, r.cluster)
	}
	for _, c := range r.sentinels {
		clients = append(clients, c)
	}
	r.mu.Unlock()
	for _, c := range clients {
		_ = c.Close() // what cannot be closed is closed
	}
	r.looking.Wait()
}

// use makes the server at addr the primary that calls go to. What is under way
// to another one fails.
func (r *Redis) use(addr string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.addr == addr || r.closed {
		return
	}
	if old := r.primary; old != nil {
		r.log.Info("the primary of the shared log has changed", "from", r.addr, "to", addr)
		_ = old.Close()
	}
	o := r.options(addr, r.place.user, r.place.password)
	o.DB = r.place.db
	r.primary, r.addr = redis.NewClient(o), addr
}

// node returns the client of the primary.
func (r *Redis) node(ctx context.Context) (*redis.Client, error) {
	if r.cluster != nil {
		return r.cluster.MasterForKey(ctx, r.keys.state)
	}
	r.mu.Lock()
	node := r.primary
	r.mu.Unlock()
	if node != nil {
		return node, nil
	}
	if err := r.nodes.learn(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.primary == nil {
		return nil, errNoPrimary
	}
	return r.primary, nil
}

// send sends commands over one connection of the primary and returns their
// replies; the error is that of the first that failed.
func (r *Redis) send(ctx context.Context, commands ...[]any) ([]any, error) {
	node, err := r.node(ctx)
	if err != nil {
		return nil, err
	}
	return pipeline(ctx, node, commands)
}

// pipeline does commands over one connection. Where there is nothing, the reply
// is nil and no error.
func pipeline(ctx context.Context, node *redis.Client, commands [][]any) ([]any, error) {
	pipe := node.Pipeline()
	done := make([]*redis.Cmd, len(commands))
	for i, command := range commands {
		done[i] = pipe.Do(ctx, command...)
	}
	_, failed := pipe.Exec(ctx)
	replies := make([]any, len(commands))
	for i, cmd := range done {
		reply, err := cmd.Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return replies, err
		}
		replies[i] = reply
	}
	// Commands that were never sent, since the server refused the password, say
	// nothing themselves.
	if failed != nil && !errors.Is(failed, redis.Nil) {
		return replies, failed
	}
	return replies, nil
}

// isUnknownScript reports whether a server did nothing because it does not know
// the script yet.
func isUnknownScript(err error) bool { return redis.HasErrorPrefix(err, "NOSCRIPT") }

// reload makes a cluster's client look anew which node holds our slot.
func (r *Redis) reload(ctx context.Context) {
	if r.cluster != nil {
		r.cluster.ReloadState(ctx)
	}
}

// askSentinel sends commands to one Sentinel.
func (r *Redis) askSentinel(ctx context.Context, addr string, commands ...[]any) ([]any, error) {
	r.mu.Lock()
	client := r.sentinels[addr]
	if client == nil {
		if r.closed {
			r.mu.Unlock()
			return nil, net.ErrClosed
		}
		client = redis.NewClient(r.options(addr, r.place.sentinelUser, r.place.sentinelPassword))
		r.sentinels[addr] = client
	}
	r.mu.Unlock()
	return pipeline(ctx, client, commands)
}

// receive gives messages to a function, an empty one when it has subscribed,
// until there is an error, or no message for longer than silence.
func (r *Redis) receive(ctx context.Context, silence time.Duration, message func(payload string)) error {
	node, err := r.node(ctx)
	if err != nil {
		return err
	}
	subscription := node.Subscribe(ctx)
	closing := context.AfterFunc(ctx, func() { _ = subscription.Close() })
	defer func() {
		closing()
		_ = subscription.Close()
	}()
	limit, cancel := context.WithTimeout(ctx, silence)
	err = subscription.Subscribe(limit, r.keys.channel)
	cancel()
	for err == nil {
		var received any
		if received, err = subscription.ReceiveTimeout(ctx, silence); err == nil {
			switch m := received.(type) {
			case *redis.Subscription:
				message("")
			case *redis.Message:
				message(m.Payload)
			}
		}
	}
	return err
}

// silent is a logger of the client.
type silent struct{}

// Printf does nothing.
func (silent) Printf(context.Context, string, ...any) {}

// refusal returns what a server answered when it refused a command, or "".
func refusal(err error) string {
	var refused redis.Error
	if errors.As(err, &refused) {
		return strings.TrimSpace(refused.Error())
	}
	return ""
}
