// Command share-proxy is a reverse proxy in front of the user servers of a
// JupyterHub. It takes the place of configurable-http-proxy (CHP) and enforces
// sharing: whoever loses a share is out before the call that revoked it
// returns.
//
// This package reads settings and flags, connects the parts and decides the
// exit code. It holds no policy and speaks no protocol of its own:
//
//   - Settings come from the environment and from CHP's flags and nowhere
//     else; no other package reads either. All faults are reported at once,
//     each with the name of its variable or flag, and none with the value of
//     a secret. What is not available in this version ends the program with a
//     word, so that nobody believes that it works.
//   - All listeners are bound before anything is announced. A listener that
//     fails ends the program.
//   - wire.go is the parts list of the program; serve.go is its life.
//
// Exit codes: 0 done (also after SIGTERM, when CHP says 2), 1 failed or a
// fault in flags or settings, as CHP; 2 a command that does not exist.
package main
