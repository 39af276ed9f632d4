package main

import (
	"context"
	"io"
)

// doctorCommand is `share-proxy doctor [flags]`.
func doctorCommand(_ context.Context, _, _ []string, _, _ io.Writer) int { return 0 }
