// Package retransmit is the TCP protocol by which receivers ask for what they miss:
// both ends, without sockets, goroutines or clocks. A Session is the server's end of
// one connection, what all sessions share is a Server; a Client is the receiver's
// end. Each takes bytes and the time, and gives bytes.
//
// # Protocol
//
// A connection carries frames both ways. Numbers are little-endian, times are
// nanoseconds unless said otherwise, reserved bytes are zero. Every frame begins with
// a head of 16 bytes; offsets below count from the start of the frame.
//
//	 0  u32  checksum: CRC32C of the bytes from 4 on; of data only those from 4 to 15,
//	         since its packets carry their own
//	 4  u32  length of the whole frame in bytes
//	 8  u8   type; the high bit is set in frames of the server
//	 9  3    reserved
//	12  u32  id: chosen by the client for a request, and in all frames that answer
//	         it; 0 in a frame that belongs to no request
//
// Frames of the client. Their lengths are exact.
//
//	0x01 login, 48 bytes and the name; the first frame, and only the first
//	    16  u32  "TCTR"
//	    20  u8   protocol version, 1
//	    21  u8   flags: 1 takes zstd
//	    22  u8   role: 0 tool, 1 receiver
//	    23  u8   length of the name, at most 64
//	    24  u16  channel; 0xffff any
//	    26  2    reserved
//	    28  u32  highest epoch known of the session; 0 none
//	    32  u64  session, eight characters padded with zeros; 0 any
//	    40  u64  instance: the same at every login of one receiver; 0 none
//	    48       name
//	0x02 range, 32 bytes
//	    16  u64  first sequence, from 1
//	    24  u64  last sequence; 0 open-ended: a follow
//	0x03 definitions, 16 bytes: all instrument definitions
//	0x04 ping, 16 bytes; the id comes back in the pong
//	0x05 ready, 16 bytes: this receiver hears the lines, or follows; see Server.Receivers
//
// Frames of the server, at most 262,144 bytes.
//
//	0x81 welcome, at least 288 bytes; what follows them is for newer clients
//	    16  u8   protocol version      17  u8   journal state, as in wire.Status
//	    18  u8   flags: 1 ended        20  u16  channel
//	    24  u32  largest packet        28  u32  epoch
//	    32  u64  session               40  u64  heartbeat interval
//	    48  u64  oldest sequence       56  u64  next sequence
//	    64  u64  chain before next     72  u64  highest durable sequence; 0 none
//	    80  u64  last sequence of the session, once ended
//	    88  u32  epoch of the cut; 0: the known epoch is the newest
//	    92  u32  epoch before it       96  u64  cut: the lowest since the known epoch
//	   104  u64  chain after the cut
//	   112  u8   clock state          113  i8   TAI offset
//	   116  u32  clock id             120  u32  clock error bound
//	   128  36   line A, 164  36  line B: group address (16 bytes, IPv4 mapped; zeros
//	             none), source address (likewise), port (u16), 2 reserved
//	   200  u32  connections          204  u32  connections of one peer
//	   208  u64  messages in a range  216  u32  open requests
//	   220  u32  requests a second    224  u32  of all clients; 0 unlimited
//	   232  u64  bytes a second       240  u64  of all clients; 0 unlimited
//	   248  u64  until the login      256  u64  silence
//	   264  u64  stall                272  u64  one answer
//	   280  u64  life of a connection; 0 unlimited
//	0x82 refusal, 24 bytes and the text; closes the request, with id 0 the connection
//	    16  u8   code: 1 version, 2 bad channel, 3 bad session, 4 too large, 5 rate,
//	             6 too old, 7 ahead, 8 busy, 9 malformed, 10 internal, 11 ended
//	    17  u8   1 if the same may succeed here later
//	    18  u16  length of the text, at most 200
//	    20  u32  retry after, milliseconds
//	    24       text, for people
//	0x83 data: consecutive whole packets from 16 on
//	0x84 data, zstd: 16 u32 length of the packets, at most 262,144; 20 one zstd frame
//	0x85 unavailable, 40 bytes: 16 u64 first, 24 u64 last, 32 u8 cause (1 gone)
//	0x86 done, 24 bytes; closes the request: 16 u64 the sequence after the answer, or
//	     what definitions are as of
//	0x87 control: a heartbeat, epoch announcement or end packet from 16 on
//	0x88 pong, 16 bytes
//
// Bytes that break these rules close the connection, after a refusal with the code
// malformed. A request frame therefore arrives as it was sent, or not at all.
//
// # Answers
//
// A request is closed by exactly one done or refusal. Before it come data, in order,
// and unavailable for what is no longer kept. The first and the last packet may hold
// messages beyond the range. The end of a range that is not visible yet is refused
// as ahead, or as ended past the last message of an ended session, after what there
// is of it; a range of which nothing is kept is named as unavailable and refused as
// too old. In strict mode visible means durable: Store and State know nothing else.
//
// A follow gives what is there from its first sequence on and then what becomes
// visible, until the session ends: an end packet and done follow the last message.
// It sees what a multicast receiver sees: when it has all packets, a heartbeat
// follows every interval of silence, made from Live.State by wire.Status. A heartbeat
// never runs ahead of the follow's packets. Without a follow a connection gets one
// every 20 intervals, an end packet once the session is over.
//
// Every epoch that began after the one known at login (or after the login, if none
// was) is announced in order, each with its own cut, before any packet of it. Answers
// under way go back to the cut: the packets that they gave beyond it are void.
//
// Definitions are snapshot packets, with the sequence after the one they are as of.
//
// # States
//
//	          login                  bad bytes, bad login
//	greeting ------> serving ------------------------------> closing
//	    |               |                                       | refusal given
//	    +---------------+----- Poll: a deadline passed -----+   | or not taken in time
//	                                                        v   v
//	                                                        closed
//
// A login is followed by a welcome before anything else. Nothing is read from closing
// on. A Client is ready after the welcome, and ends with the first error.
//
// The loop around a Session passes what it reads to Receive and, while the socket
// takes bytes, what Produce gives to the socket, telling Taken how far it came. It
// calls Produce again after Receive and at the time that Produce named, and Poll at
// the time that Poll named. It closes the socket, and the Session, when Done.
//
// # Bounds
//
//	queue                     bound                           when full
//	connections               Limits.Connections, PerPeer     refused as busy; Stats.Refused
//	open requests             Limits.Outstanding              refused as rate; Stats.Refused
//	refusals to be sent       2 * Limits.Outstanding + 1      connection closed; Stats.Malformed
//	pings to be answered      1                               the newest is
//	follows of a client       1                               refused as busy; Stats.Refused
//	part of a client's frame  112 bytes                       cannot be: longer is malformed
//	part of a server's frame  256 KiB                         likewise
//	answers to be sent        the loop's buffer               Produce is not called
//	receivers told apart      65,536                          more do not count
//	compression               one at a time in a server       the others send plain
//
// Within a session requests take turns, a frame each, but one that goes on where
// another ends waits for that. Sessions share the total byte rate in the order in which
// they ask for 64 KiB of it. Produce copies from the store into the loop's buffer, and a
// request costs work in proportion to its range.
package retransmit
