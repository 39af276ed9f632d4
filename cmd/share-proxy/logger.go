package main

import (
	"io"
	"log/slog"
	"net/url"
	"reflect"
)

// newLogger returns the program's logger, which writes to w as the settings
// say.
func newLogger(cfg Config, w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: cfg.Flags.LogLevel}
	if cfg.LogFormat == LogText {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

// LogValue returns the settings that this version has, by the names of their
// variables, and the flags. Secrets are redacted by their type.
func (c Config) LogValue() slog.Value {
	var attrs []slog.Attr
	value := reflect.ValueOf(c)
	for _, field := range settings() {
		if field.Tag.Get("later") == "" {
			attrs = append(attrs, slog.Any(field.Tag.Get("env"), printable(value.FieldByIndex(field.Index).Interface())))
		}
	}
	return slog.GroupValue(append(attrs, slog.Any("flags", c.Flags))...)
}

// LogValue returns the flags by their names.
func (f Flags) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("ip", f.IP), slog.Int("port", f.Port),
		slog.String("api_ip", f.APIIP), slog.Int("api_port", f.APIPort),
		slog.Any("default_target", printable(f.DefaultTarget)),
		slog.Any("error_target", printable(f.ErrorTarget)),
		slog.Any("log_level", f.LogLevel), slog.Bool("host_routing", f.HostRouting),
		slog.String("metrics_ip", f.MetricsIP), slog.Int("metrics_port", f.MetricsPort),
		slog.String("keep_alive_timeout", f.KeepAliveTimeout.String()),
		slog.String("pid_file", f.PIDFile),
	)
}

// printable returns v as people write it; JSON would show a duration in
// nanoseconds and a mode as a number.
func printable(v any) any {
	switch v := v.(type) {
	case *url.URL:
		if v == nil {
			return ""
		}
		return v.String()
	case Secret:
		return v
	case interface{ String() string }:
		return v.String()
	}
	return v
}
