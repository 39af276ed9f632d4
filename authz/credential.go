package authz

import (
	"crypto/sha256"
	"fmt"
	"io"
)

// Token is a credential of a visitor: an OAuth, API or server token of the
// Hub. Its text is shown to nobody but the Hub: formatting and logging give a
// placeholder. The zero Token is no credential.
type Token struct{ secret string }

// NewToken wraps the text of a credential.
func NewToken(text string) Token { return Token{text} }

// Reveal returns the text, for the one request that asks the Hub about it.
func (t Token) Reveal() string { return t.secret }

// IsZero reports whether t is no credential.
func (t Token) IsZero() bool { return t.secret == "" }

// Format, String and MarshalText keep the text out of every log, whatever the
// verb.
func (t Token) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, "[token]") }
func (t Token) String() string               { return "[token]" }
func (t Token) MarshalText() ([]byte, error) { return []byte("[token]"), nil }

// Key identifies a credential without containing it.
type Key [sha256.Size]byte

// Key returns the SHA-256 of the credential's text: injective for all that
// anybody can find, and of no use to whoever reads it.
func (t Token) Key() Key { return sha256.Sum256([]byte(t.secret)) }
