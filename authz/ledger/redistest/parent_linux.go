package redistest

import "syscall"

// dieWithParent ends a server when the program that started it is gone, also
// when that was killed or ran out of its time.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
