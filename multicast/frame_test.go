package multicast

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

var (
	frameGroup  = netip.MustParseAddrPort("239.77.1.1:5001")
	frameSource = netip.MustParseAddr("192.0.2.1")
)

// ipPacket makes an IPv4 datagram with valid checksums.
func ipPacket(options, payload []byte) []byte {
	head := ipLen + len(options)
	b := make([]byte, head+udpLen, head+udpLen+len(payload))
	b[0], b[8], b[ipProtocol] = byte(0x40|head/4), 1, unix.IPPROTO_UDP
	be.PutUint16(b[ipTotal:], uint16(head+udpLen+len(payload)))
	copy(b[ipSource:], frameSource.AsSlice())
	copy(b[ipTarget:], frameGroup.Addr().AsSlice())
	copy(b[ipLen:], options)
	udp := b[head:]
	be.PutUint16(udp, 40000)
	be.PutUint16(udp[udpPort:], frameGroup.Port())
	be.PutUint16(udp[udpLength:], uint16(udpLen+len(payload)))
	b = append(b, payload...)
	seal(b)
	return b
}

// seal computes both checksums the slow way, byte pair by byte pair.
func seal(b []byte) {
	head := int(b[0]&0xf) * 4
	udp := b[head:]
	be.PutUint16(udp[udpSum:], 0)
	pseudo := append(slices.Clone(b[ipSource:ipTarget+4]), 0, unix.IPPROTO_UDP, udp[udpLength], udp[udpLength+1])
	be.PutUint16(udp[udpSum:], ^slowSum(append(pseudo, udp...)))
	resealIP(b)
}

func resealIP(b []byte) {
	be.PutUint16(b[10:], 0)
	be.PutUint16(b[10:], ^slowSum(b[:int(b[0]&0xf)*4]))
}

