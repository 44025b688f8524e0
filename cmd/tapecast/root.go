package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
)

// command is one verb: its table of settings, and what it does once they are
// loaded.
type command struct {
	use, short, long, example string
	table                     string // of its settings, where it is not the command's name

	args     cobra.PositionalArgs
	settings []settings.Setting
	shared   []settings.Section // tables that other commands have too
	run      func(ctx context.Context, args []string) error
}

func (c command) name() string {
	name, _, _ := strings.Cut(c.use, " ")
	return name
}

func (c command) section() settings.Section {
	name := c.table
	if name == "" {
		name = c.name()
	}
	return settings.Section{Name: name, Settings: c.settings}
}

// sections are all tables of a command, its own first.
func (c command) sections() []settings.Section {
	return append([]settings.Section{c.section()}, c.shared...)
}

const rootLong = `tapecast sequences market data, publishes it over UDP multicast on two lines,
repairs what is lost over TCP, and receives it complete and in order.

Data goes to stdout, diagnostics to stderr. Exit codes: 0 fine, 1 failure, 2 usage
or configuration, 3 data fault (messages lost for good, a check failed), 4 peer
unreachable.`

// root is the command line. The commands are made anew for each call: they hold
// the values of their flags.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "tapecast",
		Short:         "distribute market data over UDP multicast, completely and in order",
		Long:          rootLong,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	commands := a.commands()
	sections := tables(append(append(commands, a.clockCommands()...), a.benchCommands()...))
	for _, c := range commands {
		root.AddCommand(a.cobra(c, sections))
	}
	root.AddCommand(a.clock(sections), a.bench(sections), a.version())
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return flagError(c.Flags(), err) })
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Args = unknownCommand
		completion.RunE = root.RunE
	}
	return root
}

// commands are those with a table of their own.
func (a *app) commands() []command {
	return []command{a.serve(), a.listen(), a.cat(), a.verify(), a.info(), a.demo()}
}

// tables are the sections of all commands, each once.
func tables(commands []command) []settings.Section {
	var out []settings.Section
	for _, c := range commands {
		for _, s := range c.sections() {
			if !slices.ContainsFunc(out, func(o settings.Section) bool { return o.Name == s.Name }) {
				out = append(out, s)
			}
		}
	}
	return out
}

// noArguments refuses words that are not flags.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes flags only, not %q", cmd.CommandPath(), args[0])
}

// unknownCommand refuses a word that is no command, and proposes one that is.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return fmt.Errorf("unknown command %s%s", args[0], settings.DidYouMean(args[0], "", names))
}

// cobra makes the parser of one command. A file may hold the tables of all.
func (a *app) cobra(c command, all []settings.Section) *cobra.Command {
	section := c.section()
	cmd := &cobra.Command{Use: c.use, Short: c.short, Args: c.args, Example: c.example}
	cmd.Long = strings.TrimSpace(c.long) + fmt.Sprintf("\n\n"+
		"Every flag is also a key of [%s] in the TOML file that -c or %s names,\n"+
		"and a variable such as %s. A flag wins over the environment,\n"+
		"that over the file.", section.Name, configVariable, section.Variable(c.settings[0].Name))
	for _, shared := range c.shared {
		cmd.Long += fmt.Sprintf("\nThose that begin with --%s are keys of [%s], and variables such as %s.", shared.Name, shared.Name, shared.Variable(shared.Settings[0].Name))
	}
	for _, s := range c.sections() {
		s.Declare(cmd.Flags())
		completeWords(cmd, s)
	}
	cmd.Flags().SortFlags = false
	file := cmd.Flags().StringP("config", "c", "", "TOML `FILE` to read settings from")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		toml, err := a.file(*file, all)
		for _, s := range c.sections() {
			if err == nil {
				err = s.Load(cmd.Flags(), a.env, toml)
			}
		}
		if err != nil {
			return err
		}
		a.started = true
		return c.run(cmd.Context(), args)
	}
	return cmd
}

// completeWords lets shells complete the values of settings that are one of a few
// words.
func completeWords(cmd *cobra.Command, s settings.Section) {
	for _, t := range s.Settings {
		if words := strings.Split(t.Value.Type(), "|"); len(words) > 1 {
			_ = cmd.RegisterFlagCompletionFunc(t.Long(), cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	}
}

const configVariable = settings.Prefix + "CONFIG"

// file reads the TOML file, if one is named.
func (a *app) file(name string, known []settings.Section) (*settings.File, error) {
	if name == "" {
		name, _ = a.env(configVariable)
	}
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		var path *os.PathError
		errors.As(err, &path)
		return nil, &settings.Error{Place: "--config=" + name, Problem: fmt.Sprintf("%v; name a TOML file that can be read", path.Err)}
	}
	return settings.ParseFile(name, data, known)
}
