package keeper

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Key is a symmetric key.
type Key struct {
	Kind string // as package source names it
	Hex  string
}

// Keys has symmetric keys by number.
type Keys map[uint32]Key

// kinds are the names that chronyd has for kinds of keys, with ours and the lengths
// that they must have in bytes, 0 for any.
func kinds() map[string]struct {
	name   string
	length int
} {
	return map[string]struct {
		name   string
		length int
	}{"AES128": {"aes128cmac", 16}, "AES256": {"aes256cmac", 32}, "SHA256": {"sha256", 0}, "SHA1": {"sha1", 0}}
}

// ParseKeys reads a file of keys as chronyd has it: number, kind and key on a line.
//
//	# the key of 192.0.2.1
//	7 AES128 HEX:00112233445566778899aabbccddeeff
//
// The error names the line, and shows no word of it: whoever swaps two has a key there.
func ParseKeys(data []byte) (Keys, error) {
	keys := Keys{}
	n := 0
	for text := range strings.Lines(string(data)) {
		n++
		fields := strings.Fields(text)
		if len(fields) == 0 || strings.ContainsAny(fields[0][:1], "#!;%") {
			continue
		}
		number, key, err := parseKey(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if _, twice := keys[number]; twice {
			return nil, fmt.Errorf("line %d: key %d is there twice", n, number)
		}
		keys[number] = key
	}
	return keys, nil
}

func parseKey(fields []string) (uint32, Key, error) {
	if len(fields) != 3 {
		return 0, Key{}, fmt.Errorf("want a number, a kind and a key, such as 7 AES128 HEX:0011..., not %d words", len(fields))
	}
	number, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil || number == 0 {
		return 0, Key{}, errors.New("the number of a key is from 1")
	}
	kind, ok := kinds()[strings.ToUpper(fields[1])]
	if !ok {
		return 0, Key{}, fmt.Errorf("key %d: no kind of that name; want AES128, AES256, SHA256 or SHA1", number)
	}
	raw := []byte(strings.TrimPrefix(fields[2], "ASCII:"))
	if h, ok := strings.CutPrefix(fields[2], "HEX:"); ok {
		if raw, err = hex.DecodeString(h); err != nil {
			return 0, Key{}, fmt.Errorf("key %d: not hexadecimal", number)
		}
	}
	if len(raw) == 0 || kind.length != 0 && len(raw) != kind.length {
		return 0, Key{}, fmt.Errorf("key %d: %d bytes, %s needs %d", number, len(raw), strings.ToUpper(fields[1]), max(kind.length, 1))
	}
	return uint32(number), Key{kind.name, hex.EncodeToString(raw)}, nil
}

// keys reads the file that c names, and checks that it has what the servers need.
func (c *Config) keys() (Keys, error) {
	if c.Keys == "" {
		return nil, nil
	}
	bad := func(problem string, err error) error {
		return &ConfigError{Key: "keys", Value: c.Keys, Problem: problem, Err: err}
	}
	data, err := os.ReadFile(c.Keys)
	if err != nil {
		return nil, bad("cannot be read", err)
	}
	keys, err := ParseKeys(data)
	if err != nil {
		return nil, bad("is no file of keys", err)
	}
	for _, s := range c.Servers {
		if _, ok := keys[s.Key]; s.Key != 0 && !ok {
			return nil, bad(fmt.Sprintf("has no key %d, which server %s needs", s.Key, s.Address), nil)
		}
	}
	return keys, nil
}
