package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/authz/ledger"
)

// redisLoadLimit is how long a start waits for Redis: traffic and the Hub go
// on without it.
const redisLoadLimit = 5 * time.Second

// store is where the log is kept. The zero store is the memory of the process.
type store struct {
	file  *ledger.File
	redis *ledger.Redis
}

// openStore opens what the settings name. It does no network I/O.
func openStore(cfg Config, log *slog.Logger) (s store, err error) {
	switch {
	case cfg.RedisURL.IsSet():
		s.redis, err = ledger.OpenRedis(cfg.RedisURL.Reveal(), heartbeat(cfg), log)
		if err != nil {
			err = fmt.Errorf("SHARE_PROXY_REDIS_URL: %w", err)
		}
	case cfg.DataDir != "":
		s.file, err = ledger.OpenFile(cfg.DataDir)
		if err != nil {
			err = fmt.Errorf("SHARE_PROXY_DATA_DIR: %w", err)
		}
	}
	return s, err
}

// heartbeat is the time between the regular turns of a replica.
func heartbeat(cfg Config) time.Duration { return cfg.RevocationBound / 4 }

// newLedger returns the log on a store.
func (s store) newLedger(cfg Config, opts ledger.Options, log *slog.Logger, acknowledged func(time.Duration)) (ledger.Ledger, error) {
	switch {
	case s.file != nil:
		return ledger.NewMemoryOn(s.file, opts), nil
	case s.redis == nil:
		return ledger.NewMemory(opts), nil
	}
	var keys [][]byte
	for _, key := range cfg.secrets() {
		keys = append(keys, []byte(key))
	}
	return ledger.NewReplica(ledger.ReplicaOptions{
		Options: opts, Store: s.redis, Secrets: keys, Bound: cfg.RevocationBound,
		Name: placeName(cfg.Flags), Log: log, Acknowledged: acknowledged,
	})
}

// loadLimit is how long the first load is waited for; 0 is as long as it takes.
func (s store) loadLimit() time.Duration {
	if s.redis != nil {
		return redisLoadLimit
	}
	return 0
}

// close gives up the connections; a file is closed by its log.
func (s store) close() {
	if s.redis != nil {
		s.redis.Close()
	}
}

// examineLimit bounds one examination; examinePause is between two, until
// Redis answers.
const examineLimit, examinePause = 5 * time.Second, 5 * time.Second

// examine says in the log what is wrong with Redis, when it answers for the
// first time. It refuses nothing: a proxy that does not start helps nobody, and
// without the log T is kept all the same.
func (s store) examine(ctx context.Context, log *slog.Logger) {
	if s.redis == nil {
		return
	}
	for {
		limited, cancel := context.WithTimeout(ctx, examineLimit)
		findings := s.redis.Examine(limited)
		cancel()
		if ctx.Err() != nil {
			return
		}
		away := false
		for _, f := range findings {
			log.Log(ctx, levelOf(f.Grade), "redis", "finding", f.Text)
			away = away || f.Unreachable
		}
		if !away {
			return
		}
		select {
		case <-time.After(examinePause):
		case <-ctx.Done():
			return
		}
	}
}

// levelOf returns the level at which a finding is logged.
func levelOf(g ledger.Grade) slog.Level {
	switch g {
	case ledger.Fine:
		return slog.LevelInfo
	case ledger.Doubtful:
		return slog.LevelWarn
	}
	return slog.LevelError
}

// placeName names the place at which this process serves, where one process
// lives at a time.
func placeName(f Flags) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	port := strconv.Itoa(f.Port)
	if f.Port == 0 { // a free one: the place is this process
		port = "pid" + strconv.Itoa(os.Getpid())
	}
	return host + "/" + net.JoinHostPort(f.IP, port)
}
