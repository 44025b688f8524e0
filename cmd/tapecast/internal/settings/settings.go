// Package settings declares once what a command can be told, and reads it from
// flags, the environment and a TOML file.
//
// A Section is the table of one command, or of something that several commands
// share. Its name is the command's, the TOML table's and part of the variable's: `--line-a` of serve is also
// TAPECAST_SERVE_LINE_A and the key line-a of [serve]. A flag wins over the
// environment, that over the file, that over the default, which is what the
// destination holds when the table is made.
package settings

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// Prefix begins the name of every variable of the environment that is read.
const Prefix = "TAPECAST_"

// Setting is one thing that a command can be told.
type Setting struct {
	Name  string // of the flag and of the TOML key: words with dashes
	Flag  string // of the flag, where it is another one
	Short string // one letter, or none
	Usage string // what it means, in one line
	Value Value  // where it goes
}

// Long is the name of the flag.
func (t Setting) Long() string {
	if t.Flag != "" {
		return t.Flag
	}
	return t.Name
}

// Value is the destination of a setting, with its type.
type Value interface {
	pflag.Value              // Type is the placeholder in help, such as DIR
	Check(text string) error // what Set would say, setting nothing
	Lists() bool             // several values, with commas between
}

// Section is a table: of one command, or shared by some.
type Section struct {
	Name     string
	Settings []Setting
}

// Error is a setting that cannot be used: where it was found and what is wrong
// with it.
type Error struct {
	Place   string // "--pace", "TAPECAST_SERVE_PACE" or "FILE:LINE"
	Problem string
}

// Error gives place and problem.
func (e *Error) Error() string { return e.Place + ": " + e.Problem }

// Variable is the name of the environment variable of a setting of s.
func (s Section) Variable(name string) string {
	return Prefix + upper(s.Name) + "_" + upper(name)
}

func upper(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "-", "_")) }

// Declare adds a flag for each setting.
func (s Section) Declare(flags *pflag.FlagSet) {
	for _, t := range s.Settings {
		f := flags.VarPF(t.Value, t.Long(), t.Short, t.Usage)
		if _, ok := t.Value.(*value[bool]); ok {
			f.NoOptDefVal = "true"
		}
	}
}

// Load gives values to the settings that no flag named: from the environment, or
// else from the file, which may be nil. Errors are *Error.
func (s Section) Load(flags *pflag.FlagSet, env func(string) (string, bool), file *File) error {
	for _, t := range s.Settings {
		if flags.Changed(t.Long()) {
			continue
		}
		if err := s.load(t, env, file); err != nil {
			return err
		}
	}
	return nil
}

func (s Section) load(t Setting, env func(string) (string, bool), file *File) error {
	name := s.Variable(t.Name)
	if text, ok := env(name); ok {
		return at(fmt.Sprintf("%s=%q", name, text), t.Value.Set(text))
	}
	if e, ok := file.entry(s.Name, t.Name); ok {
		return at(e.place, t.Value.Set(e.text))
	}
	return nil
}

// at says where err comes from, if it is one.
func at(place string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{place, err.Error()}
}

// find returns the setting of that name.
func (s Section) find(name string) (Setting, bool) {
	for _, t := range s.Settings {
		if t.Name == name {
			return t, true
		}
	}
	return Setting{}, false
}

func (s Section) names() []string {
	var out []string
	for _, t := range s.Settings {
		out = append(out, t.Name)
	}
	return out
}
