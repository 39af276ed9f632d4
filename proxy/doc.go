// Package proxy is the HTTP edge: the way of a request from the client's bytes
// to the upstream's and back. [Proxy.ServeHTTP] is that way, top to bottom.
//
// Rules that everything here keeps:
//
//   - An exchange is registered before it is decided (package live), so that a
//     revocation that falls between finds it.
//   - What was judged is what is forwarded: the upstream's URL is built from
//     the parsed target, and of several credentials only the judged one goes
//     on (package head).
//   - An error is not a decision. Who cannot be judged gets 503, keeps his
//     cookies and is sent nowhere.
//   - What may pass, and what is taken out of heads, is decided by pure
//     functions in packages authz, target, route and head. This package
//     connects them to net/http, which is the engine for now. engine.go is the
//     seam: it, pool.go, body.go and recorder.go know how net/http moves the
//     bytes of requests; socket.go, pump.go and frame.go move those of
//     WebSockets.
package proxy
