package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// validate returns the faults of settings that were read well; vars are the
// variables that are set. The faults of flags are parseFlags'.
func (c *Config) validate(vars map[string]string) error {
	faults := c.limits()
	for _, field := range settings() {
		name := field.Tag.Get("env")
		if _, set := vars[name]; set && field.Tag.Get("later") != "" {
			faults = append(faults, fmt.Errorf("%s: %w", name, errNotAvailable))
		}
	}
	// CHP takes the token to the next blank: such a token is never sent.
	for name, secret := range map[string]Secret{
		"CONFIGPROXY_AUTH_TOKEN": c.APIToken,
		"SHARE_PROXY_HUB_TOKEN":  c.HubToken,
		"JUPYTERHUB_API_TOKEN":   c.ServiceToken,
	} {
		if strings.ContainsFunc(secret.Reveal(), notInToken) {
			faults = append(faults, fmt.Errorf("%s: has a blank or a character that no header can carry", name))
		}
	}
	return errors.Join(append(faults, c.storeFaults()...)...)
}

// storeFaults returns what is wrong with where the log is to be kept.
func (c *Config) storeFaults() (faults []error) {
	if slices.Contains(c.secrets(), "") {
		faults = append(faults, errors.New("SHARE_PROXY_SECRET: has an empty key between its commas"))
	}
	if !c.RedisURL.IsSet() {
		return faults
	}
	if c.DataDir != "" {
		faults = append(faults, errors.New("SHARE_PROXY_DATA_DIR: SHARE_PROXY_REDIS_URL is set too, and Redis then keeps what the file would: take one of them out"))
	}
	if len(c.secrets()) == 0 {
		faults = append(faults, errors.New("SHARE_PROXY_REDIS_URL: no key for what is kept there: set CONFIGPROXY_AUTH_TOKEN, or SHARE_PROXY_SECRET, "+
			"to the same value for the Hub and all processes, such as CONFIGPROXY_AUTH_TOKEN=$(openssl rand -hex 32); JupyterHub makes one up at each start where it is not set"))
	}
	return faults
}

// secrets returns the keys for what is kept in Redis: the first seals, all
// open.
func (c *Config) secrets() []string {
	switch {
	case c.Secret.IsSet():
		keys := strings.Split(c.Secret.Reveal(), ",")
		for i, key := range keys {
			keys[i] = strings.TrimSpace(key)
		}
		return keys
	case c.APIToken.IsSet():
		return []string{c.APIToken.Reveal()}
	}
	return nil
}

func notInToken(r rune) bool { return r <= ' ' || r > '~' }

// limits returns the faults of numbers that are out of their bounds.
func (c *Config) limits() []error {
	return slices.DeleteFunc([]error{
		// Below 100 ms the Hub would be asked for every other packet; above a
		// minute nobody would call it a revocation.
		within("RevocationBound", c.RevocationBound, 100*time.Millisecond, time.Minute),
		within("RecheckGuests", c.RecheckGuests, c.RevocationBound, 10*time.Minute),
		within("RecheckOwners", c.RecheckOwners, c.RecheckGuests, time.Hour),
		within("RegrantGrace", c.RegrantGrace, 0, 10*time.Second),
		within("HoldLimit", c.HoldLimit, max(time.Second, c.RegrantGrace), time.Hour),
		within("OwnerGrace", c.OwnerGrace, 0, 24*time.Hour),
		within("HubBudget", c.HubBudget, 1, 10_000),
		within("Drain", c.Drain, 0, time.Hour),
	}, func(err error) bool { return err == nil })
}

// leastKey is the shortest key that is not warned about: 64 bits in hex. What
// is in Redis lets a key be tried without asking anybody.
const leastKey = 16

// within returns the fault of a field whose value is not from lowest to
// highest.
func within[T int | time.Duration](field string, value, lowest, highest T) error {
	if value >= lowest && value <= highest {
		return nil
	}
	return fmt.Errorf("%s: %v is not from %v to %v", variableOf(field), value, lowest, highest)
}

// warnings returns what is legal and should be known.
func (c *Config) warnings() []string {
	var warnings []string
	for _, host := range []struct {
		flag string
		host *string
	}{{"--ip", &c.Flags.IP}, {"--api-ip", &c.Flags.APIIP}, {"--metrics-ip", &c.Flags.MetricsIP}} {
		if *host.host == "*" {
			*host.host = ""
			warnings = append(warnings, host.flag+": * is taken as all interfaces; leave it empty")
		}
	}
	if !c.APIToken.IsSet() {
		warnings = append(warnings, "CONFIGPROXY_AUTH_TOKEN is not set: the route API asks for no token")
	}
	if c.RedisURL.IsSet() && slices.ContainsFunc(c.secrets(), func(key string) bool { return len(key) < leastKey }) {
		warnings = append(warnings, fmt.Sprintf("the key for what is kept in Redis (SHARE_PROXY_SECRET, else CONFIGPROXY_AUTH_TOKEN) is shorter than %d characters: who reads Redis can guess it", leastKey))
	}
	if c.Enforce == Observing {
		warnings = append(warnings, "SHARE_PROXY_ENFORCE is observe: nobody is refused, nothing is cut")
	}
	for _, network := range c.TrustedProxies {
		if network.Bits() == 0 {
			warnings = append(warnings, "SHARE_PROXY_TRUSTED_PROXIES has "+network.String()+": everybody's forwarding headers are believed")
		}
	}
	return warnings
}

// unusedSecrets returns the names of secrets that are set and that nothing
// uses in this version.
func (c *Config) unusedSecrets() []string {
	fields := []string{"HubToken", "ServiceToken"}
	if !c.RedisURL.IsSet() {
		fields = append(fields, "Secret")
	}
	var names []string
	for _, field := range fields {
		if reflect.ValueOf(*c).FieldByName(field).Interface().(Secret).IsSet() {
			names = append(names, variableOf(field))
		}
	}
	return names
}
