package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// network is where a demo runs: two groups of its own on the loopback interface.
type network struct {
	name   string // of the interface
	groups [2]string
}

// demoNetwork picks groups and free ports, and checks that the loopback interface
// carries them.
func demoNetwork() (*network, error) {
	lo, err := loopback()
	if err != nil {
		return nil, err
	}
	n := &network{name: lo.Name}
	for i := range n.groups {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		group := netip.AddrFrom4([4]byte{239, 255, byte(rand.N(256)), byte(1 + rand.N(254))})
		n.groups[i] = netip.AddrPortFrom(group, port).String()
		if err := carries(lo, netip.AddrPortFrom(group, port)); err != nil {
			return nil, fmt.Errorf("interface %s does not carry multicast (%w): bring it up with `ip link set %s up multicast on`, "+
				"and where a container or firewall forbids multicast, allow 239.255.0.0/16", lo.Name, err, lo.Name)
		}
	}
	return n, nil
}

func loopback() (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 && i.Flags&net.FlagUp != 0 {
			return &i, nil
		}
	}
	return nil, fmt.Errorf("this host has no loopback interface that is up: try `ip link set lo up`")
}

// freePort is a UDP port that nobody uses now.
func freePort() (uint16, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Port(), nil
}

// carries sends one datagram to the group and waits for it.
func carries(i *net.Interface, group netip.AddrPort) error {
	addr := net.UDPAddrFromAddrPort(group)
	in, err := net.ListenMulticastUDP("udp4", i, addr)
	if err != nil {
		return err
	}
	defer in.Close()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error { return sendOn(i, c) }}
	out, err := d.DialContext(context.Background(), "udp4", group.String())
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := out.Write([]byte("tapecast")); err != nil {
		return err
	}
	in.SetReadDeadline(time.Now().Add(time.Second))
	var b [16]byte
	_, _, err = in.ReadFrom(b[:])
	return err
}

// sendOn makes a socket send multicast through i.
func sendOn(i *net.Interface, c syscall.RawConn) error {
	var err error
	control := c.Control(func(fd uintptr) {
		err = unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(i.Index)})
	})
	if control != nil {
		return control
	}
	return err
}
