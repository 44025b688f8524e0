package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// mutant is one planted bug.
type mutant struct {
	number   int
	name     string
	file     string
	old, new []string // lines
	seeds    uint64   // in which it was killed when that was noted; 0 not noted
	world    string   // the file of the world whose like it is planted in; empty: any
}

// load reads a list of mutants.
func load(path string) ([]mutant, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parse(string(b))
}

// parse reads the format that the head of mutants.txt describes.
func parse(text string) (all []mutant, err error) {
	var m *mutant
	for i, line := range strings.Split(text, "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "mutant":
			all = append(all, mutant{number: len(all) + 1, name: rest})
			m = &all[len(all)-1]
		case line == "" || line[0] == '#':
		case m == nil:
			return nil, fmt.Errorf("line %d: %q before the first mutant", i+1, line)
		case word == "file":
			m.file = rest
		case word == "seeds":
			if m.seeds, err = strconv.ParseUint(rest, 10, 64); err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
		case word == "world":
			m.world = rest
		case line[0] == '-':
			m.old = append(m.old, line[1:])
		case line[0] == '+':
			m.new = append(m.new, line[1:])
		default:
			return nil, fmt.Errorf("line %d: %q is neither mutant, file, seeds, world, old nor new line", i+1, line)
		}
	}
	return all, nil
}

// check says which mutants do not fit the code.
func check(all []mutant) error {
	var bad []string
	for i := range all {
		m := &all[i]
		if _, err := m.apply(); err != nil {
			bad = append(bad, err.Error())
		}
		if _, err := os.Stat(m.world); m.world != "" && err != nil {
			bad = append(bad, fmt.Sprintf("mutant %d, %s: %v", m.number, m.name, err))
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("do not fit the code:\n%s", strings.Join(bad, "\n"))
	}
	return nil
}

// apply returns the mutated file.
func (m *mutant) apply() ([]byte, error) {
	b, err := os.ReadFile(m.file)
	if err != nil {
		return nil, fmt.Errorf("mutant %d, %s: %w", m.number, m.name, err)
	}
	old, changed := []byte(strings.Join(m.old, "\n")), []byte(strings.Join(m.new, "\n"))
	if n := bytes.Count(b, old); len(m.old) == 0 || n != 1 || bytes.Equal(old, changed) {
		return nil, fmt.Errorf("mutant %d, %s: its old lines are %d times in %s, they must be there once", m.number, m.name, n, m.file)
	}
	return bytes.Replace(b, old, changed, 1), nil
}
