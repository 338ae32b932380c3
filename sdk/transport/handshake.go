package transport

import goplugin "github.com/hashicorp/go-plugin"

// What host and plugin agree on before the first message.
const (
	// Version is the newest version of the wire contract this code speaks.
	Version = 1
	// Minor is the newest minor version of it: what plugins may be asked for and
	// answer beyond version 1.0. See plugin.proto.
	Minor = 2
	// ServiceName is the plugin's name within the handshake of go-plugin.
	ServiceName = "deconfound"
	// CookieKey and CookieValue tell a program that it was started as a plugin.
	// They are no secret.
	CookieKey   = "DECONFOUND_PLUGIN_COOKIE"
	CookieValue = "6a0c1a5be6d2a1f2c7f84f3d0a91c3a4"
	// ArenaVariable names the file descriptor of the shared memory.
	ArenaVariable = "DECONFOUND_PLUGIN_ARENA_FD"
	// DoorVariable names the file descriptor of the [Door].
	DoorVariable = "DECONFOUND_PLUGIN_DOOR_FD"
	// ParentVariable names the file descriptor of a pipe that reaches its end
	// when the host is gone.
	ParentVariable = "DECONFOUND_PLUGIN_PARENT_FD"
)

// Handshake is the configuration of go-plugin on both sides.
var Handshake = goplugin.HandshakeConfig{
	ProtocolVersion:  Version,
	MagicCookieKey:   CookieKey,
	MagicCookieValue: CookieValue,
}
