package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// Flags are CHP's flags that do something here.
type Flags struct {
	IP            string     // public address; "" is all interfaces
	Port          int        // public port; 0 picks a free one
	APIIP         string     // address of the route API; "" is all interfaces
	APIPort       int        // its port; 0 picks a free one
	DefaultTarget *url.URL   // where the root route leads at the start, or nil
	ErrorTarget   *url.URL   // who writes error pages, or nil
	LogLevel      slog.Level // nothing below is logged
	HostRouting   bool       // the first segment of a route is the host
	MetricsIP     string     // address of metrics and readiness; "" is all interfaces
	MetricsPort   int        // its port; 0 is off

	// KeepAliveTimeout ends idle connections of visitors; 0 leaves it to the
	// public server.
	KeepAliveTimeout time.Duration

	PIDFile string // written when all listeners are bound; "" is none

	Help    bool // print the flags and exit
	Version bool // print the version and exit

	apiPortSet bool // --api-port was given
}

func defaultFlags() Flags {
	return Flags{
		Port:  8000,
		APIIP: "localhost",
	}
}

// errMissingValue is the fault of a flag at the end of the line.
var errMissingValue = errors.New("needs a value")

// parseFlags reads args as CHP's parser (commander) does: --flag value and
// --flag=value, empty values, the last one wins, a value may begin with a
// dash. It reports all faults at once: unknown flags, arguments that are no
// flags, bad values and flags that this version does not do.
func parseFlags(args []string) (Flags, error) {
	f := defaultFlags()
	var faults []error
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, value, inline := strings.Cut(arg, "=")
		known, ok := findFlag(name)
		switch {
		case !strings.HasPrefix(arg, "-"):
			// Not the argument itself: it may be the secret of a flag that
			// was written wrongly.
			faults = append(faults, errors.New("an argument that is no flag: all settings are flags or variables"))
			continue
		case !ok, inline && known.value == "":
			faults = append(faults, fmt.Errorf("%s: unknown flag", name))
			continue
		case known.value != "" && !inline:
			if len(args) == 0 {
				faults = append(faults, fmt.Errorf("%s: %w", name, errMissingValue))
				continue
			}
			value, args = args[0], args[1:]
		}
		if err := known.set(&f, value); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
		}
	}
	if !f.apiPortSet && f.Port != 0 {
		f.APIPort = f.Port + 1
	}
	if f.APIPort > maxPort {
		faults = append(faults, errors.New("--api-port: --port leaves no port above it; give one"))
	}
	return f, errors.Join(faults...)
}
