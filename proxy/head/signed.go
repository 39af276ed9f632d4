package head

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// signedToken takes the token out of a server's cookie, or returns "" when
// the pair does not hold one.
//
// tornado signs the value and does not encrypt it (decode_signed_value in
// tornado.web, version 2):
//
//	2|1:0|10:<time>|<n>:<cookie name>|<m>:<base64 of the token>|<64 hex>
//
// The signature cannot be checked here and need not be: the Hub judges the
// token, and the server behind still checks the signature. All else is checked
// more strictly than tornado does, so that a damaged value is no token; Keep
// removes what is none.
func signedToken(p pair) string {
	rest, ok := strings.CutPrefix(unquote(p.value), "2|")
	if !ok || len(rest) > 2*maxToken {
		return ""
	}
	var key, time, name, value string
	for _, field := range [...]*string{&key, &time, &name, &value} {
		if *field, rest, ok = cutField(rest); !ok {
			return ""
		}
	}
	tok, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || !isDigits(key) || !isDigits(time) || name != p.name || !isSignature(rest) || !isIssued(tok) {
		return ""
	}
	return string(tok)
}

// unquote takes off the quotes in which servers put values with an equals
// sign. Backslashes are left: a value that needs them is no token.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// cutField takes one "length:content|" off a signed value.
func cutField(s string) (field, rest string, ok bool) {
	length, rest, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(length, 10, 16)
	// One spelling of a number: tornado would also take 05, +5 and 1_0.
	if !ok || err != nil || length != strconv.FormatUint(n, 10) || uint64(len(rest)) <= n || rest[n] != '|' {
		return "", "", false
	}
	return rest[:n], rest[n+1:], true
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// isSignature accepts a SHA-256 in lower-case hex.
func isSignature(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// isIssued accepts the b64token of RFC 6750. A token in a cookie was made by
// the Hub: letters and digits.
func isIssued(tok []byte) bool {
	for _, c := range tok {
		if !isAlnum(c) && strings.IndexByte("-._~+/=", c) < 0 {
			return false
		}
	}
	return len(tok) > 0 && len(tok) <= maxToken
}
