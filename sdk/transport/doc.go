// Package transport is both ends of the wire between host and plugin, and the
// only code that touches protobuf structs: it converts, moves tensors, checks
// what the other side claims and delegates to package sdk.
//
// Tensors travel through shared memory that the host made and the plugin
// inherited ([Arena]); control messages carry offset and shape. Without shared
// memory, or when a tensor does not fit, its bytes travel inside the message,
// with the same result to the last bit. Neither side trusts an offset, a length
// or a shape of the other.
//
// Messages travel on a socket of their session's own, which comes through a
// [Door], or on a gRPC stream if the plugin takes none; gRPC also carries Info.
// What a session is, its numbers, slots, limits and errors, is the same code.
//
// It imports sdk, sdk/pb and gRPC, never the host. Start at [Client] for the
// host's end and at [RegisterBackbone] for the plugin's.
package transport
