package main

import (
	"runtime/debug"
	"testing"
)

func TestBuildPrefersTheLinkersWord(t *testing.T) {
	info := &debug.BuildInfo{
		Main:     debug.Module{Version: "v0.3.0"},
		Settings: []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "0123abc"}},
	}
	for _, test := range []struct {
		name      string
		have, two build
	}{
		{"nothing set by the linker", build{}, build{Version: "v0.3.0", Commit: "0123abc"}},
		{"both set by the linker", build{Version: "1.0", Commit: "fff"}, build{Version: "1.0", Commit: "fff"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.have
			if got.fill(info); got != test.two {
				t.Errorf("fill(%+v) = %+v, want %+v", test.have, got, test.two)
			}
		})
	}
}
