//go:build !linux || race

package history

func allocate(n int) ([]byte, error) { return make([]byte, n), nil }

func release([]byte) error { return nil }