func slowSum(b []byte) uint16 {
	var s uint32
	for i, c := range b {
		s += uint32(c) << (8 * (1 - i%2))
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// vnet makes a virtio header.
func vnet(flags, kind byte, size uint16) []byte {
	b := make([]byte, vnetLen)
	b[0], b[1] = flags, kind
	binary.NativeEndian.PutUint16(b[4:], size)
	return b
}

// A frameCase is a frame and what becomes of it.
type frameCase struct {
	name    string
	frame   frame
	want    Refusal
	payload []byte
	segment int
}

func frameCases() []frameCase {
	plain := vnet(0, 0, 0)
	payload := []byte("market data")
	good := ipPacket(nil, payload)
	edit := func(f func(b []byte)) []byte {
		b := slices.Clone(good)
		f(b)
		return b
	}
	damaged := edit(func(b []byte) { b[len(b)-1] ^= 1 })
	return []frameCase{
		{"plain", frame{ip: good, vnet: plain}, 0, payload, 0},
		{"odd length", frame{ip: ipPacket(nil, payload[:5]), vnet: plain}, 0, payload[:5], 0},
		{"nothing in it", frame{ip: ipPacket(nil, nil), vnet: plain}, 0, []byte{}, 0},
		{"padded by the link", frame{ip: append(slices.Clone(good), make([]byte, 20)...), vnet: plain}, 0, payload, 0},
		{"options", frame{ip: ipPacket([]byte{148, 4, 0, 0, 1, 1, 1, 0}, payload), vnet: plain}, 0, payload, 0},
		{"most options", frame{ip: ipPacket(bytes.Repeat([]byte{1}, 40), payload), vnet: plain}, 0, payload, 0},
		{"no UDP checksum", frame{ip: edit(func(b []byte) { b[26], b[27], b[30] = 0, 0, 'X' }), vnet: plain}, 0, []byte("maXket data"), 0},
		{"checksum left to hardware", frame{ip: damaged, vnet: vnet(unix.VIRTIO_NET_HDR_F_NEEDS_CSUM, 0, 0)}, 0, damaged[28:], 0},
		{"checksum verified by hardware", frame{ip: damaged, vnet: vnet(unix.VIRTIO_NET_HDR_F_DATA_VALID, 0, 0)}, 0, damaged[28:], 0},
		{"batch", frame{ip: good, vnet: vnet(0, unix.VIRTIO_NET_HDR_GSO_UDP_L4, 4)}, 0, payload, 4},

		{"damaged", frame{ip: damaged, vnet: plain}, RefusedChecksum, nil, 0},
		{"damaged header", frame{ip: edit(func(b []byte) { b[8]++ }), vnet: plain}, RefusedChecksum, nil, 0},
		{"damaged header, UDP verified", frame{ip: edit(func(b []byte) { b[8]++ }), vnet: vnet(unix.VIRTIO_NET_HDR_F_DATA_VALID, 0, 0)}, RefusedChecksum, nil, 0},
		{"another source than summed", frame{ip: edit(func(b []byte) { b[ipSource]++; resealIP(b) }), vnet: plain}, RefusedChecksum, nil, 0},
		{"elsewhere", frame{ip: good, vnet: plain, elsewhere: true}, RefusedElsewhere, nil, 0},
		{"first fragment", frame{ip: edit(func(b []byte) { b[ipFragment] = 0x20; resealIP(b) }), vnet: plain}, RefusedFragment, nil, 0},
		{"later fragment", frame{ip: edit(func(b []byte) { b[ipFragment+1] = 0xb9; resealIP(b) }), vnet: plain}, RefusedFragment, nil, 0},
		{"another group", frame{ip: edit(func(b []byte) { b[ipTarget+3]++; seal(b) }), vnet: plain}, RefusedForeign, nil, 0},
		{"another port", frame{ip: edit(func(b []byte) { b[ipLen+udpPort]++; seal(b) }), vnet: plain}, RefusedForeign, nil, 0},
		{"TCP", frame{ip: edit(func(b []byte) { b[ipProtocol] = 6; resealIP(b) }), vnet: plain}, RefusedForeign, nil, 0},
		{"batch of TCP", frame{ip: good, vnet: vnet(0, unix.VIRTIO_NET_HDR_GSO_TCPV4, 4)}, RefusedOffload, nil, 0},
		{"batch of nothing", frame{ip: good, vnet: vnet(0, unix.VIRTIO_NET_HDR_GSO_UDP_L4, 0)}, RefusedOffload, nil, 0},
		{"empty", frame{vnet: plain}, RefusedShort, nil, 0},
		{"cut in the header", frame{ip: good[:19], vnet: plain}, RefusedShort, nil, 0},
		{"cut in the payload", frame{ip: good[:len(good)-1], vnet: plain}, RefusedShort, nil, 0},
		{"IPv6", frame{ip: edit(func(b []byte) { b[0] = 0x65 }), vnet: plain}, RefusedShort, nil, 0},
		{"header shorter than a header", frame{ip: edit(func(b []byte) { b[0] = 0x44 }), vnet: plain}, RefusedShort, nil, 0},
		{"total below the header", frame{ip: edit(func(b []byte) { be.PutUint16(b[ipTotal:], 19) }), vnet: plain}, RefusedShort, nil, 0},
		{"no room for UDP", frame{ip: edit(func(b []byte) { be.PutUint16(b[ipTotal:], 27); resealIP(b) }), vnet: plain}, RefusedShort, nil, 0},
		{"UDP length zero", frame{ip: edit(func(b []byte) { be.PutUint16(b[ipLen+udpLength:], 0) }), vnet: plain}, RefusedShort, nil, 0},
		{"UDP longer than IP", frame{ip: edit(func(b []byte) { b[ipLen+udpLength+1]++; seal(b) }), vnet: plain}, RefusedShort, nil, 0},
	}
}

func TestFrame(t *testing.T) {
	for _, c := range frameCases() {
		payload, segment, why := c.frame.open(frameGroup.Addr().As4(), frameGroup.Port())
		if why != c.want || segment != c.segment || !bytes.Equal(payload, c.payload) || (payload == nil) != (c.payload == nil) {
			t.Errorf("%s: %q in segments of %d, %v; want %q, %d, %v", c.name, payload, segment, why, c.payload, c.segment, c.want)
		}
	}
}

// A datagram may carry less than its IP packet: the rest is no part of it.
func TestFrameShorterThanItsPacket(t *testing.T) {
	b := ipPacket(nil, []byte("datamore"))
	be.PutUint16(b[ipLen+udpLength:], udpLen+4)
	cut := slices.Clone(b[:len(b)-4])
	be.PutUint16(cut[ipTotal:], uint16(len(cut)))
	seal(cut)
	copy(b[ipLen+udpSum:], cut[ipLen+udpSum:ipLen+udpSum+2])
	f := frame{ip: b, vnet: vnet(0, 0, 0)}
	if payload, _, why := f.open(frameGroup.Addr().As4(), frameGroup.Port()); string(payload) != "data" || why != RefusedNone {
		t.Errorf("%q, %v", payload, why)
	}
}

// The program that the kernel runs lets through what is for the line, and fragments.
func TestFilter(t *testing.T) {
	e := &endpoint{Line: Line{Group: frameGroup}, ifi: &net.Interface{Index: 1}}
	lets := map[bool][]string{}
	for _, source := range []netip.Addr{{}, frameSource} {
		e.Source = source
		for _, c := range frameCases() {
			passes := runFilter(t, e, c.frame.ip) > 0
			foreign := c.want == RefusedForeign || c.name == "empty" || c.name == "cut in the header"
			if passes == foreign && c.want != RefusedShort && c.name != "another source than summed" {
				t.Errorf("%s: passes %v", c.name, passes)
			}
			lets[passes] = append(lets[passes], c.name)
		}
	}
	e.Source = frameSource.Next()
	if runFilter(t, e, frameCases()[0].frame.ip) > 0 {
		t.Error("another source passes")
	}
	if len(lets[true]) == 0 || len(lets[false]) == 0 {
		t.Errorf("passes or not: %v", lets)
	}
}

// runFilter runs e's program, without its look at the interface, which only the
// kernel can answer.
func runFilter(t *testing.T, e *endpoint, ip []byte) int {
	t.Helper()
	raw, err := e.filter()
	if err != nil {
		t.Fatal(err)
	}
	program, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatalf("cannot be read back: %v", raw)
	}
	vm, err := bpf.NewVM(program[2:])
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(append(make([]byte, etherLen), ip...))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// inSlot puts a frame into a slot as the kernel does.
func inSlot(f frame) []byte {
	const mac = 80
	slot := make([]byte, leastSlot)
	h := (*unix.Tpacket2Hdr)(unsafe.Pointer(&slot[0]))
	h.Status, h.Mac, h.Net = unix.TP_STATUS_USER, mac, mac+etherLen
	h.Len = uint32(etherLen + len(f.ip))
	h.Snaplen = h.Len
	copy(slot[mac-vnetLen:], f.vnet)
	copy(slot[mac+etherLen:], f.ip)
	if f.elsewhere {
		(*unix.RawSockaddrLinklayer)(unsafe.Pointer(&slot[unix.SizeofTpacket2Hdr])).Pkttype = unix.PACKET_OTHERHOST
	}
	return slot
}

func TestSlot(t *testing.T) {
	for _, c := range frameCases() {
		slot := inSlot(c.frame)
		f, ok := slotFrame(slot, (*unix.Tpacket2Hdr)(unsafe.Pointer(&slot[0])))
		if !ok || !bytes.Equal(f.ip, c.frame.ip) || !bytes.Equal(f.vnet, c.frame.vnet) || f.elsewhere != c.frame.elsewhere {
			t.Errorf("%s: %v, %+v", c.name, ok, f)
		}
	}
	slot := inSlot(frameCases()[0].frame)
	h := (*unix.Tpacket2Hdr)(unsafe.Pointer(&slot[0]))
	h.Len++
	if _, ok := slotFrame(slot, h); ok {
		t.Error("a frame that was cut is taken for whole")
	}
}

// Frames come from the wire, slots from the kernel; whatever is in them, a refused
// frame gives nothing, and what is given lies inside the slot.
func FuzzSlot(f *testing.F) {
	for _, c := range frameCases() {
		slot := inSlot(c.frame)
		f.Add(slot[:140+len(c.frame.ip)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		slot := make([]byte, max(len(b), slotLeast))
		copy(slot, b)
		frame, ok := slotFrame(slot, (*unix.Tpacket2Hdr)(unsafe.Pointer(&slot[0])))
		if !ok {
			return
		}
		payload, segment, why := frame.open(frameGroup.Addr().As4(), frameGroup.Port())
		if (payload == nil) != (why != RefusedNone) || segment < 0 || len(payload) > len(slot) {
			t.Fatalf("%d bytes in segments of %d, %v", len(payload), segment, why)
		}
		if why != RefusedNone {
			return
		}
		total := 0
		g := &got{}
		split(0, payload, segment, 0, 1, g)
		for _, d := range g.datagrams {
			total += len(d)
		}
		if total != len(payload) {
			t.Fatalf("split lost bytes: %d of %d", total, len(payload))
		}
	})
}

func FuzzSum(f *testing.F) {
	f.Add([]byte{}, byte(0))
	f.Add(bytes.Repeat([]byte{0xff}, 41), byte(17))
	f.Fuzz(func(t *testing.T, b []byte, at byte) {
		cut := min(int(at)&^1, len(b)&^1)
		if got, want := fold(sum(sum(0, b[:cut]), b[cut:])), slowSum(b); got != want && got^want != 0xffff {
			t.Errorf("%x: sum %x, want %x", b, got, want)
		}
	})
}

func TestRefusalNames(t *testing.T) {
	for r := RefusedNone; r < Refusals; r++ {
		if strings.Contains(r.String(), "(") || r.String() == "" {
			t.Errorf("%d has no name", r)
		}
	}
}
