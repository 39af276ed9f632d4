package main

import "log/slog"

// redacted stands for every secret that is set.
const redacted = "[redacted]"

// Secret is a value that no print, log or encoding shows: only [Secret.Reveal]
// does. The zero Secret is unset.
type Secret struct {
	// A pointer, because fmt calls no methods on what lies in unexported
	// fields of others, nor for a verb that does not fit: it prints an address.
	value *string
}

// newSecret returns value as a Secret; the empty value is the zero Secret.
func newSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// IsSet reports whether there is a value.
func (s Secret) IsSet() bool { return s.value != nil }

// Reveal returns the value, "" if unset. What it returns must not be logged.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String returns "" or a fixed word, never the value.
func (s Secret) String() string {
	if s.value == nil {
		return ""
	}
	return redacted
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String, for JSON and everything that encodes text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
