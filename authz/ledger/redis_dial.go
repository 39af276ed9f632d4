package ledger

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
)

// dial connects to a server, with TLS if the URL says so.
func (r *Redis) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil || !r.place.tls {
		return conn, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err == nil {
		secure := tls.Client(conn, r.tlsConfig(host))
		if err = secure.HandshakeContext(ctx); err == nil {
			return secure, nil
		}
		err = &handshakeError{err}
	}
	_ = conn.Close()
	return nil, err
}

// handshakeError is an error of TLS.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// tlsConfig trusts a certificate for the host that is connected to, or for the
// host in the URL: Sentinels and clusters name their nodes by address, while
// certificates are often made for the name that all of them are reached by.
func (r *Redis) tlsConfig(host string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: host,
		// VerifyConnection verifies, for either name.
		InsecureSkipVerify: true, //nolint:gosec // see above
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return errors.New("no certificate")
			}
			between := x509.NewCertPool()
			for _, c := range s.PeerCertificates[1:] {
				between.AddCert(c)
			}
			verify := func(name string) error {
				_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: name, Roots: r.roots, Intermediates: between})
				return err
			}
			err := verify(host)
			if err != nil && r.place.host != host && verify(r.place.host) == nil {
				return nil
			}
			return err
		},
	}
}
