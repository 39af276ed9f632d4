package target

import "strings"

// decode decodes the escapes of one segment, once, and refuses bytes that no
// segment may contain. A segment without escapes is returned as it is.
func decode(raw string) (string, error) {
	escapes := 0
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
				return "", errEscape
			}
			c = unhex(raw[i+1])<<4 | unhex(raw[i+2])
			escapes++
			i += 2
		} else if err := checkRaw(c); err != nil {
			return "", err
		}
		if err := checkEscaped(c); err != nil {
			return "", err
		}
	}
	if escapes == 0 {
		return raw, nil
	}
	b := make([]byte, 0, len(raw)-2*escapes)
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			c = unhex(raw[i+1])<<4 | unhex(raw[i+2])
			i += 2
		}
		b = append(b, c)
	}
	return string(b), nil
}

// hasDots reports whether a decoded segment is a dot segment for some reader:
// for one that decodes escaped slashes before it resolves dots, and for one
// that drops path parameters ("..;x") before it does.
func hasDots(segment string) bool {
	if strings.IndexByte(segment, '.') < 0 {
		return false
	}
	for piece := range strings.SplitSeq(segment, "/") {
		name, _, _ := strings.Cut(piece, ";")
		if name == "." || name == ".." {
			return true
		}
	}
	return false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// unhex returns the value of a hexadecimal digit.
func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
