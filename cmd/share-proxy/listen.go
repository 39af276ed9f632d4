package main

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
)

// listen binds host and port, "" being all interfaces of both families.
// "localhost" is both loopback addresses, as far as the machine has them:
// clients try either. Port 0 is a free one, the same for both.
func listen(ctx context.Context, host string, port int) ([]net.Listener, error) {
	if host != "localhost" {
		l, err := bind(ctx, host, port)
		if err != nil {
			return nil, err
		}
		return []net.Listener{l}, nil
	}
	v4, err := bind(ctx, "127.0.0.1", port)
	if err != nil {
		return nil, err
	}
	v6, err := bind(ctx, "::1", v4.Addr().(*net.TCPAddr).Port)
	switch {
	case err == nil:
		return []net.Listener{v4, v6}, nil
	case errors.Is(err, syscall.EADDRINUSE) && port != 0:
		// Somebody else would answer half of the clients.
		return nil, errors.Join(err, v4.Close())
	default: // the machine has no IPv6
		return []net.Listener{v4}, nil
	}
}

func bind(ctx context.Context, host string, port int) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}
