package settings

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value is a destination of type T with what turns text into it and back.
type value[T any] struct {
	to    *T
	arg   string
	parse func(string) (T, error)
	show  func(T) string
	lists bool
}

// String gives the value as text, empty for the zero value.
func (v *value[T]) String() string {
	if v.to == nil {
		return ""
	}
	return v.show(*v.to)
}

// Set reads text into the destination.
func (v *value[T]) Set(text string) error {
	t, err := v.parse(text)
	if err == nil {
		*v.to = t
	}
	return err
}

// Check reads text and forgets it.
func (v *value[T]) Check(text string) error {
	_, err := v.parse(text)
	return err
}

// Type is the placeholder in help.
func (v *value[T]) Type() string { return v.arg }

// Lists reports whether text may hold several values.
func (v *value[T]) Lists() bool { return v.lists }

// Parsed is a setting of any type that has a parser.
func Parsed[T any](to *T, arg string, parse func(string) (T, error), show func(T) string) Value {
	return &value[T]{to: to, arg: arg, parse: parse, show: show}
}

// Text is a setting that is taken as it is.
func Text(to *string, arg string) Value {
	return Parsed(to, arg, func(s string) (string, error) { return s, nil }, func(s string) string { return s })
}

// Bool is a setting that is on or off.
func Bool(to *bool) Value {
	return Parsed(to, "bool", func(s string) (bool, error) {
		b, err := strconv.ParseBool(s)
		return b, orWant(err, "true or false")
	}, strconv.FormatBool)
}

// Count is a whole number that is not negative.
func Count(to *uint64, arg string) Value {
	return Parsed(to, arg, func(s string) (uint64, error) {
		n, err := strconv.ParseUint(s, 0, 64)
		return n, orWant(err, "a whole number, such as 1000")
	}, func(n uint64) string { return strconv.FormatUint(n, 10) })
}

// Number is a whole number from low to high, of any type that holds them.
func Number[T ~int | ~uint16](to *T, arg string, low, high int) Value {
	return Parsed(to, arg, func(s string) (T, error) {
		n, err := strconv.Atoi(s)
		if err == nil && (n < low || n > high) {
			err = strconv.ErrRange
		}
		return T(n), orWant(err, fmt.Sprintf("a whole number from %d to %d", low, high))
	}, func(t T) string { return strconv.Itoa(int(t)) })
}

// Duration is a time such as 50ms, 5s or 2m; never negative.
func Duration(to *time.Duration) Value {
	return Parsed(to, "TIME", func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err == nil && d < 0 {
			err = strconv.ErrRange
		}
		return d, orWant(err, "a time such as 50ms, 5s or 2m")
	}, showDuration)
}

// showDuration leaves the unit off zero, which is no default worth showing.
func showDuration(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	return d.String()
}

// Choice is one of the given words.
func Choice[T ~string](to *T, words ...string) Value {
	return Parsed(to, strings.Join(words, "|"), func(s string) (T, error) {
		if slices.Contains(words, s) {
			return T(s), nil
		}
		return "", errors.New("want " + strings.Join(words, " or "))
	}, func(t T) string { return string(t) })
}

// Group is a multicast group and port.
func Group(to *netip.AddrPort) Value {
	return Parsed(to, "GROUP:PORT", func(s string) (netip.AddrPort, error) {
		a, err := netip.ParseAddrPort(s)
		if err == nil && (!a.Addr().IsMulticast() || a.Port() == 0) {
			err = strconv.ErrRange
		}
		return a, orWant(err, "a multicast group and a port, such as 239.255.42.1:30001")
	}, showAddr)
}

// Addr is an address of this host and a port. No host means every address of it.
func Addr(to *string) Value {
	return Parsed(to, "ADDR:PORT", func(s string) (string, error) {
		_, port, err := net.SplitHostPort(s)
		if _, bad := strconv.ParseUint(port, 10, 16); bad != nil {
			err = bad
		}
		return s, orWant(err, "an address and a port, such as 10.0.0.7:30003 or :30003")
	}, func(s string) string { return s })
}

func showAddr(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// List is several values of one type, with commas between; none is an empty list.
func List[T any](to *[]T, arg string, parse func(string) (T, error), show func(T) string) Value {
	return &value[[]T]{to: to, arg: arg, lists: true,
		parse: func(s string) (list []T, err error) {
			for one := range strings.SplitSeq(s, ",") {
				if strings.TrimSpace(one) == "" && s == one {
					return nil, nil
				}
				t, err := parse(strings.TrimSpace(one))
				if err != nil {
					return nil, err
				}
				list = append(list, t)
			}
			return list, nil
		},
		show: func(list []T) string {
			parts := make([]string, len(list))
			for i := range list {
				parts[i] = show(list[i])
			}
			return strings.Join(parts, ",")
		}}
}

// Float is a number that is not negative.
func Float(to *float64, arg string) Value {
	return Parsed(to, arg, func(s string) (float64, error) {
		f, err := strconv.ParseFloat(s, 64)
		if err == nil && !(f >= 0 && f <= 1e9) {
			err = strconv.ErrRange
		}
		return f, orWant(err, "a number, such as 1e-6")
	}, func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) })
}

// Servers is a list of hosts, by name or address, each with a port.
func Servers(to *[]string) Value {
	return &value[[]string]{to: to, arg: "ADDR:PORT", lists: true, parse: parseServers,
		show: func(s []string) string { return strings.Join(s, ",") }}
}

func parseServers(s string) ([]string, error) {
	list := strings.Split(s, ",")
	for i, one := range list {
		list[i] = strings.TrimSpace(one)
		host, port, err := net.SplitHostPort(list[i])
		if n, bad := strconv.ParseUint(port, 10, 16); bad != nil || n == 0 || host == "" {
			err = strconv.ErrRange
		}
		if err != nil {
			return nil, orWant(err, "a host and a port, such as 10.0.0.7:30003, or several with commas between")
		}
	}
	return list, nil
}

// orWant says what would be right, if err says that it is wrong.
func orWant(err error, right string) error {
	if err == nil {
		return nil
	}
	return errors.New("want " + right)
}
