// Package live knows everything through which bytes pass right now: requests,
// downloads, uploads, event streams and WebSockets are one thing here, an
// [Exchange] with a gate.
//
// What callers rely on:
//
//   - An exchange is registered before its decision is asked for, with its
//     gate closed. A revocation that falls between finds it.
//   - Passed means written to the kernel. A [Conn] asks the gate of its
//     exchange for every chunk that it writes, towards the client and towards
//     the upstream alike, and beneath TLS. So nothing that sits in a buffer of
//     the process gets around it.
//   - When [Table.Hold] or [Exchange.Cut] has returned, nothing more is
//     written: a write that is stuck on a slow peer is broken off, and resumed
//     where it stopped if the gate opens again. Nothing is lost or doubled by
//     a hold.
//   - A gate opens only by a decision that was asked for at or after the last
//     entry that held it, and a decision that grew old closes it by itself at
//     the next byte.
//
// The package decides nothing and does no I/O but on the connections that it
// wraps. Who asks again, and what a WebSocket is told at its end, is the
// caller's.
package live
