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
	return errors.Join(faults...)
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
	var names []string
	for _, field := range []string{"HubToken", "ServiceToken", "Secret"} {
		if reflect.ValueOf(*c).FieldByName(field).Interface().(Secret).IsSet() {
			names = append(names, variableOf(field))
		}
	}
	return names
}
