package settings

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// File is a parsed TOML file: tables of keys that some Section declares, with
// values that it accepts. The nil File is empty.
type File struct {
	name    string
	known   []Section
	entries map[[2]string]entry // by section and key
}

type entry struct{ place, text string }

func (f *File) entry(section, key string) (entry, bool) {
	if f == nil {
		return entry{}, false
	}
	e, ok := f.entries[[2]string{section, key}]
	return e, ok
}

// ParseFile reads data, the contents of the file of that name. Whatever no known
// section declares, or would refuse, is an *Error that names the line.
func ParseFile(name string, data []byte, known []Section) (*File, error) {
	f := &File{name: name, known: known, entries: map[[2]string]entry{}}
	p := &unstable.Parser{}
	p.Reset(data)
	var table string
	for p.NextExpression() {
		var err error
		switch e := p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table, err = f.table(p, e)
		case unstable.KeyValue:
			err = f.keyValue(p, table, e)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := p.Error(); err != nil {
		return nil, f.syntax(p, err)
	}
	return f, nil
}

func (f *File) wrong(line int, format string, args ...any) error {
	return &Error{fmt.Sprintf("%s:%d", f.name, line), fmt.Sprintf(format, args...)}
}

// syntax finds the line of an error of the parser.
func (f *File) syntax(p *unstable.Parser, err error) error {
	line := 1
	if e, ok := err.(*unstable.ParserError); ok && e.Highlight != nil {
		line = p.Shape(p.Range(e.Highlight)).Start.Line
	}
	return f.wrong(line, "not TOML: %s", err)
}

// table checks a [table] and returns its name.
func (f *File) table(p *unstable.Parser, e *unstable.Node) (string, error) {
	name, line := key(p, e)
	if _, ok := f.section(name); !ok || e.Kind == unstable.ArrayTable {
		return "", f.wrong(line, "unknown table [%s]%s; tables are %s", name, DidYouMean(name, "", f.sections()), strings.Join(f.sections(), ", "))
	}
	return name, nil
}

// keyValue checks a key of a table and keeps its value.
func (f *File) keyValue(p *unstable.Parser, table string, e *unstable.Node) error {
	name, line := key(p, e)
	section, ok := f.section(table)
	if !ok {
		return f.wrong(line, "key %s stands in no table; begin one, such as [%s], above it", name, f.sections()[0])
	}
	setting, ok := section.find(name)
	if !ok {
		return f.wrong(line, "unknown key %s in [%s]%s", name, table, DidYouMean(name, "", section.names()))
	}
	if old, twice := f.entries[[2]string{table, name}]; twice {
		return f.wrong(line, "%s is set twice, first in %s", name, old.place)
	}
	text, ok := scalar(e.Value(), setting.Value.Lists())
	if !ok {
		return f.wrong(line, "%s: want one string, number or truth value", name)
	}
	if err := setting.Value.Check(text); err != nil {
		return f.wrong(line, "%s = %q: %s", name, text, err)
	}
	f.entries[[2]string{table, name}] = entry{fmt.Sprintf("%s:%d", f.name, line), text}
	return nil
}

// key gives the dotted key of a table or value, and its line.
func key(p *unstable.Parser, e *unstable.Node) (name string, line int) {
	var parts []string
	for it := e.Key(); it.Next(); {
		if line == 0 {
			line = p.Shape(it.Node().Raw).Start.Line
		}
		parts = append(parts, string(it.Node().Data))
	}
	return strings.Join(parts, "."), line
}

// scalar gives a value as text: a list, where one is wanted, with commas between.
func scalar(v *unstable.Node, list bool) (string, bool) {
	switch v.Kind {
	case unstable.String, unstable.Bool:
		return string(v.Data), true
	case unstable.Integer, unstable.Float:
		return strings.ReplaceAll(string(v.Data), "_", ""), true
	case unstable.Array:
		return join(v), list
	}
	return "", false
}

func join(v *unstable.Node) string {
	var parts []string
	for it := v.Children(); it.Next(); {
		text, _ := scalar(it.Node(), false)
		parts = append(parts, text)
	}
	return strings.Join(parts, ",")
}

func (f *File) section(name string) (Section, bool) {
	for _, s := range f.known {
		if s.Name == name {
			return s, true
		}
	}
	return Section{}, false
}

func (f *File) sections() []string {
	var out []string
	for _, s := range f.known {
		out = append(out, s.Name)
	}
	return out
}
