package multicast

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// MaxLines is the number of lines that a channel can have.
const MaxLines = 2

// Line is one of the paths that carry a channel's packets.
type Line struct {
	Group     netip.AddrPort // multicast group and port
	Interface string         // its name, or an address on it
	Source    netip.Addr     // publisher: send from it; receiver: take only what it sent (SSM). Zero: any
}

// lineName is how people call line i.
func lineName(i int) string { return "line " + string(rune('A'+i)) }

// An endpoint is a Line that was checked and whose interface was found.
type endpoint struct {
	Line
	family
	name string // "line A"
	ifi  *net.Interface
}

// resolve checks line i. Errors wrap ErrGroup, ErrFamily or ErrInterface.
func resolve(i int, l Line) (*endpoint, error) {
	e := &endpoint{Line: l, name: lineName(i)}
	if !l.Group.IsValid() || !l.Group.Addr().IsMulticast() || l.Group.Port() == 0 {
		return nil, e.fail(fmt.Errorf("%v is %w: give one of 224.0.0.0/4 with a port, such as 239.1.1.1:5001", l.Group, ErrGroup))
	}
	e.Group = netip.AddrPortFrom(l.Group.Addr().Unmap().WithZone(""), l.Group.Port())
	e.family = familyOf(e.Group.Addr())
	if l.Source.IsValid() && l.Source.Is4() != e.Group.Addr().Is4() {
		return nil, e.fail(fmt.Errorf("%w: %v, %v", ErrFamily, e.Group, l.Source))
	}
	var err error
	if e.ifi, err = FindInterface(l.Interface); err != nil {
		return nil, e.fail(err)
	}
	return e, nil
}

// fail says on which line err happened.
func (e *endpoint) fail(err error) error { return fmt.Errorf("multicast: %s: %w", e.name, err) }

func (e *endpoint) failOrNil(err error) error {
	if err == nil {
		return nil
	}
	return e.fail(err)
}

// FindInterface returns the interface of that name, or with that address on it.
// The error wraps ErrInterface and names those there are.
func FindInterface(name string) (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	addr, _ := netip.ParseAddr(name)
	for i := range all {
		if all[i].Name != name && !hasAddr(&all[i], addr) {
			continue
		}
		if all[i].Flags&net.FlagUp == 0 {
			return nil, fmt.Errorf("interface %s is down: ip link set %[1]s up", all[i].Name)
		}
		return &all[i], nil
	}
	return nil, fmt.Errorf("%w: %q; there are %s", ErrInterface, name, names(all))
}

func hasAddr(ifi *net.Interface, want netip.Addr) bool {
	if !want.IsValid() {
		return false
	}
	addrs, err := ifi.Addrs()
	if err != nil {
		return false
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		// All of 127.0.0.0/8 is on the loopback interface.
		if p.Addr() == want.Unmap() || p.Addr().IsLoopback() && p.Contains(want.Unmap()) {
			return true
		}
	}
	return false
}

func names(all []net.Interface) string {
	var up []string
	for _, ifi := range all {
		if ifi.Flags&net.FlagUp != 0 {
			up = append(up, ifi.Name)
		}
	}
	return strings.Join(up, ", ")
}
