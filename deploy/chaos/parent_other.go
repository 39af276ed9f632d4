//go:build !linux

package main

import "syscall"

// dieWithParent does nothing: what was started outlives a program that is
// killed. A run needs more than one loopback address anyway, which only Linux
// has without asking.
func dieWithParent() *syscall.SysProcAttr { return nil }
