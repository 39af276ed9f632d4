package proxy

import (
	"net/url"
	"slices"
	"strings"

	"github.com/jupyterhub-share-proxy/share-proxy/proxy/route"
)

// leadsToHub reports whether the Hub will answer: by its own route, or by the
// --default-target as long as the Hub has not named itself.
func (p *Proxy) leadsToHub(v *visit) bool {
	switch v.route.Class {
	case route.ClassHub:
		return true
	case route.ClassServer:
		return false
	default:
		return p.belowHub(v) != nil
	}
}

// belowHub returns the segments behind the Hub's prefix, or nil for paths that
// are not the Hub's own.
func (p *Proxy) belowHub(v *visit) []string {
	prefix := splitPath(p.hubPrefix())
	segments := v.target.Segments()
	if len(prefix) == 0 || len(segments) < len(prefix) || !slices.Equal(segments[:len(prefix)], prefix) {
		return nil
	}
	return segments[len(prefix):]
}

// hubPrefix is the path of the Hub, escaped, with a slash at both ends, or ""
// as long as it is not known.
func (p *Proxy) hubPrefix() string {
	api, err := p.hubAPI()
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimSuffix(api.EscapedPath(), "/"), "api")
}

// splitPath returns the decoded segments of an escaped path.
func splitPath(escaped string) []string {
	var segments []string
	for part := range strings.SplitSeq(strings.Trim(escaped, "/"), "/") {
		segment, err := url.PathUnescape(part)
		if err != nil || segment == "" {
			return nil
		}
		segments = append(segments, segment)
	}
	return segments
}
