package ledger

// OpenRedisTrusting is OpenRedis with other roots than the machine's.
var OpenRedisTrusting = openRedis

// Bounds of what is kept.
const (
	KeepEntries = keepEntries
	KeepMarks   = keepMarks
)
