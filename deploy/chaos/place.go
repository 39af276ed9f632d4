package main

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// place is where the programs of a run listen: a network of loopback addresses
// of its own, so that ports are fixed and runs do not meet. Who calls whom shows
// in the address, as every caller gets one for each link of his own.
type place string

// newPlace picks a network.
func newPlace() place {
	// Three digits each: texts with one address are as long as with another.
	return place(fmt.Sprintf("127.%d.%d.", 100+rand.IntN(150), 100+rand.IntN(150)))
}

func (p place) at(last, port int) string {
	return net.JoinHostPort(fmt.Sprintf("%s%d", p, last), fmt.Sprint(port))
}

// The last numbers of addresses.
const (
	among  = 10 // what data nodes and Sentinels call each other by
	seenBy = 10 // + replica: what a replica calls them by
	home   = 20 // where they listen
	served = 30 // + replica: where a replica listens
	hub    = 40 // + replica: where the Hub listens for its questions; 40 itself for visitors
	server = 50 // where user servers listen
)

// The ports.
const (
	nodePort     = 7000 // + node, from 1
	sentinelPort = 8000 // + Sentinel, from 1
	publicPort   = 8000
	apiPort      = 8001
	metricsPort  = 8002
	hubPort      = 8081
	serverPort   = 9000 // + server
)
