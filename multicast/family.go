package multicast

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// A family is what differs between the IP versions.
type family struct {
	domain  int
	level   int // of the options below
	ttl     int // option: hops of multicast
	loop    int // option: multicast comes back to this host
	all     int // option: take groups that only other sockets joined
	mtu     int // option: path MTU discovery
	headers int // bytes of IP and UDP headers in each datagram
}

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return family{
			domain: unix.AF_INET, level: unix.IPPROTO_IP,
			ttl: unix.IP_MULTICAST_TTL, loop: unix.IP_MULTICAST_LOOP,
			all: unix.IP_MULTICAST_ALL, mtu: unix.IP_MTU_DISCOVER,
			headers: 20 + 8,
		}
	}
	return family{
		domain: unix.AF_INET6, level: unix.IPPROTO_IPV6,
		ttl: unix.IPV6_MULTICAST_HOPS, loop: unix.IPV6_MULTICAST_LOOP,
		all: unix.IPV6_MULTICAST_ALL, mtu: unix.IPV6_MTU_DISCOVER,
		headers: 40 + 8,
	}
}

// maxDatagram is the longest UDP payload of any IP version.
const maxDatagram = 65535 - 20 - 8

// payload is the longest UDP payload that is not fragmented on e's interface.
func (e *endpoint) payload() int { return min(e.ifi.MTU-e.headers, maxDatagram) }

// sockaddr is ap for the kernel. scope is the interface index of an IPv6 address
// that needs one, or 0.
func sockaddr(ap netip.AddrPort, scope int) unix.Sockaddr {
	if ap.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(ap.Port()), Addr: ap.Addr().As16(), ZoneId: uint32(scope)}
}

func addrPort(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a.Unmap(), port) }
