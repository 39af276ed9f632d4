package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// ownPrefix begins the names that are ours alone; unknown ones are warned
// about, because a misspelt setting is one that is not in force.
const ownPrefix = "SHARE_PROXY_"

// loadConfig reads flags and environment. It reports all faults at once; the
// warnings are sentences for the log.
func loadConfig(args, environ []string) (cfg Config, warnings []string, err error) {
	cfg = defaults()
	flags, flagFault := parseFlags(args)
	cfg.Flags = flags
	vars, fileFault := resolveFiles(env.ToMap(environ))
	envFault := parseEnv(&cfg, vars)
	err = errors.Join(flagFault, fileFault, envFault, cfg.validate(vars))
	warnings = append(unknownVariables(env.ToMap(environ)), cfg.warnings()...)
	return cfg, warnings, err
}

// settings returns the fields of Config that the environment can set.
func settings() []reflect.StructField {
	var fields []reflect.StructField
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if name := f.Tag.Get("env"); name != "" && name != "-" {
			fields = append(fields, f)
		}
	}
	return fields
}

// resolveFiles returns the variables that settings have, each from itself or
// from the file that NAME_FILE names; empty ones are left out. Its errors
// repeat neither content nor name of a file: people put the secret itself
// where the name belongs.
func resolveFiles(all map[string]string) (map[string]string, error) {
	vars := map[string]string{}
	var faults []error
	for _, field := range settings() {
		name := field.Tag.Get("env")
		value, file := all[name], all[name+"_FILE"]
		switch {
		case value != "" && file != "":
			faults = append(faults, fmt.Errorf("%s: set twice, also by %s_FILE", name, name))
		case value != "":
			vars[name] = value
		case file != "":
			content, err := readSetting(file)
			if err != nil {
				faults = append(faults, fmt.Errorf("%s_FILE: %w", name, err))
				continue
			}
			vars[name] = content
		}
	}
	return vars, errors.Join(faults...)
}

// maxSettingFile bounds a file that holds one setting; keys and lists of
// networks are far below it.
const maxSettingFile = 64 << 10

// readSetting returns the content of file without the newline at its end. An
// empty file is an error: it is a secret that was not written yet.
func readSetting(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		if pathError := (*os.PathError)(nil); errors.As(err, &pathError) {
			err = pathError.Err
		}
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	if len(content) > maxSettingFile {
		return "", errors.New("larger than 64 KiB")
	}
	value := strings.TrimRight(string(content), "\r\n")
	if value == "" {
		return "", errors.New("is empty")
	}
	return value, nil
}

// parseEnv sets the fields of cfg that vars has.
func parseEnv(cfg *Config, vars map[string]string) error {
	err := env.ParseWithOptions(cfg, env.Options{
		Environment: vars,
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[Secret]():         func(v string) (any, error) { return newSecret(v), nil },
			reflect.TypeFor[Mode]():           parseMode,
			reflect.TypeFor[LogFormat]():      parseLogFormat,
			reflect.TypeFor[[]netip.Prefix](): parseNetworks,
			reflect.TypeFor[url.URL]():        parseURL,
		},
	})
	var all env.AggregateError
	if !errors.As(err, &all) {
		return err
	}
	var faults []error
	for _, err := range all.Errors {
		var fault env.ParseError
		if errors.As(err, &fault) {
			err = fmt.Errorf("%s: %w", variableOf(fault.Name), fault.Err)
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// variableOf returns the name of the variable that sets a field.
func variableOf(field string) string {
	f, _ := reflect.TypeFor[Config]().FieldByName(field)
	return f.Tag.Get("env")
}

func parseMode(value string) (any, error) {
	switch value {
	case "on":
		return Enforcing, nil
	case "observe":
		return Observing, nil
	}
	return nil, fmt.Errorf("%q is neither on nor observe", value)
}

func parseLogFormat(value string) (any, error) {
	switch value {
	case "json":
		return LogJSON, nil
	case "text":
		return LogText, nil
	}
	return nil, fmt.Errorf("%q is neither json nor text", value)
}

func parseNetworks(value string) (any, error) {
	var networks []netip.Prefix
	for part := range strings.SplitSeq(value, ",") {
		network, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("%q is no network in CIDR form, such as 10.0.0.0/8", part)
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}

func parseURL(value string) (any, error) {
	u, err := parseHTTPURL(value)
	if err != nil {
		return nil, err
	}
	return *u, nil
}

// kubernetesNames are the variables by which Kubernetes tells every container
// of the services in its namespace; one named share-proxy has our prefix.
var kubernetesNames = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_.*)?)$`)

// unknownVariables returns a warning for each variable that has our prefix
// and sets nothing.
func unknownVariables(all map[string]string) []string {
	known := map[string]bool{}
	for _, field := range settings() {
		name := field.Tag.Get("env")
		known[name], known[name+"_FILE"] = true, true
	}
	var warnings []string
	for name := range all {
		if strings.HasPrefix(name, ownPrefix) && !known[name] && !kubernetesNames.MatchString(name) {
			warnings = append(warnings, name+" is not a setting; nothing reads it")
		}
	}
	slices.Sort(warnings)
	return warnings
}
