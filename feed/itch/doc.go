// Package itch reads Nasdaq TotalView-ITCH 5.0 and turns each of its messages into
// one tapecast message.
//
// # Input
//
// A Reader takes a file of messages, each behind its length as a big-endian u16
// (Nasdaq's BinaryFILE), plain or compressed with gzip or zstd, which it
// recognises by content. A length of 0 at the very end is Nasdaq's end of session.
// Anything else that does not fit is an *Error that says where; what comes before
// it is delivered first.
//
// # Messages
//
//	A F        OrderAdd                 P   Trade
//	E C        OrderExecute             Q   Trade, a cross
//	X          OrderModify, reduced     B   TradeCancel
//	D          OrderDelete              I   Imbalance
//	U          OrderReplace             H S TradingStatus
//	R          InstrumentDefinition
//	Y L V W K J h N O                   Opaque, FormatITCH50
//
// Nothing is dropped. A message of unknown type, of a wrong length for its type,
// or with a side, a printable flag or a stock locate that the tapecast message has
// no room for, travels whole as Opaque, FormatITCH50Raw. What tapecast leaves out
// is the tracking number, which means nothing outside Nasdaq, and the symbol,
// which the instrument's definition holds.
//
// # Instruments
//
// The instrument id is the stock locate; prices have 4 decimals, quantities none.
// A file may be cut anywhere, so a locate may be named before its stock directory
// message: then a definition without attributes comes first. One comes again when
// a message gives the locate another symbol. So the tapecast messages are a pure
// function of the file's bytes, and an input resumes by counting them.
package itch
