package ledger

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// explain says for an operator why Redis could not be reached.
func explain(err error, place redisPlace) string {
	where := strings.Join(place.addrs, ", ")
	var (
		dns       *net.DNSError
		handshake *handshakeError
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	refused := refusal(err)
	switch {
	case strings.HasPrefix(refused, "WRONGPASS"), strings.HasPrefix(refused, "NOAUTH"), strings.HasPrefix(refused, "ERR AUTH"):
		return where + ": user name or password is refused (" + refused + ")"
	case refused != "":
		return where + ": " + refused
	case errors.As(err, &dns):
		return where + ": no such host"
	case errors.As(err, &record):
		return where + ": the URL says rediss://, but no TLS is spoken there"
	case errors.As(err, &authority):
		return where + ": the certificate is signed by nobody whom this machine trusts; SSL_CERT_FILE names others"
	case errors.As(err, &name), errors.As(err, &invalid):
		return where + ": the certificate is not valid: " + err.Error()
	case errors.As(err, &handshake):
		return where + ": no TLS handshake: is TLS spoken there? (" + handshake.err.Error() + ")"
	case errors.Is(err, syscall.ECONNREFUSED):
		return where + ": nobody listens there"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return where + ": no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		text := where + ": the connection is closed by the other side"
		if !place.tls {
			text += "; does it want TLS, rediss://?"
		}
		return text
	}
	return where + ": " + err.Error()
}
